"""Figures of what `swc eval` found of one run: reliability, diversity, interpolation.

Takes a run's evaluation; gives figures. Guarantees: what is undefined is left blank.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan, nan
from typing import TYPE_CHECKING, Any

from attrs import frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.show import NothingEvaluated
from swc.folders.store import Build
from swc.report.curves import GREY, LINES
from swc.report.scores import BinFacts, ScoredRun, scored_of
from swc.show.wording import decimal, held_out, part_text, scale_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BRIGHT = 0.6  # of the scale: above it black is easier to read


def evaluation_of(build: Build) -> ScoredRun:
    """What `swc eval` wrote of a run; DiagnosticError where it did not, or the file is not what it writes."""
    found = scored_of(build.folder)
    if found is None:
        raise DiagnosticError(NothingEvaluated(place=str(build.folder)))
    return found


def numbers(values: Sequence[float | None]) -> list[float]:
    """Values to draw: what is undefined is nan, which figures leave blank."""
    return [nan if value is None else value for value in values]


@frozen
class BinLooks:
    """How the bins of a task are drawn: what the axes are called, and whether bars stand where the bins lie."""

    promised: str
    observed: str
    has_bars: bool = True


BIN_LOOKS: dict[str, BinLooks] = {  # by the `figure` of a task's row
    "confidence": BinLooks("confidence", "accuracy"),
    "labels": BinLooks("probability of a label", "share that has it"),
    "intervals": BinLooks("share that an interval promises", "share of targets in it", has_bars=False),
}


def reliability(build: Build) -> Figure:
    """What is promised against what holds, for each member and the ensemble; a calibrated predictor is dotted.

    Accuracy against confidence; of labels how often they hold against their probability; of numbers how many targets
    lie in central intervals. DiagnosticError where no noise was fitted that gives such intervals.
    """
    from matplotlib.figure import Figure

    found, looks = evaluation_of(build), BIN_LOOKS[build.spec.task.row.figure]
    if not any(found.reliability):
        raise DiagnosticError(NothingEvaluated(place=str(build.folder), wanted="intervals"))
    names = found.names
    figure = Figure(figsize=(2.4 * len(names), 2.9), layout="constrained")
    all_axes = figure.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)[0]
    for axes, name, bins in zip(all_axes, _with_temperatures(found), found.reliability, strict=True):
        _draw_bins(axes, bins, has_bars=looks.has_bars)
        axes.set(title=name, xlabel=looks.promised, xlim=(0, 1), ylim=(0, 1))
    all_axes[0].set_ylabel(looks.observed)
    figure.suptitle(_title(build, found), fontsize=10)
    return figure


def _with_temperatures(found: ScoredRun) -> list[str]:
    """What each diagram is of, with the temperature where one divided its logits."""
    single = [one for one in found.predictors if len(one.members) == 1]
    drawn = single if len(single) == 1 else [*single, found.predictors[-1]]
    values = ["" if one.temperature is None else f", T = {one.temperature:.3g}" for one in drawn]
    return [name + value for name, value in zip(found.names, values, strict=True)]


def _draw_bins(axes: Any, bins: Sequence[BinFacts], *, has_bars: bool) -> None:
    """What holds as bars, and against the mean of what is promised as a line; empty bins are left out."""
    filled = [(place, part) for place, part in enumerate(bins) if part.num_images]
    accuracies = numbers([part.accuracy for _, part in filled])
    centres = [(place + 0.5) / len(bins) for place, _ in filled]
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    if has_bars:
        axes.bar(centres, accuracies, width=0.9 / len(bins), color=LINES[0], alpha=0.35)
    axes.plot(numbers([part.confidence for _, part in filled]), accuracies, color=LINES[0], marker="o", markersize=3)
    axes.spines[["top", "right"]].set_visible(False)


def diversity(build: Build) -> Figure:
    """The matrix of how differently members predict, over the error of the row's, as the task says."""
    from matplotlib.figure import Figure

    found = evaluation_of(build)
    matrix = [numbers(row) for row in found.diversity]
    names = found.names[: len(matrix)]
    size = 2.2 + 0.55 * len(names)
    figure = Figure(figsize=(size + 0.8, size), layout="constrained")
    axes = figure.subplots()
    highest = max((value for row in matrix for value in row if not isnan(value)), default=0.0)
    shown = axes.imshow(matrix, cmap="cividis", vmin=0, vmax=highest or 1.0)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    for row, values in enumerate(matrix):
        for column, value in enumerate(values):
            if row != column and not isnan(value):
                ink = "k" if value > BRIGHT * highest else "w"
                axes.text(column, row, decimal(value, 2), ha="center", va="center", fontsize=7, color=ink)
    figure.colorbar(shown, ax=axes, label=build.spec.task.row.diversity, shrink=0.8)
    figure.suptitle(_title(build, found), fontsize=9)
    return figure


def interpolation(build: Build) -> Figure:
    """Top-1 along the line between every two members of one architecture; DiagnosticError for another task."""
    from matplotlib.figure import Figure

    build.spec.task.check_classes("the figure `interpolation`")
    found = evaluation_of(build)
    lines = found.interpolations
    if not lines:
        raise DiagnosticError(NothingEvaluated(place=str(build.folder), wanted="interpolation"))
    figure = Figure(figsize=(5.2, 3.2), layout="constrained")
    axes = figure.subplots()
    for number, line in enumerate(lines):
        steps = [place / (len(line.top1) - 1) for place in range(len(line.top1))]
        style: dict[str, Any] = {"color": LINES[number % len(LINES)], "marker": "o", "markersize": 3}
        axes.plot(steps, [100 * value for value in numbers(line.top1)], label=f"{line.first} to {line.second}", **style)
    axes.set(xlabel="from the first member (0) to the second (1)", ylabel=f"{held_out(found.part)} top-1 (%)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False)
    figure.suptitle(_title(build, found), fontsize=10)
    return figure


def _title(build: Build, found: ScoredRun) -> str:
    part = part_text(found.part, build.spec.data.example)
    return f"{build.spec.name} on {found.data}{part}{found.calibration}{scale_text(found.epochs_scale)}"
