"""The figure of a sweep: top-1 and NLL of the ensemble, by a param or against a cost.

Takes a `Sweep` and its `Summary`s; gives a matplotlib figure of two panels. Guarantees: a setting of which no seed
ended, or whose cost some seed has not got, has no point; a bar is a standard error, and needs two seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import ceil, floor, log10, nan, sqrt
from typing import TYPE_CHECKING, Any

from attrs import frozen

from swc.registry.tasks import TASKS
from swc.report.curves import INK, LINES
from swc.show.wording import scale_text
from swc.sweep.columns import HEADINGS, paired_of
from swc.sweep.cost_figure import CostFigure, setting_at
from swc.sweep.plan import ENSEMBLE, SPEC, Setting, Sweep
from swc.sweep.summary import Summary, best_of, choice_of
from swc.sweep.values import numbers_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_INSIDE = 6  # lines whose names have room within a panel
LONGEST_LEVEL = 8  # letters of a name that stands level under an axis
ROWS = {row.name: row for task in TASKS.rows for row in task.scores}  # of one name all are written alike
AXES = {
    "stored": "stored parameters",
    "stored_bytes": "stored bytes",
    "multiply_adds": "multiply-adds for an image",
    "train_seconds": "training (seconds)",
}
DASHES = ("-", "--", ":", "-.")  # of further lines, whose colours come again
MARKERS = "osD^vPX"
LOGARITHMIC_FROM = 8  # numbers of which the greatest is so many times the least have a logarithmic axis
LEAST_GAP = 0.07  # between two numbers, of the whole axis, so that they can be read below it
# steps within a factor of ten, of which the first that give several ticks along an axis are taken
STEPS = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 6, 8), (1, 1.2, 1.4, 1.7, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))
FEWEST_TICKS = 3


@frozen
class SummaryLine:
    """Summaries that one line joins, each with its place along the axis; `label` is empty where there is one line.

    Lines of one `colour` differ in `style`, both numbers.
    """

    label: str
    points: tuple[tuple[float, Summary], ...]
    colour: int
    style: int
    is_joined: bool = True


@frozen
class ParamAxis:
    """Where each value of a param stands along an axis, and whether that is logarithmic."""

    places: Mapping[str, float]
    is_logarithmic: bool = False

    @classmethod
    def of(cls, values: Sequence[str]) -> ParamAxis:
        """Numbers where they are, if they lie far enough apart to be read; names, and other numbers, one after another.

        A threshold that stands for none, such as -1, would press the others together.
        """
        numbers = numbers_of(values)
        if len(numbers) > 1:
            is_logarithmic = 0 < LOGARITHMIC_FROM * min(numbers) <= max(numbers)
            along = sorted(log10(number) if is_logarithmic else number for number in numbers)
            if min(after - before for before, after in pairwise(along)) >= LEAST_GAP * (along[-1] - along[0]):
                return cls(dict(zip(values, numbers, strict=True)), is_logarithmic)
        return cls({value: place for place, value in enumerate(values)})


def figure(sweep: Sweep, found: Sequence[Summary], example: str = "image") -> Figure:
    """The two scores of the task: against a cost where the sweep file asks for it, else by what has the most values.

    Top-1 and NLL of classes; `example` is what one of the images is called.
    """
    from matplotlib.figure import Figure

    wide = Figure(figsize=(9.0, 3.4), layout="constrained")
    lines = tuple(_cost_lines(sweep, sweep.figure, found) if sweep.figure else _param_lines(sweep, found))
    known, choice = {name for one in found for name, _ in one.values}, choice_of(found)
    of = "test" if choice in known else "held out"
    metrics = paired_of(known)
    panels = wide.subplots(1, len(metrics))
    for axes, metric in zip(panels, metrics, strict=True):
        label, factor = ROWS[metric].label, ROWS[metric].factor
        for line in lines:
            _draw(axes, line, metric, factor)
        axes.set(ylabel=f"{label}, {of}")
        axes.spines[["top", "right"]].set_visible(False)
        if sweep.figure:
            _mark_costs(axes, sweep.figure.across, example)
        else:
            _mark_values(axes, sweep, found, metric, factor)
    if num_labels := len(panels[0].get_legend_handles_labels()[1]):
        beside = {"handles": panels[0].get_legend_handles_labels()[0], "loc": "outside right center"}
        place, more = (panels[0], {}) if num_labels <= MOST_INSIDE else (wide, beside)
        place.legend(fontsize=7, frameon=False, **more)
    title = sweep.figure.title if sweep.figure and sweep.figure.title else f"{sweep.name}: ensemble"
    wide.suptitle(f"{title}{scale_text(sweep.epochs_scale)}, {_seeds(found)}", fontsize=10)
    return wide


def _cost_lines(sweep: Sweep, plan: CostFigure, found: Sequence[Summary]) -> Iterable[SummaryLine]:
    by_setting = {one.setting: one for one in found if plan.across in dict(one.values)}
    looks = _looks(plan)
    for label, points in plan.lines:
        settings = (setting_at(point, sweep.columns) for point in points)
        ended = (by_setting[setting] for setting in settings if setting in by_setting)
        places = tuple((dict(one.values)[plan.across].mean, one) for one in ended)
        yield SummaryLine(label, places, *looks[label], is_joined=len(points) > 1)


def _looks(plan: CostFigure) -> dict[str, tuple[int, int]]:
    """The colour and the style of each label: lines that are alike have the colour of the first of them."""
    labels = [label for label, _ in plan.lines]
    if not plan.alike:
        return {label: (number % len(LINES), number // len(LINES)) for number, label in enumerate(labels)}
    groups = {label: group for group in plan.alike for label in group}
    colours = dict.fromkeys(groups.get(label, (label,)) for label in labels)
    of_group = {group: number for number, group in enumerate(colours)}
    found = {}
    for label in labels:
        group = groups.get(label, (label,))
        found[label] = (of_group[group] % len(LINES), group.index(label) + of_group[group] // len(LINES))
    return found


def _param_lines(sweep: Sweep, found: Sequence[Summary]) -> Iterable[SummaryLine]:
    """A line for each setting of the params other than the one with the most values."""
    name, values = _longest(sweep)
    along = ParamAxis.of(values).places
    lines: dict[Setting, list[Summary]] = {}
    for one in found:
        lines.setdefault(tuple(part for part in one.setting if part[0] != name), []).append(one)
    for number, (others, points) in enumerate(lines.items()):
        look = (number % len(LINES), number // len(LINES))
        places = ((along[dict(one.setting).get(name, values[0])], one) for one in points if one.values)
        # names have no order, so that no line joins them
        label = ", ".join(f"{n} {v}" for n, v in others)
        in_order = tuple(sorted(places, key=lambda point: point[0]))
        yield SummaryLine(label, in_order, *look, is_joined=name not in (SPEC, ENSEMBLE))


def _longest(sweep: Sweep) -> tuple[str, tuple[str, ...]]:
    """What has the most values; the spec, where seeds alone differ."""
    return max(sweep.columns, key=lambda one: len(one[1]), default=(SPEC, (sweep.specs[0].stem,)))


def _draw(axes: Axes, line: SummaryLine, metric: str, factor: float) -> None:
    known = [(place, dict(one.values)) for place, one in line.points if metric in dict(one.values)]
    values = [one[metric] for _, one in known]
    axes.errorbar(
        [place for place, _ in known],
        [factor * value.mean for value in values],
        yerr=[nan if value.error is None else factor * value.error for value in values],
        label=line.label or None,
        color=LINES[line.colour],
        linestyle=DASHES[line.style % len(DASHES)] if line.is_joined else "none",
        marker=MARKERS[line.style % len(MARKERS)],
        markersize=4,
        capsize=3,
    )


def _mark_costs(axes: Axes, across: str, example: str) -> None:
    """A logarithmic axis with numbers that one reads as they stand, such as 50k, 100k, 200k."""
    from matplotlib.ticker import EngFormatter, FixedLocator, NullFormatter

    axes.set(xlabel=AXES[across].replace("image", example), xscale="log")
    axes.xaxis.set_major_locator(FixedLocator(cost_ticks(*axes.get_xlim())))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_formatter(NullFormatter())


def cost_ticks(least: float, most: float) -> list[float]:
    """Where marks stand along a logarithmic axis: from 40 to 2000 at 100, 300, 1000; one at least, if it is short."""
    powers = range(floor(log10(least)), ceil(log10(most)))
    ticks: list[float] = []
    for steps in STEPS:
        ticks = [step * 10.0**power for power in powers for step in steps if least <= step * 10.0**power <= most]
        if len(ticks) >= FEWEST_TICKS:
            return ticks
    return ticks or [sqrt(least * most)]


def _mark_values(axes: Axes, sweep: Sweep, found: Sequence[Summary], metric: str, factor: float) -> None:
    """Name the values below the axis, and mark the setting that validation chooses."""
    name, values = _longest(sweep)
    axis = ParamAxis.of(values)
    if axis.is_logarithmic:
        axes.set_xscale("log")
    axes.set_xticks(list(axis.places.values()), values, **_tilted(values))
    axes.set_xticks([], minor=True)
    axes.set(xlabel=name)
    best = best_of(found)
    if best is None:
        return
    axes.plot(
        axis.places[dict(best.setting)[name]],  # two settings at least, of which it is one
        factor * dict(best.values)[metric].mean,
        color=INK,
        linestyle="none",
        marker="*",
        markersize=11,
        label=f"lowest {HEADINGS[choice_of(found)]}",
    )


def _seeds(found: Sequence[Summary]) -> str:
    """Of how many seeds the points are; settings may have more of them than others."""
    numbers = sorted({one.num_seeds for one in found if one.num_seeds}) or [0]
    if numbers[-1] <= 1:
        return "one seed"
    number = f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
    return f"mean and standard error of {number} seeds"


def _tilted(names: Sequence[str]) -> dict[str, Any]:
    """How names stand under an axis: long ones lean, each ending at its own mark."""
    is_long = max(map(len, names)) > LONGEST_LEVEL
    return {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if is_long else {}
