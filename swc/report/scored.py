"""What `swc eval` wrote of a run, read for the page.

Takes a run's folder; gives `Scored`, or None where nothing was evaluated. Guarantees: a file that is not what
`swc eval` writes is a DiagnosticError; what this version does not know is left out, folders among it.
"""

from __future__ import annotations

import json
from pathlib import Path

from attrs import field, frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.diagnostics.sources import reason_of

Grid = tuple[tuple[float | None, ...], ...]


@frozen
class ScoreFacts:
    """Scores of a predictor; fractions, and nats for `nll`."""

    top1: float
    nll: float | None
    ece: float | None


@frozen
class PredictorFacts:
    """A subset of the members: its scores and what it costs for an image."""

    members: tuple[str, ...]
    scores: ScoreFacts
    parameters: int
    multiply_adds: int
    milliseconds: float | None


@frozen
class BinFacts:
    """One bin of a reliability diagram."""

    num_images: int
    confidence: float | None
    accuracy: float | None


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
    """All predictors on all corruptions; `generated` says that the images were made here, `standard` names types."""

    generated: bool
    types: tuple[str, ...]
    severities: tuple[int, ...]
    standard: tuple[str, ...]
    predictors: tuple[CorruptedFacts, ...]


@frozen
class Scored:
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


def scored_of(folder: Path) -> Scored | None:
    """The evaluation in a run's folder; DiagnosticError where the file is damaged."""
    path = folder / "eval" / "evaluation.json"
    if not path.is_file():
        return None
    try:
        (found,) = json.loads(path.read_text("utf-8"))["evaluations"]
        return _structured(found)
    except OSError as error:
        raise DiagnosticError(DamagedFile(origin=str(path), detail=reason_of(error))) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DiagnosticError(DamagedFile(origin=str(path), detail="it holds no evaluation of one run")) from error


def _structured(found: object) -> Scored:
    from cattrs import Converter

    return Converter(detailed_validation=False).structure(found, Scored)
