"""An evaluation as JSON and CSV.

Takes what was measured; gives text. Guarantees: what is undefined is null or empty; numbers keep every digit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from swc.files.csv_text import csv_text
from swc.files.evaluation import Evaluation, Evaluations, Predictor
from swc.files.kind_codec import text_of_kind
from swc.files.kinds import FILE_KINDS
from swc.files.scores import OWN_SCORES
from swc.registry.tasks import TASKS
from swc.show.wording import held_out

PLACE = ("run", "ensemble", "data", "part", "members", "num_members", "num_images", "stored")
COSTS = ("parameters", "stored_bytes", "multiply_adds", "milliseconds", "temperature", "uncalibrated")


def evaluation_folder(run: Path, stored: str = "float32", *, average: bool = False) -> Path:
    """Where an evaluation of a run is written.

    That of rounded weights lies apart, as `eval/int8`, and that of their average, as `eval/average`.
    """
    folder = run / "eval" / "average" if average else run / "eval"
    return folder if stored == "float32" else folder / stored


def as_json(evaluations: tuple[Evaluation, ...]) -> str:
    """One JSON object with a list of them, as `evaluation.json` holds one."""
    return text_of_kind(FILE_KINDS["evaluation"], Evaluations(evaluations))


def as_csv(evaluations: tuple[Evaluation, ...]) -> str:
    """One line for each predictor of each run, and for each type and severity of corrupted images.

    The scores are those of the task, of several tasks those of all.
    The members of a subset are joined by `+`; the last two columns are empty for clean images.
    """
    rows: list[Iterable[object]] = []
    names = _names(evaluations)
    rows.append((*PLACE, *names, *COSTS, "corruption", "severity"))
    for found in evaluations:
        for predictor in found.predictors:
            scores = [predictor.scores.value(name) for name in names]
            costs = [getattr(predictor, name) for name in COSTS]
            place = _place(found, predictor, found.num_images)
            rows.append((*place, *scores, *("" if cost is None else cost for cost in costs), "", ""))
        rows.extend(_corrupted_rows(found, names))
    return csv_text(rows)


def _names(evaluations: tuple[Evaluation, ...]) -> tuple[str, ...]:
    """The scores of all tasks, each once, behind them those of single targets."""
    named = [row.name for found in evaluations for row in TASKS[found.task].scores]
    further = [name for found in evaluations for one in found.predictors for name in one.scores.further]
    return tuple(dict.fromkeys((*named, *further)))


def _place(found: Evaluation, predictor: Predictor, num_images: int) -> tuple[object, ...]:
    names = "+".join(predictor.members)
    counts = (len(predictor.members), num_images)
    return (found.run, found.ensemble, found.data, held_out(found.part), names, *counts, found.stored)


def _corrupted_rows(found: Evaluation, names: tuple[str, ...]) -> Iterator[tuple[object, ...]]:
    """The members and the ensemble on each type and severity; costs are those on clean images, and left empty."""
    corruptions = found.corruptions
    if corruptions is None:
        return
    for number, scored in enumerate(corruptions.predictors):
        # the members come first among all predictors, and the ensemble last
        predictor = found.predictors[number] if number < len(found.diversity) else found.predictors[-1]
        place = _place(found, predictor, corruptions.num_images)
        for row, name in enumerate(corruptions.types):
            for column, severity in enumerate(corruptions.severities):
                scores = [getattr(scored, name)[row][column] if name in OWN_SCORES else "" for name in names]
                yield (*place, *scores, *("" for _ in COSTS), name, severity)
