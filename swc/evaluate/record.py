"""An evaluation as plain data, JSON and CSV.

Takes what was measured; gives text. Guarantees: what is undefined is null or empty; numbers keep every digit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from attrs import asdict, frozen

from swc.files.codec import finite_json
from swc.files.csv_text import csv_text

if TYPE_CHECKING:
    from swc_runtime.evaluate.metrics import Bin, Scores
    from swc_runtime.evaluate.outliers import Detection

SCHEMA = 1
SCORES = ("top1", "top5", "nll", "ece", "brier", "aurc")
PLACE = ("run", "ensemble", "data", "members", "num_members", "num_images")
COSTS = ("parameters", "multiply_adds", "milliseconds", "temperature", "uncalibrated")

Matrix = tuple[tuple[float, ...], ...]
Means = dict[str, dict[str, float]]  # by predictor, by score


@frozen
class Predictor:
    """A subset of the members: its scores and what it costs for an image.

    `parameters` are the scalars it needs, `multiply_adds` and `milliseconds` the sums over its members, which run one
    after another (None: not timed). `temperature` divided its logits (None: they are as they were);
    where it is 1 because none could be used, `uncalibrated` says why.
    """

    members: tuple[str, ...]
    scores: Scores
    parameters: int
    multiply_adds: int
    milliseconds: float | None
    temperature: float | None
    uncalibrated: str = ""


@frozen
class Outliers:
    """How well each measure of uncertainty tells the images of another data set."""

    data: str
    num_images: int
    by_measure: tuple[tuple[str, Detection], ...]


@frozen
class Interpolation:
    """Top-1 at evenly spaced points of the line from the first member's parameters to the second's, both included."""

    first: str
    second: str
    top1: tuple[float, ...]


@frozen
class Corrupted:
    """A predictor's scores on corrupted images: matrices of a row for each type and a column for each severity."""

    name: str
    top1: Matrix
    top5: Matrix
    nll: Matrix
    ece: Matrix
    brier: Matrix
    aurc: Matrix


@frozen
class Corruptions:
    """What an ensemble is worth on corrupted images.

    `generated` says that `swc data corrupt` made the arrays, with `seed`; `official` that they have the checksums of
    the published ones. `standard` are the types of the mean that is published; `predictors` are the members in order
    and, where there are several, the ensemble. The means are over types and severities, for each predictor its scores
    by their names; None where not all types and severities are there.
    """

    folder: str
    generated: bool
    official: bool
    seed: int | None
    num_images: int
    types: tuple[str, ...]
    severities: tuple[int, ...]
    standard: tuple[str, ...]
    missing: tuple[str, ...]
    predictors: tuple[Corrupted, ...]
    mean_standard: Means | None
    mean_all: Means | None


@frozen
class Evaluation:
    """All that `swc eval` found of one run.

    `predictors` begin with the members in order and end with the whole ensemble; `reliability` are the bins of the
    members and, last, of the ensemble; `diversity` is a matrix over the members (nan where it is undefined);
    `time_batch` the images in a timed batch; `num_calibration` those that temperatures were fitted on, which are not
    among the scored ones.
    """

    run: str
    ensemble: str
    data: str
    stage: str
    epochs_scale: float
    machine: str
    num_images: int
    num_calibration: int
    time_batch: int
    predictors: tuple[Predictor, ...]
    reliability: tuple[tuple[Bin, ...], ...]
    diversity: tuple[tuple[float, ...], ...]
    mean_diversity: float
    mean_top1: float
    outliers: tuple[Outliers, ...]
    interpolations: tuple[Interpolation, ...]
    corruptions: Corruptions | None = None
    num_classes: int = 0


def as_json(evaluations: tuple[Evaluation, ...]) -> str:
    """One JSON object with a list of them."""
    found = {"schema": SCHEMA, "evaluations": [finite_json(asdict(one)) for one in evaluations]}
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def as_csv(evaluations: tuple[Evaluation, ...]) -> str:
    """One line for each predictor of each run, and for each type and severity of corrupted images.

    The members of a subset are joined by `+`; the last two columns are empty for clean images.
    """
    rows: list[Iterable[object]] = []
    rows.append((*PLACE, *SCORES, *COSTS, "corruption", "severity"))
    for found in evaluations:
        for predictor in found.predictors:
            scores = [getattr(predictor.scores, name) for name in SCORES]
            costs = [getattr(predictor, name) for name in COSTS]
            place = _place(found, predictor, found.num_images)
            rows.append((*place, *scores, *("" if cost is None else cost for cost in costs), "", ""))
        rows.extend(_corrupted_rows(found))
    return csv_text(rows)


def _place(found: Evaluation, predictor: Predictor, num_images: int) -> tuple[object, ...]:
    names = "+".join(predictor.members)
    return (found.run, found.ensemble, found.data, names, len(predictor.members), num_images)


def _corrupted_rows(found: Evaluation) -> Iterator[tuple[object, ...]]:
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
                scores = [getattr(scored, score)[row][column] for score in SCORES]
                yield (*place, *scores, *("" for _ in COSTS), name, severity)
