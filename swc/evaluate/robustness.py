"""What an ensemble is worth on corrupted images.

Takes a folder of corrupted arrays and what predicts; gives `Corruptions`. Guarantees: one type in one severity is in
memory at a time; a mean is over all types and severities that it is named for, or is not given.
Suffixes: M members, N images, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from attrs import frozen
from torch import Tensor

from swc.corrupt.arrays import Arrays, open_arrays
from swc.corrupt.official import is_official
from swc.corrupt.published import SEVERITIES, STANDARD, TYPES
from swc.diagnostics import Sink
from swc.diagnostics.catalogue.corrupting import TypesMissing
from swc.files.evaluation import Corrupted, Corruptions, Matrix, Means
from swc.files.scores import OWN_SCORES, Scores
from swc.program.input_faults import check_images
from swc.show.wording import per_cent
from swc_runtime.data import Split
from swc_runtime.data.arrays import ArraySplit
from swc_runtime.evaluate.metrics import score
from swc_runtime.evaluate.temperature import at_temperature

Predict = Callable[[Split], tuple[Tensor, Tensor]]


@frozen(eq=False)
class CorruptionScoring:
    """The images [N] that are scored, and the names and temperatures (None: as they are) of members and ensemble."""

    scored: Tensor
    names: tuple[str, ...]
    temperatures: tuple[float | None, ...]


def arrays_for(folder: Path, clean: Split, sink: Sink) -> Arrays:
    """The corrupted images of a clean split; warns of missing ones, DiagnosticError where they do not fit."""
    check_images(clean.facts, "--corruptions")
    channels, high, wide = clean.facts.image_shape
    arrays = open_arrays(folder, clean.facts.title, (high, wide, channels), clean.labels.cpu().numpy())
    lacking = (*_lacking(arrays, TYPES), *(f"severity {n}" for n in SEVERITIES if n not in arrays.severities))
    if lacking:
        sink.report(TypesMissing(folder=str(folder), missing=lacking))
    return arrays


def _lacking(arrays: Arrays, types: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in types if name not in arrays.types)


def on_corrupted(
    arrays: Arrays, clean: Split, predict: Predict, wanted: CorruptionScoring, announce: Callable[[str], None]
) -> Corruptions:
    """Score members and ensemble on every type and severity; `announce` says each type."""
    rows: list[list[tuple[Scores, ...]]] = []
    for name in arrays.types:
        rows.append([_scores(arrays, clean, predict, wanted, name, severity) for severity in arrays.severities])
        announce(f"{name}: {wanted.names[-1]} {per_cent(fmean(cell[-1].top1 for cell in rows[-1]))}")
    predictors = tuple(_corrupted(name, number, rows) for number, name in enumerate(wanted.names))
    return Corruptions(
        folder=str(arrays.folder),
        generated=arrays.generated is not None,
        official=is_official(arrays),
        seed=arrays.generated.settings.seed if arrays.generated else None,
        num_images=len(wanted.scored),
        types=arrays.types,
        severities=arrays.severities,
        standard=STANDARD,
        missing=_lacking(arrays, TYPES),
        predictors=predictors,
        mean_standard=means(predictors, arrays, STANDARD),
        mean_all=means(predictors, arrays, TYPES),
    )


def _scores(
    arrays: Arrays, clean: Split, predict: Predict, wanted: CorruptionScoring, name: str, severity: int
) -> tuple[Scores, ...]:
    """Of every member, and of the ensemble where there are several."""
    split = ArraySplit(clean.facts, arrays.images(name, severity), clean.labels)
    probabilities_MNC, labels_N = predict(split)
    final = [*probabilities_MNC]
    if len(final) > 1:
        final.append(probabilities_MNC.double().mean(0))
    return tuple(
        score(_at(probabilities_NC, temperature)[wanted.scored], labels_N[wanted.scored])
        for probabilities_NC, temperature in zip(final, wanted.temperatures, strict=True)
    )


def _at(probabilities_NC: Tensor, temperature: float | None) -> Tensor:
    return probabilities_NC if temperature is None else at_temperature(probabilities_NC, temperature)


def _corrupted(name: str, number: int, rows: list[list[tuple[Scores, ...]]]) -> Corrupted:
    def matrix(of: str) -> Matrix:
        return tuple(tuple(float(getattr(cell[number], of)) for cell in row) for row in rows)

    return Corrupted(name, **{of: matrix(of) for of in OWN_SCORES})


def means(predictors: tuple[Corrupted, ...], arrays: Arrays, types: tuple[str, ...]) -> Means | None:
    """The means over types and all severities of each score of each predictor; None where some are not there."""
    if _lacking(arrays, types) or arrays.severities != SEVERITIES:
        return None
    places = [arrays.types.index(name) for name in types]
    return {
        one.name: {of: fmean(fmean(getattr(one, of)[p]) for p in places) for of in OWN_SCORES} for one in predictors
    }
