"""Scores of every subset against what it costs, of one ensemble or of several over each other.

Takes `Line`s; gives a figure. Guarantees: every subset that was scored is a point; an ensemble's colour and mark are
its own; a cost that was not measured is a DiagnosticError, and never a point at zero; which scores are drawn, the row
of the task says.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from attrs import frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.comparing import DifferentTasks, NotTimed
from swc.folders.store import Build
from swc.program.data_facts import DataFacts
from swc.program.task import Task
from swc.registry.tasks import TASKS, ScoreRow, TaskRow
from swc.report.curves import GREY, INK, LINES
from swc.report.evaluation_figures import evaluation_of
from swc.report.names import run_names
from swc.report.scores import PredictorFacts, ScoredRun
from swc.show.wording import part_text, scale_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLASSIFICATION = TASKS["classification"]
WIDTH, HEIGHT = 11.0 / 3, 3.4  # of a panel, in inches
COSTS = {"multiply-adds": "multiply-adds for an image", "milliseconds": "ms for an image"}
MARKS = "osD^vP"


@frozen
class Point:
    """A subset: its costs for an image by name (None: not measured), and its scores with their standard errors.

    An error is None where there is one run; a score is None where it is not a finite number.
    """

    costs: dict[str, float | None]
    scores: dict[str, float | None]
    errors: dict[str, float | None]


@frozen
class Line:
    """An ensemble in the figure: `place` says in errors where it lies; the last of its points is the whole ensemble."""

    name: str
    place: str
    points: tuple[Point, ...]


def anytime(*builds: Build, against: str = "multiply-adds") -> Figure:
    """Every subset of the runs by its cost, and the line of those that no cheaper one matches.

    DiagnosticError where the runs have several tasks.
    """
    scored = [evaluation_of(build) for build in builds]
    names, data = run_names(builds), [build.spec.data for build in builds]
    task, example = one_task([one.task for one in data]), example_of(data)
    together = zip(names, builds, scored, strict=True)
    lines = [Line(name, str(build.folder), points_of(found.predictors, task.row)) for name, build, found in together]
    return figure(lines, against, _title(names, scored, example), task.row, example)


def one_task(tasks: Sequence[Task]) -> Task:
    """The task of several runs; DiagnosticError where they have not all the same."""
    if len({task.name for task in tasks}) > 1:
        raise DiagnosticError(DifferentTasks(tasks=tuple(dict.fromkeys(task.name for task in tasks))))
    return tasks[0]


def example_of(data: Sequence[DataFacts]) -> str:
    """What one of the images is called that several runs are scored on."""
    return "image" if all(one.are_images for one in data) else "example"


def points_of(predictors: Sequence[PredictorFacts], task: TaskRow = CLASSIFICATION) -> tuple[Point, ...]:
    """The points of one run."""
    return tuple(
        Point(
            {"multiply-adds": float(one.multiply_adds), "milliseconds": one.milliseconds},
            {name: one.scores[name] for name in task.drawn},
            dict.fromkeys(task.drawn),
        )
        for one in predictors
    )


def _title(names: Sequence[str], scored: Sequence[ScoredRun], example: str) -> str:
    """What is common to the runs; of several their own names stand in the legend."""
    data = " and ".join(dict.fromkeys(found.data for found in scored))
    calibrated = next((found.calibration for found in scored if found.has_temperatures), "")
    scales = dict.fromkeys(scale_text(found.epochs_scale) for found in scored)
    scale = next(iter(scales)) if len(scales) == 1 else ", epochs scaled by different factors"
    whose = names[0] if len(names) == 1 else f"{len(names)} runs"
    part = scored[0].part if len({found.part for found in scored}) == 1 else "test"
    return f"{whose} on {data}{part_text(part, example)}{calibrated}{scale}"


def figure(
    lines: Sequence[Line], against: str, title: str, task: TaskRow = CLASSIFICATION, example: str = "image"
) -> Figure:
    """The lines over each other; DiagnosticError where one was not measured against that cost.

    A score that no predictor has, as of numbers without a noise that was fitted, has no panel.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    _check_measured(lines, against)
    rows = [row for row in task.against_cost if _is_known(row, lines)] or [task.chosen]
    made = Figure(figsize=(WIDTH * len(rows), HEIGHT), layout="constrained")
    all_axes = made.subplots(1, len(rows), squeeze=False)[0]
    for axes, row in zip(all_axes, rows, strict=True):
        for number, line in enumerate(lines):
            _draw(axes, line, against, row, _Style.of(number, line.name, len(lines)))
        axes.set(xlabel=cost_text(against, example), ylabel=f"held-out {row.label}" if row is rows[0] else row.label)
        axes.set_xlim(left=0)
        if against == "multiply-adds":
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.spines[["top", "right"]].set_visible(False)
    beside: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1, 0.5)} if len(lines) > 1 else {}
    all_axes[-1].legend(fontsize=7, frameon=False, **beside)
    made.suptitle(title, fontsize=10)
    return made


def cost_text(against: str, example: str) -> str:
    """What the axis of a cost says."""
    return COSTS[against].replace("image", example)


def _is_known(row: ScoreRow, lines: Sequence[Line]) -> bool:
    return any(point.scores[row.name] is not None for line in lines for point in line.points)


def _check_measured(lines: Sequence[Line], against: str) -> None:
    untimed = [line for line in lines if any(point.costs[against] is None for point in line.points)]
    if untimed:
        raise DiagnosticError(*(NotTimed(place=line.place) for line in untimed))


@frozen
class _Style:
    """How a line looks: alone in the colours of the other figures, among others in one of its own."""

    dots: str
    line: str
    whole: str
    mark: str
    labels: tuple[str | None, str | None, str | None]  # of the subsets, the best of them, the ensemble

    @staticmethod
    def of(number: int, name: str, num_lines: int) -> _Style:
        if num_lines == 1:
            return _Style(GREY, LINES[0], INK, "o", ("subset", "best", "ensemble"))
        colour = LINES[number % len(LINES)]
        return _Style(colour, colour, colour, MARKS[number % len(MARKS)], (None, name, None))


def _draw(axes: Any, line: Line, against: str, row: ScoreRow, style: _Style) -> None:
    """All subsets as dots, the front as a line, the ensemble as a star; errors as bars where there are any."""
    factor = row.factor
    measured = [(point.costs[against], point.scores[row.name], point.errors[row.name]) for point in line.points]
    # one run has no error: nan draws no bar, where zero would draw one as if it were known
    found = [
        (c, factor * v, nan if e is None else factor * e) for c, v, e in measured if c is not None and v is not None
    ]
    if not found:
        return
    costs, values, errors = zip(*found, strict=True)
    points = list(zip(costs, values, strict=True))
    subsets, best, ensemble = style.labels
    axes.scatter(costs, values, s=14, color=style.dots, marker=style.mark, alpha=0.6, label=subsets)
    if not all(map(isnan, errors)):
        axes.errorbar(costs, values, yerr=errors, color=style.dots, linestyle="none", elinewidth=0.8, capsize=2)
    chosen = zip(*front(points, rises=row.rises), strict=True)
    axes.plot(*chosen, color=style.line, marker=style.mark, markersize=3, label=best)
    axes.plot(*points[-1], color=style.whole, marker="*", markersize=10, linestyle="none", label=ensemble)


def front(points: Sequence[tuple[float, float]], *, rises: bool) -> list[tuple[float, float]]:
    """The Pareto front: points that are better than every one that costs no more, by rising cost."""
    found: list[tuple[float, float]] = []
    sign = 1 if rises else -1
    for cost, value in sorted(points, key=lambda point: (point[0], -sign * point[1])):
        if not found or sign * (value - found[-1][1]) > 0:
            found.append((cost, value))
    return found
