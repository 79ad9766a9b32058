"""From a run to its evaluation.

Takes a build and what the command line asks; gives `Evaluation`. Guarantees: the run is only read, but for what is
written into its folder `eval`; temperatures are never fitted on images that are scored.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from attrs import evolve, frozen

from swc.diagnostics import Diagnostic, DiagnosticError, Sink
from swc.diagnostics.catalogue.evaluation import (
    DrawsInEval,
    NoLines,
    OtherImages,
    ScoredByBatch,
    TooManySubsets,
)
from swc.evaluate.calibration import CalibrationImages, set_aside, without_calibration
from swc.evaluate.cautions import tell_numbers
from swc.evaluate.prediction_cache import PredictionCache, cache_name
from swc.evaluate.record import evaluation_folder
from swc.evaluate.request import EvaluationRequest, check_options, part_of
from swc.evaluate.robustness import CorruptionScoring, arrays_for, on_corrupted
from swc.files.evaluation import Evaluation, Interpolation, Outliers, Predictor, Storage
from swc.files.scores import Bin, OutputDetails, ScoredPart, Scores
from swc.folders.classes import check_classes
from swc.folders.dataset import open_dataset, tell_changed
from swc.folders.preparation import check_preparation
from swc.folders.target_scale import check_scale, scale_of_run
from swc.program.datasets import DataFacts, named
from swc.program.input_faults import check_images
from swc.program.plug_ins import report_other_plug_ins
from swc.registry.model_libraries import extra_versions
from swc.running.checkpoints import SavedState, open_trained
from swc.running.machine import chosen_device
from swc.trust.foreign import foreign_code
from swc.trust.importing import digest_of_own
from swc_runtime.data import Dataset, Split, check_readable, open_data, read_images, test_batches, with_workers
from swc_runtime.data.listing import printable
from swc_runtime.data.shares import SMALLEST
from swc_runtime.ensemble import Ensemble
from swc_runtime.evaluate import dependences, predict_logits
from swc_runtime.evaluate.chance import FEWEST
from swc_runtime.evaluate.cost import PAIR, Cost, member_costs, stored_scalars, stored_shapes, subset_cost
from swc_runtime.evaluate.diversity import mean_diversity
from swc_runtime.evaluate.interpolate import alike, along
from swc_runtime.evaluate.outliers import MEASURES, detect
from swc_runtime.evaluate.quantise import quantise, rounded_ids, stored_bytes
from swc_runtime.evaluate.subsets import Subset, subsets, together
from swc_runtime.evaluate.temperature import Temperature, at_temperature
from swc_runtime.finite import check_predictions
from swc_runtime.precision import Arithmetic, choose_arithmetic
from swc_runtime.tasks import TaskRules, rules_of

if TYPE_CHECKING:
    from torch import Tensor

    from swc.folders.store import Build

# the names of the files with predictions for held-out images
PREDICTIONS: dict[ScoredPart, str] = {"": "predictions", "test": "predictions", "validation": "predictions-validation"}
ASKED = 8  # images, to see what outputs depend on
MOST_SUBSETS = 4095  # of 12 members

Costs = tuple[Cost, ...]


@frozen(eq=False)
class _Opened:
    """A trained ensemble with its data, ready to be asked."""

    build: Build
    saved: SavedState
    ensemble: Ensemble
    dataset: Dataset
    arithmetic: Arithmetic
    device: str
    batch: int
    cache: PredictionCache
    part: ScoredPart
    rules: TaskRules

    @property
    def images(self) -> Split:
        """The images that are scored."""
        return self.dataset.held_out(self.part)

    def predict(self, split: Split, name: str) -> tuple[Tensor, Tensor]:
        """Predictions [M, N, C] and labels [N] of a split, whose outputs are kept under `name`."""
        return self._probabilities(*self.cache.predictions(name, split, lambda: self._logits(split)))

    def predict_again(self, split: Split) -> tuple[Tensor, Tensor]:
        """As `predict`, of which nothing is kept."""
        return self._probabilities(*self._logits(split))

    def _probabilities(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        probabilities = self.rules.predictions(logits.to(self.device).double())
        names = [member.name for member in self.saved.compiled.program.members]
        check_predictions(probabilities, names, self.build.spec.data.example)  # those that were kept are looked at too
        return probabilities, labels.to(self.device)

    def _logits(self, split: Split) -> tuple[Tensor, Tensor]:
        return predict_logits(self.ensemble, test_batches(split, self.batch, device=self.device), self.arithmetic)


@frozen(eq=False)
class _Seen:
    """What the ensemble was asked for: probabilities [M, N, C], labels [N], and what else was measured."""

    probabilities: Tensor
    labels: Tensor
    calibration: CalibrationImages
    costs: Costs
    outliers: tuple[Outliers, ...]
    interpolations: tuple[Interpolation, ...]


def evaluate_build(
    build: Build,
    asked: EvaluationRequest,
    sink: Sink,
    announce: Callable[[str], None],
    refused: Callable[[Diagnostic], None],
) -> Evaluation:
    """Evaluate the latest weights of a run; DiagnosticError where it has none, or its data are not there.

    `refused` takes what the system did not let it keep.
    """
    report_other_plug_ins(build.spec.plug_ins, sink)
    check_options(build.spec.task, asked)
    with foreign_code(build.spec):
        opened = _open(build, asked, sink, announce, refused)
        test = opened.images
        others = tuple((name, _other_split(opened, name, asked, announce)) for name in asked.outliers)
        arrays = arrays_for(asked.corruptions, test, sink) if asked.corruptions else None
        _tell_dependence(opened, sink)
        probabilities, labels = opened.predict(test, PREDICTIONS[opened.part])
        outliers = tuple(_outliers(opened, probabilities, name, split) for name, split in others)
        lines = _interpolations(opened, sink) if asked.interpolate else ()
        calibration = _calibration(opened, probabilities, labels, asked)
        seen = _Seen(probabilities, labels, calibration, _costs(opened, asked), outliers, lines)
        found = _evaluated(opened, seen, asked, sink)
        tell_numbers(found, sink, build.spec.data.example)
        if arrays is None:
            return found
        wanted = _wanted(found, calibration.scored)
        return evolve(found, corruptions=on_corrupted(arrays, test, opened.predict_again, wanted, announce))


def _open(
    build: Build,
    asked: EvaluationRequest,
    sink: Sink,
    announce: Callable[[str], None],
    refused: Callable[[Diagnostic], None],
) -> _Opened:
    spec = build.spec
    part = part_of(spec.data, asked.on)
    saved = open_trained(build, sink)
    saved = saved.averaged(str(build.folder)) if asked.average else saved
    assert spec.training is not None, "what was trained has a training"
    device = chosen_device(asked.device)
    dataset = open_dataset(spec, asked.data, asked.offline, announce, asked.workers).to(device)
    check_classes(build.folder, dataset)
    check_scale(build.folder, dataset)
    rules = rules_of(spec.data, scale_of_run(build.folder, spec.data) or dataset.scale)
    check_preparation(build.folder, dataset)
    tell_changed(build.folder, dataset, sink)
    dataset.report(sink)
    dataset = with_workers(dataset, asked.workers, device, announce)
    recipe = spec.training.recipe
    arithmetic = choose_arithmetic(recipe.precision, device)
    ensemble = saved.ensemble(device)
    if asked.stored != "float32":
        ensemble = quantise(ensemble, asked.stored)
    folder = evaluation_folder(build.folder, asked.stored, average=asked.average)
    code = " ".join((digest_of_own(spec), *extra_versions(member.source.kind for member in spec.members)))
    cache = PredictionCache(folder, saved, arithmetic, code, asked.keep, announce, refused, asked.stored)
    return _Opened(build, saved, ensemble, dataset, arithmetic, device, recipe.batch, cache, part, rules)


def _tell_dependence(opened: _Opened, sink: Sink) -> None:
    """Warn of members whose outputs are not functions of an image alone, by their answers to a few."""
    inputs, labels = next(iter(test_batches(opened.images, ASKED, device=opened.device)))
    if len(labels) < FEWEST:
        return
    found = dependences(opened.ensemble, inputs, opened.arithmetic)
    names = [member.name for member in opened.saved.compiled.program.members]
    drawing = tuple(names[host] for host, own in found.items() if own.is_random or not own.is_repeatable)
    batched = tuple(names[host] for host, own in found.items() if own.depends_on_batch)
    example = opened.build.spec.data.example
    if drawing:
        sink.report(DrawsInEval(members=drawing, example=example))
    if batched:
        sink.report(ScoredByBatch(members=batched, batch=opened.batch, example=example))


def _costs(opened: _Opened, asked: EvaluationRequest) -> tuple[Cost, ...]:
    batch = max(PAIR, asked.time_batch)
    inputs, _ = next(iter(test_batches(opened.images, batch, device=opened.device)))
    timed = asked.time_batch > 0
    return member_costs(opened.ensemble, inputs, opened.arithmetic, timed=timed, time_batch=asked.time_batch)


def _outliers(opened: _Opened, familiar: Tensor, name: str, split: Split) -> Outliers:
    theirs, _ = opened.predict(split.to(opened.device), cache_name(name))
    # between one member's prediction and which member it is of there is no information
    measures = MEASURES if len(familiar) > 1 else tuple(name for name in MEASURES if name != "information")
    found = tuple((measure, detect(familiar, theirs, measure)) for measure in measures)
    return Outliers(printable(name), theirs.shape[1], found)


def _other_split(opened: _Opened, name: str, asked: EvaluationRequest, announce: Callable[[str], None]) -> Split:
    """The test images of a data set by name, or those below a folder, to be normalised as the members' own.

    Each is read once before, so that a damaged one is an error before minutes of predictions, and not after.
    """
    split = _opened_split(opened.dataset.facts, name, asked, announce)
    check_readable(split)
    return split


def _opened_split(own: DataFacts, name: str, asked: EvaluationRequest, announce: Callable[[str], None]) -> Split:
    check_images(own, "--ood")
    other = named(name)
    if other is None:
        return read_images(own, Path(name), announce)
    if other.image_shape != own.image_shape:
        raise DiagnosticError(OtherImages(name=name, found=other.image_shape, needed=own.image_shape))
    split = open_data(other, asked.data, asked.offline, announce).test
    return split.known_as(evolve(other, mean=own.mean, deviation=own.deviation))


def _interpolations(opened: _Opened, sink: Sink) -> tuple[Interpolation, ...]:
    """The line between every two members of one architecture, on all held-out images but a last single one."""
    pairs = alike(opened.ensemble)
    if not pairs or len(opened.images) < SMALLEST:
        reason = "there is but one held-out image" if pairs else "no two members have one architecture"
        sink.report(NoLines(reason=reason))
        return ()
    batches = list(test_batches(opened.images, opened.batch, device=opened.device))
    batches = [batch for batch in batches if len(batch[1]) > 1]  # BatchNorm has no variance of one image
    names = [member.name for member in opened.saved.compiled.program.members]
    return tuple(
        Interpolation(names[pair[0]], names[pair[1]], along(opened.ensemble, pair, batches, opened.arithmetic))
        for pair in pairs
    )


def _evaluated(opened: _Opened, seen: _Seen, asked: EvaluationRequest, sink: Sink) -> Evaluation:
    spec = opened.build.spec
    assert spec.training is not None
    probabilities, labels, calibration = seen.probabilities, seen.labels, seen.calibration
    scored = calibration.scored
    predictors: list[Predictor] = []
    bins: list[tuple[Bin, ...]] = []
    rounded = rounded_ids(opened.ensemble)
    for subset in _subsets(len(probabilities), sink):
        temperature = calibration.temperature(subset) if asked.temperature else None
        predicted = _predicted(probabilities, subset, temperature)[:, scored]
        fitted = calibration.of(subset)
        scores = opened.rules.score(predicted, labels[scored], fitted)
        predictors.append(_predictor(opened.ensemble, subset, scores, temperature, seen.costs, asked.stored, rounded))
        if len(subset) in (1, len(probabilities)):
            bins.append(opened.rules.reliability(predicted, labels[scored], fitted))
    matrix = opened.rules.disagreement(probabilities[:, scored], labels[scored])
    best = spec.task.row.best
    return Evaluation(
        run=str(opened.build.folder),
        ensemble=spec.name,
        data=spec.data.title,
        stage=opened.saved.where(spec.training),
        epochs_scale=spec.training.epochs_scale,
        machine=f"{opened.device}, {opened.arithmetic}",
        num_images=len(scored),
        num_calibration=len(calibration.labels),
        time_batch=min(asked.time_batch, len(labels)),  # of fewer images no larger batch can be made
        predictors=tuple(predictors),
        reliability=tuple(bins),
        diversity=tuple(tuple(row) for row in matrix.tolist()),
        mean_diversity=mean_diversity(matrix),
        mean_top1=sum(p.scores.value(best) for p in predictors[: len(probabilities)]) / len(probabilities),
        outliers=seen.outliers,
        interpolations=seen.interpolations,
        num_classes=probabilities.shape[-1],
        stored=asked.stored,
        part=opened.part,
        calibration_part=calibration.part,
        task=spec.task.name,
        details=_details(opened, seen),
        outputs=() if spec.task.row.targets == "class" else opened.dataset.outputs,
    )


def _details(opened: _Opened, seen: _Seen) -> OutputDetails:
    """What is shown of single outputs of the whole ensemble."""
    scored, everyone = seen.calibration.scored, tuple(range(len(seen.probabilities)))
    fitted = seen.calibration.of(everyone)
    return opened.rules.details(seen.probabilities[:, scored], seen.labels[scored], fitted)


def _predicted(predictions: Tensor, subset: Subset, temperature: Temperature | None) -> Tensor:
    """What a subset predicts, [m, N, C]: each of its members, or at a temperature all of them as one."""
    if temperature is None or temperature.unused:
        return predictions[list(subset)]
    return at_temperature(together(predictions, subset), temperature.value)[None]


def _wanted(found: Evaluation, scored: Tensor) -> CorruptionScoring:
    """Corrupted images are scored as the clean ones: the same of them, at the temperatures that those gave."""
    num_members = len(found.diversity)
    members = found.predictors[:num_members]
    names = tuple(predictor.members[0] for predictor in members)
    temperatures = tuple(predictor.temperature for predictor in members)
    if num_members == 1:
        return CorruptionScoring(scored, names, temperatures)
    return CorruptionScoring(scored, (*names, "ensemble"), (*temperatures, found.predictors[-1].temperature))


def _calibration(opened: _Opened, probabilities: Tensor, labels: Tensor, asked: EvaluationRequest) -> CalibrationImages:
    """What temperatures and noise are fitted on: the validation part where test images are scored beside one."""
    is_fitted = opened.rules.task.row.is_fitted
    if is_fitted and opened.part == "validation":
        return CalibrationImages(torch.arange(len(labels)), probabilities, labels, "validation", is_scored=True)
    if not (asked.temperature or (is_fitted and opened.part == "test")):
        return without_calibration(probabilities, labels)
    if opened.part != "test":
        return set_aside(probabilities, labels)
    others = opened.predict(opened.dataset.held_out("validation"), PREDICTIONS["validation"])
    return CalibrationImages(torch.arange(len(labels)), *others, part="validation")


def _subsets(num_members: int, sink: Sink) -> tuple[Subset, ...]:
    if 2**num_members - 1 <= MOST_SUBSETS:
        return subsets(num_members)
    sink.report(TooManySubsets(num_members=num_members, most=MOST_SUBSETS))
    singles = tuple((number,) for number in range(num_members))
    return (*singles, *(tuple(range(size)) for size in range(2, num_members + 1)))


def _predictor(
    ensemble: Ensemble,
    subset: Subset,
    scores: Scores,
    temperature: Temperature | None,
    costs: Costs,
    stored: Storage,
    rounded: frozenset[str],
) -> Predictor:
    program = ensemble.program
    names = tuple(program.members[number].name for number in subset)
    cost, shapes = subset_cost(program, subset, costs), stored_shapes(ensemble, names)
    value, unused = (temperature.value, temperature.unused) if temperature else (None, "")
    return Predictor(
        members=names,
        scores=scores,
        parameters=stored_scalars(shapes),
        multiply_adds=cost.multiply_adds,
        milliseconds=cost.milliseconds,
        temperature=value,
        uncalibrated=unused,
        stored_bytes=stored_bytes(shapes, rounded, stored),
        quartiles=cost.quartiles,
    )
