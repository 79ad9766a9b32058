"""What `swc eval` wrote of a run, read for figures, tables and the page.

Takes a run's folder; gives `ScoredRun`, or None where nothing was evaluated. Guarantees: a file that is not what
`swc eval` writes is a DiagnosticError, also where its parts do not fit together; what the page does not show is left
out, folders among it.
"""

from __future__ import annotations

from pathlib import Path

from attrs import asdict, field, frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.evaluation import DamagedEvaluation
from swc.files.checksums import is_there
from swc.files.codec import finite_json
from swc.files.disk import load
from swc.files.evaluation import Evaluation
from swc.files.kind_codec import damaged
from swc.files.kinds import FILE_KINDS
from swc.files.scores import ScoredPart
from swc.folders.store import read_spec
from swc.program.spec import Spec
from swc.registry.tasks import TASKS

LEAST, MOST = 0.0505, 19.8  # temperatures within which none is one that a search ended at

Grid = tuple[tuple[float | None, ...], ...]


@frozen
class PredictorFacts:
    """A subset of the members: its scores by the names of their rows, and what it costs for an image.

    `milliseconds` are the median of several runs, whose `quartiles` older evaluations do not have.
    """

    members: tuple[str, ...]
    scores: dict[str, float | None]
    parameters: int
    multiply_adds: int
    milliseconds: float | None
    temperature: float | None = None
    uncalibrated: str = ""
    quartiles: tuple[float, float] | None = None

    @property
    def is_calibrated(self) -> bool:
        """Whether a temperature was fitted, and neither left unused nor, as older versions did, taken at a bound."""
        known = self.temperature is not None and not self.uncalibrated
        return known and LEAST < (self.temperature or 0.0) < MOST


@frozen
class BinFacts:
    """One bin of a reliability diagram."""

    num_images: int
    confidence: float | None
    accuracy: float | None


@frozen
class TargetFacts:
    """What the ensemble said of a target for some examples, in its unit (`swc.files.scores.TargetSample`)."""

    target: int
    observed: tuple[float | None, ...]
    predicted: tuple[float | None, ...]
    spread: tuple[float | None, ...]
    deviation: tuple[float | None, ...]


@frozen
class LabelFacts:
    """How well the ensemble tells a label (`swc.files.scores.LabelScores`)."""

    label: int
    share: float | None
    average_precision: float | None
    f1: float | None


@frozen
class OutputFacts:
    """What is known of single outputs: a sample of numbers, scores of labels."""

    targets: tuple[TargetFacts, ...] = ()
    labels: tuple[LabelFacts, ...] = ()


@frozen
class LineFacts:
    """Top-1 on the line between two members."""

    first: str
    second: str
    top1: tuple[float | None, ...]


@frozen
class DetectionFacts:
    """How well a measure of uncertainty tells other images."""

    auroc: float
    aupr: float
    fpr95: float


def _last_part(place: str) -> str:
    """A data set's name, or of a folder of images its last part."""
    return Path(place).name


@frozen
class OutlierFacts:
    """The images of another data set, or those below a folder, by measure."""

    data: str = field(converter=_last_part)
    num_images: int
    by_measure: tuple[tuple[str, DetectionFacts], ...]


@frozen
class CorruptedFacts:
    """A predictor on corrupted images: a row for each type, a column for each severity."""

    name: str
    top1: Grid
    nll: Grid
    ece: Grid


@frozen
class CorruptionFacts:
    """All predictors on all corruptions; `generated` says that the images were made here, `standard` names types.

    `mean_standard` has the scores by predictor, and nothing where not all of those types are there.
    """

    generated: bool
    types: tuple[str, ...]
    severities: tuple[int, ...]
    standard: tuple[str, ...]
    predictors: tuple[CorruptedFacts, ...]
    official: bool = False
    mean_standard: dict[str, dict[str, float | None]] | None = None


@frozen
class ScoredRun:
    """An evaluation, so far as the page shows it."""

    data: str
    stage: str
    epochs_scale: float
    machine: str
    num_images: int
    num_calibration: int
    time_batch: int
    predictors: tuple[PredictorFacts, ...]
    reliability: tuple[tuple[BinFacts, ...], ...]
    diversity: Grid
    outliers: tuple[OutlierFacts, ...] = ()
    interpolations: tuple[LineFacts, ...] = ()
    corruptions: CorruptionFacts | None = None
    mean_diversity: float | None = None
    mean_top1: float | None = None
    part: ScoredPart = ""
    calibration_part: ScoredPart = ""
    details: OutputFacts = OutputFacts()
    outputs: tuple[str, ...] = ()

    @property
    def has_temperatures(self) -> bool:
        """Whether temperatures were asked for; other images are calibrated with too, those that noise is fitted on."""
        return bool(self.num_calibration) and any(one.temperature is not None for one in self.predictors)

    @property
    def calibration(self) -> str:
        """At what temperatures the scores are, in the words of a title; nothing where none were asked for."""
        if not self.has_temperatures:
            return ""
        left = sum(1 for one in self.predictors if not one.is_calibrated)
        if left == len(self.predictors):
            return ", at T = 1: no temperature could be fitted"
        return ", at fitted temperatures" + (f", {left} of {len(self.predictors)} at T = 1 or a bound" if left else "")

    @property
    def names(self) -> tuple[str, ...]:
        """The members in order and, where there are several, the ensemble: what each reliability diagram is of."""
        single = tuple(one.members[0] for one in self.predictors if len(one.members) == 1)
        return single if len(single) == 1 else (*single, "ensemble")


def scored_of(folder: Path) -> ScoredRun | None:
    """The evaluation in a run's folder; DiagnosticError where the file is damaged."""
    path = folder / "eval" / "evaluation.json"
    if folder.is_file():  # a spec that was compiled in memory
        return None
    if not is_there(path):
        if is_there(path.with_suffix(".csv")):
            raise DiagnosticError(DamagedEvaluation(origin=str(path), detail="it is missing beside evaluation.csv"))
        return None
    evaluations = load(FILE_KINDS["evaluation"], path).evaluations
    if len(evaluations) != 1:
        raise damaged(FILE_KINDS["evaluation"], str(path), f"it holds {len(evaluations)}")
    (found,) = evaluations
    scored = _part_of(found)
    problem = _misfit(scored) or _misfit_of_run(scored, found, read_spec(folder)[0])
    if problem is not None:
        raise DiagnosticError(DamagedEvaluation(origin=str(path), detail=f"its {problem}"))
    return scored


def _part_of(found: Evaluation) -> ScoredRun:
    """The part of an evaluation that the page shows; what is undefined is None."""
    from cattrs import Converter

    plain, task = asdict(found), TASKS[found.task]
    names = dict.fromkeys(row.name for row in (*task.tabled, *task.against_cost))
    for one, predictor in zip(plain["predictors"], found.predictors, strict=True):
        one["scores"] = {name: predictor.scores.value(name) for name in names}
    return Converter(detailed_validation=False).structure(finite_json(plain), ScoredRun)


def _misfit(scored: ScoredRun) -> str | None:
    """Which part of an evaluation does not fit the others."""
    members = [one.members for one in scored.predictors if len(one.members) == 1]
    if not members or not all(one.members for one in scored.predictors):
        return "predictors do not begin with the members"
    if len(scored.reliability) != len(scored.names):
        return "reliability is not of the members and the ensemble"
    if not _has_shape(scored.diversity, len(members), len(members)):
        return "diversity is not a matrix over the members"
    if any(len(line.top1) < 2 for line in scored.interpolations):
        return "interpolations have less than two points"
    if not all(_is_sample(one) for one in scored.details.targets):
        return "samples of targets are not of one length"
    return "corruptions are not matrices of types and severities" if _is_misfit(scored.corruptions) else None


def _misfit_of_run(scored: ScoredRun, found: Evaluation, spec: Spec) -> str | None:
    """Which part of an evaluation does not fit the spec of the run it lies in."""
    known = [member.name for member in spec.members]
    named = {name for one in scored.predictors for name in one.members}
    named |= {name for line in scored.interpolations for name in (line.first, line.second)}
    if not named <= set(known):
        return "members are not those of the run"
    if found.task != spec.task.name:
        return "task is not that of the run"
    if scored.part == "validation":
        return "scores are not of the test images"
    if found.outputs and len(found.outputs) != spec.data.num_classes:
        return "outputs are not those of the run"
    if found.ensemble != spec.name or scored.data != spec.data.title:
        return "ensemble or data is not that of the run"
    scale = spec.training.epochs_scale if spec.training else 1.0
    return None if scored.epochs_scale == scale else "epochs are not scaled like those of the run"


def _is_sample(found: TargetFacts) -> bool:
    """Whether there is as much of each for every example; a deviation may be unknown."""
    length = len(found.observed)
    return len(found.predicted) == len(found.spread) == length and len(found.deviation) in (0, length)


def _is_misfit(found: CorruptionFacts | None) -> bool:
    if found is None:
        return False
    size = (len(found.types), len(found.severities))
    grids = [grid for one in found.predictors for grid in (one.top1, one.nll, one.ece)]
    return not grids or 0 in size or not all(_has_shape(grid, *size) for grid in grids)


def _has_shape(grid: Grid, num_rows: int, num_columns: int) -> bool:
    return len(grid) == num_rows and all(len(row) == num_columns for row in grid)
