"""An evaluation as tables for a terminal or a file.

Takes an `Evaluation`, gives a renderable. Guarantees: what was scaled down, calibrated or left out is said beside it.
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from swc.evaluate.corruption_tables import corruptions_shown
from swc.registry.tasks import TASKS, TaskRow
from swc.show.plain import table
from swc.show.wording import (
    decimal,
    exact,
    held_out,
    images_of,
    per_cent,
    scale_text,
    score_text,
    several,
    short,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from swc.files.evaluation import Evaluation, Outliers, Predictor

TOP = 5  # classes that top-5 accuracy looks at
MOST = 31  # subsets, or labels, in a table; all are in the files


def evaluation_shown(found: Evaluation, example: str = "image") -> RenderableType:
    """Members, subsets and ensemble with scores and costs; diversity; outliers; corrupted images.

    `example` is what one of the scored images is called (`DataFacts.example`).
    """
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [
        Text(_title(found, example), style="bold"),
        Text(),
        _predictors(found, example),
        Text(),
    ]
    parts += [Text(line) for line in _remarks(found, example)]
    if (by_target := _by_target(found)) is not None:
        parts += [Text(), Text("the ensemble by target"), by_target]
    if 0 < len(found.details.labels) <= MOST:
        parts += [Text(), Text("the ensemble by label"), _by_label(found)]
    if len(found.diversity) > 1:
        parts += [Text(), Text(f"diversity: {TASKS[found.task].diversity} of the row's member"), _diversity(found)]
    for other in found.outliers:
        parts += [Text(), _outliers(other)]
    if found.interpolations:
        parts += [Text(), Text("top-1 on the line between two members, BatchNorm by batches"), _interpolations(found)]
    if found.corruptions:
        parts += [Text(), *corruptions_shown(found.corruptions)]
    return Group(*parts)


def _title(found: Evaluation, example: str) -> str:
    images = images_of(found.num_images, found.part, example)
    stored = "" if found.stored == "float32" else f", weights stored in {found.stored}"
    return f"{found.ensemble} on {found.data}, after {found.stage}, {images}{scale_text(found.epochs_scale)}{stored}"


def _predictors(found: Evaluation, example: str) -> Table:
    task = TASKS[found.task]
    made = table("", *(f">{one.title}" for one in task.scores))
    num_scored = 1 + len(task.scores)
    calibrated = any(one.temperature is not None for one in found.predictors)
    timed = any(one.quartiles is not None for one in found.predictors)
    costs = ("parameters", "bytes", "MAdds", f"ms/{example}", *(("quartiles",) if timed else ()))
    for name in (*(("T",) if calibrated else ()), *costs):
        made.add_column(name, justify="right", no_wrap=True)
    for predictor in _chosen(found):
        whole = len(predictor.members) == len(found.diversity)
        row = _row(predictor, whole, found.num_classes, task)
        made.add_row(
            *row[:num_scored],
            *((_temperature(predictor),) if calibrated else ()),
            *row[num_scored:],
            *((_quartiles(predictor),) if timed else ()),
            style="bold" if whole else "",
        )
    return made


def _chosen(found: Evaluation) -> tuple[Predictor, ...]:
    """All, or of each size the one with the best of the scores that count besides the members themselves."""
    if len(found.predictors) <= MOST:
        return found.predictors
    best: dict[int, Predictor] = {}
    row = TASKS[found.task].chosen
    for predictor in found.predictors:
        size = len(predictor.members)
        value = predictor.scores.value(row.name)
        if size not in best or row.is_better(value, best[size].scores.value(row.name)):
            best[size] = predictor
    members = [predictor for predictor in found.predictors if len(predictor.members) == 1]
    return (*members, *(best[size] for size in sorted(best) if size > 1))


def _temperature(predictor: Predictor) -> str:
    return "1 (none)" if predictor.uncalibrated else f"{predictor.temperature:.3f}"


def _quartiles(predictor: Predictor) -> str:
    return "-" if predictor.quartiles is None else " to ".join(f"{end:.3g}" for end in predictor.quartiles)


def _row(predictor: Predictor, is_whole: bool, num_classes: int, task: TaskRow) -> tuple[str, ...]:
    scores = predictor.scores
    name = "ensemble" if is_whole and len(predictor.members) > 1 else " + ".join(predictor.members)
    time = "-" if predictor.milliseconds is None else f"{predictor.milliseconds:.3g}"
    return (
        name,
        *(
            # of so few classes it is always 100%
            "-" if one.name == "top5" and 0 < num_classes <= TOP else score_text(one, scores.value(one.name))
            for one in task.scores
        ),
        exact(predictor.parameters),
        "-" if predictor.stored_bytes is None else exact(predictor.stored_bytes),
        short(predictor.multiply_adds),
        time,
    )


def _remarks(found: Evaluation, example: str) -> list[str]:
    task = TASKS[found.task]
    said = [f"mean member {task.chosen.title} {score_text(task.chosen, found.mean_top1)}"]
    if not isnan(found.mean_diversity):
        said[0] += f", mean diversity {decimal(found.mean_diversity)}"
    if len(_chosen(found)) < len(found.predictors):
        said.append(f"of {exact(len(found.predictors))} subsets the best of each size; all are in the files")
    if task.is_fitted:
        said.append(_noise(found, example))
    elif found.num_calibration and found.calibration_part:
        fitted = f"{exact(found.num_calibration)} {found.calibration_part} {example}s"
        said.append(f"temperatures were fitted on the {fitted}")
    elif found.num_calibration:
        fitted = f"{exact(found.num_calibration)} other {held_out(found.part)} {example}s"
        said.append(f"temperatures were fitted on {fitted}; the scores are not of the whole set")
    if unused := sum(1 for one in found.predictors if one.uncalibrated):
        said.append(f"T = 1 where none is used: {exact(unused)} of {exact(len(found.predictors))} predictors")
    how = ", medians and quartiles of the runs" if found.predictors[-1].quartiles else ""
    timed = f", times in batches of {found.time_batch}{how}, weights composed before" if found.time_batch else ""
    return [*said, f"on {found.machine}{timed}"]


def _noise(found: Evaluation, example: str) -> str:
    """What a density is known by."""
    if not found.num_calibration:
        return "no validation part, so no noise was fitted: what needs a density is not known"
    images = images_of(found.num_calibration, found.calibration_part, example)
    own = ", half of them for the other half" if found.part == found.calibration_part else ""
    return f"noise was fitted on the {images}{own}"


def _by_target(found: Evaluation) -> Table | None:
    """Scores of each target, where there are several."""
    from rich.text import Text

    further = found.predictors[-1].scores.further
    rows = [row for row in TASKS[found.task].scores if f"{row.name}[0]" in further]
    if not rows:
        return None
    made = table("target", *(f">{row.title}" for row in rows))
    for target in range(found.num_classes):
        made.add_row(Text(found.output(target)), *(score_text(row, further[f"{row.name}[{target}]"]) for row in rows))
    return made


def _by_label(found: Evaluation) -> Table:
    """Scores of each label."""
    from rich.text import Text

    made = table("label", ">examples with it", ">average precision", ">F1")
    for one in found.details.labels:
        scores = ("-" if isnan(value) else per_cent(value) for value in (one.average_precision, one.f1))
        made.add_row(Text(found.output(one.label)), per_cent(one.share), *scores)
    return made


def _diversity(found: Evaluation) -> Table:
    names = [predictor.members[0] for predictor in found.predictors[: len(found.diversity)]]
    made = table("", *(f">{name}" for name in names))
    for name, row in zip(names, found.diversity, strict=True):
        made.add_row(name, *("-" if isnan(value) else decimal(value, 3) for value in row))
    return made


def _outliers(other: Outliers) -> Table:
    made = table(f"{other.data} ({several(other.num_images, 'image')}) by", ">AUROC", ">AUPR", ">FPR95")
    for measure, found in other.by_measure:
        made.add_row(measure, decimal(found.auroc), decimal(found.aupr), decimal(found.fpr95))
    return made


def _interpolations(found: Evaluation) -> Table:
    """Each line at its ends, in the middle, and where it is lowest."""
    made = table("from", "to", ">start", ">middle", ">end", ">lowest")
    for line in found.interpolations:
        places = (line.top1[0], line.top1[len(line.top1) // 2], line.top1[-1], min(line.top1))
        made.add_row(line.first, line.second, *(per_cent(value) for value in places))
    return made
