"""What `swc eval` writes: scores of a run's members, subsets and ensemble, and all that was measured beside them."""

from __future__ import annotations

from typing import Literal, get_args

from attrs import frozen

from swc.files.scores import Bin, Detection, OutputDetails, ScoredPart, Scores

Matrix = tuple[tuple[float, ...], ...]
Means = dict[str, dict[str, float]]  # by predictor, by score
Storage = Literal["float32", "int8", "int4"]  # how weights are stored
STORAGES: tuple[Storage, ...] = get_args(Storage)


@frozen
class Predictor:
    """A subset of the members: its scores and what it costs for an image.

    `parameters` are the scalars it needs, `multiply_adds` and `milliseconds` the sums over its members, which run one
    after another (None: not timed). `temperature` divided its logits (None: they are as they were);
    where it is 1 because none could be used, `uncalibrated` says why. `stored_bytes` are those that the parameters take
    as the evaluation says they are `stored` (None: not counted). `quartiles` are the lower and the upper one of the
    runs whose median `milliseconds` is, sums too (None: not timed, or by an earlier version).
    """

    members: tuple[str, ...]
    scores: Scores
    parameters: int
    multiply_adds: int
    milliseconds: float | None
    temperature: float | None
    uncalibrated: str = ""
    stored_bytes: int | None = None
    quartiles: tuple[float, float] | None = None


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
    among the scored ones. `stored` says what weights had been rounded to (`swc_runtime.evaluate.quantise`), `part`
    which images these are. Temperatures were fitted on images of `calibration_part`; "" are others of the same part.
    `task` names the row whose scores these are. Of a regression the bins are central intervals by what they promise
    (`confidence`) and how many targets lie in them (`accuracy`), noise was fitted on images of `calibration_part`, and
    `diversity` is the squared difference of two members over the squared error of the row's; `mean_top1` is the mean
    over the members of the score that runs are chosen by. `details` are of the ensemble, empty for classes, and where
    an earlier version measured none. `outputs` are the names of the labels, or of the numbers to predict, in the order
    of a member's outputs; empty for classes, and where the data give none.
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
    interpolations: tuple[Interpolation, ...] = ()
    corruptions: Corruptions | None = None
    num_classes: int = 0
    stored: Storage = "float32"
    part: ScoredPart = ""
    calibration_part: ScoredPart = ""
    task: str = "classification"
    details: OutputDetails = OutputDetails()
    outputs: tuple[str, ...] = ()

    def output(self, number: int) -> str:
        """What an output is called; its number where nobody has named it."""
        return self.outputs[number] if self.outputs else str(number)


@frozen
class Evaluations:
    """The file: the evaluation of one run in its folder; of several where the command was asked for them at once."""

    evaluations: tuple[Evaluation, ...]
