"""An evaluation as plain data, JSON and CSV.

Takes what was measured; gives text. Guarantees: what is undefined is null or empty; numbers keep every digit.
"""

from __future__ import annotations

import csv
import json
from io import StringIO
from math import isfinite
from typing import TYPE_CHECKING, Any

from attrs import asdict, frozen

if TYPE_CHECKING:
    from swc_runtime.evaluate.outliers import Detection
    from swc_runtime.metrics import Bin, Scores

SCHEMA = 1
SCORES = ("top1", "top5", "nll", "ece", "brier", "aurc")
COSTS = ("parameters", "multiply_adds", "milliseconds", "temperature")


@frozen
class Predictor:
    """A subset of the members: its scores and what it costs for an image.

    `parameters` are the scalars it needs, `multiply_adds` and `milliseconds` the sums over its members, which run one
    after another (None: not timed). `temperature` divided its logits (None: they are as they were).
    """

    members: tuple[str, ...]
    scores: Scores
    parameters: int
    multiply_adds: int
    milliseconds: float | None
    temperature: float | None


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


def as_json(evaluations: tuple[Evaluation, ...]) -> str:
    """One JSON object with a list of them."""
    found = {"schema": SCHEMA, "evaluations": [_plain(asdict(one)) for one in evaluations]}
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(part) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part) for part in value]
        case float() if not isfinite(value):
            return None
        case _:
            return value


def as_csv(evaluations: tuple[Evaluation, ...]) -> str:
    """One line for each predictor of each run; the members of a subset are joined by `+`."""
    stream = StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("run", "ensemble", "data", "members", "num_members", "num_images", *SCORES, *COSTS))
    for found in evaluations:
        for predictor in found.predictors:
            scores = [getattr(predictor.scores, name) for name in SCORES]
            costs = [getattr(predictor, name) for name in COSTS]
            names = "+".join(predictor.members)
            place = (found.run, found.ensemble, found.data, names, len(predictor.members), found.num_images)
            writer.writerow((*place, *scores, *("" if cost is None else cost for cost in costs)))
    return stream.getvalue()
