"""A figure of what `swc eval --corruptions` found: the ensemble's accuracy by type and severity.

Takes a run's evaluation; gives a figure. Guarantees: every cell carries its number; the types of the standard mean
stand apart from the others.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.show import NothingEvaluated
from swc.folders.store import Build
from swc.program.input_faults import check_images
from swc.report.evaluation_figures import BRIGHT, evaluation_of, numbers
from swc.report.scores import CorruptionFacts, ScoredRun
from swc.show.wording import decimal, per_cent, scale_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW = 0.27  # inches


def corruptions(build: Build) -> Figure:
    """Top-1 in per cent of the ensemble: types by severities, and the mean of each type; DiagnosticError elsewhere."""
    from matplotlib.figure import Figure

    check_images(build.spec.data, "swc plot corruptions")
    build.spec.task.check_classes("the figure `corruptions`")
    evaluation = evaluation_of(build)
    found = evaluation.corruptions
    if found is None:
        raise DiagnosticError(NothingEvaluated(place=str(build.folder), wanted="corruptions"))
    parts = _parts(found)
    heights = [len(rows) for _, rows in parts]
    figure = Figure(figsize=(5.6, 1.5 + ROW * sum(heights)), layout="constrained")
    all_axes = figure.subplots(len(parts), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    shown = [_draw(axes, rows, found.severities) for axes, (_, rows) in zip(all_axes, parts, strict=True)]
    for axes, (label, _) in zip(all_axes, parts, strict=True):
        axes.set_ylabel(label, fontsize=8)
    all_axes[-1].set_xlabel("severity", fontsize=8)
    figure.align_ylabels(list(all_axes))
    bar = figure.colorbar(shown[0], ax=list(all_axes), shrink=0.6)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("top-1 (%)", fontsize=8)
    figure.suptitle(_title(build, evaluation, found), fontsize=9)
    return figure


def _parts(found: CorruptionFacts) -> list[tuple[str, dict[str, list[float]]]]:
    """The rows of the standard types, then those of the others, in per cent; a part without any is left out."""
    matrix = found.predictors[-1].top1
    rows = {name: [100 * value for value in numbers(row)] for name, row in zip(found.types, matrix, strict=True)}
    standard = {name: row for name, row in rows.items() if name in found.standard}
    others = {name: row for name, row in rows.items() if name not in found.standard}
    named = ((f"{len(standard)} standard", standard), (f"{len(others)} others", others))
    return [(label, part) for label, part in named if part]


def _draw(axes: Axes, rows: dict[str, list[float]], severities: tuple[int, ...]) -> Any:
    """The cells, and a last column of means."""
    cells = [[*row, fmean(row)] for row in rows.values()]
    shown = axes.imshow(cells, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    axes.set_yticks(range(len(rows)), list(rows), fontsize=7)
    axes.set_xticks(range(len(severities) + 1), [*map(str, severities), "mean"], fontsize=7)
    axes.axvline(len(severities) - 0.5, color="white", linewidth=3)
    axes.tick_params(length=0)
    for place, row in enumerate(cells):
        for column, value in enumerate(row):
            ink = "k" if value > 100 * BRIGHT else "w"
            axes.text(column, place, decimal(value, 1), ha="center", va="center", fontsize=7, color=ink)
    return shown


def _title(build: Build, evaluation: ScoredRun, found: CorruptionFacts) -> str:
    kind = "generated" if found.generated else "official" if found.official else "unknown"
    name = found.predictors[-1].name
    mean = (found.mean_standard or {}).get(name, {}).get("top1")
    headline = "not all types: no mean" if mean is None else f"mean of the standard types {per_cent(mean)}"
    scale = scale_text(evaluation.epochs_scale)
    return f"{build.spec.name} on corrupted {evaluation.data} ({kind} arrays){scale}\n{name}: {headline}"
