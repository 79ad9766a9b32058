"""The phase loop: compile, train, measure, recompile. Where compiler and runtime meet.

Takes a run; gives its scores on held-out images. Guarantees: the run folder always holds what is needed to go on;
with deterministic arithmetic a run that was killed and taken up again ends with the bits of an undisturbed one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import torch
from attrs import define, evolve, frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import CheckpointsLost, MemberChanged
from swc.driver import Compiled, recompile
from swc.frontend.read import factory_folders
from swc.program.codec import hash_of
from swc.program.stages import Stage, stages
from swc.program.training import SplitClusters, UntieCoefficients
from swc.show.wording import several
from swc.store import held, read_compiled, revision_folder, write_feedback, write_revision
from swc_runtime.checkpoint import (
    Meta,
    Position,
    check_belongs,
    load_checkpoint,
    newest_checkpoint,
    save_checkpoint,
    under_prefix,
    with_prefix,
)
from swc_runtime.data import epoch_batches, num_batches, test_batches
from swc_runtime.ensemble import Ensemble, build, load_state_tensors, state_tensors
from swc_runtime.evaluate import evaluate
from swc_runtime.models import factory_path
from swc_runtime.norms import reestimate
from swc_runtime.optimiser import load_momentum, make_optimiser, momentum_tensors
from swc_runtime.precision import laid_out
from swc_runtime.probe import measure_clusters, measure_coefficients, measure_spectra, sketch_clusters
from swc_runtime.records import Records, cut_back, read_rows
from swc_runtime.sketch import Sketch
from swc_runtime.trainer import Epoch, OnStep, Tally, check_finite, train_epoch
from swc_runtime.transfer import carry_weights, untie

if TYPE_CHECKING:
    from swc.run import Run
    from swc_runtime.metrics import Evaluation

Momentum = dict[str, torch.Tensor]

SHARING = ("members", "banks", "tensors", "weights", "private", "slots", "coefficients")  # of a Program
ROUNDING = 1e-5  # a relative residual below this is float32's, not the fit's


@define
class Trained:
    """What changes while a run goes on.

    `epoch` epochs of the phase are done, and `step` steps of the next, of which `tally` holds what was seen.
    """

    compiled: Compiled
    ensemble: Ensemble
    optimiser: torch.optim.Optimizer
    epoch: int
    step: int = 0
    tally: Tally | None = None


@frozen
class Session:
    """A run with its records open."""

    run: Run
    records: Records


def train(run: Run) -> Evaluation:
    """Train all stages that are left, recompiling between them, and give the scores on the test images.

    DiagnosticError where a loss is not finite, the run's files do not belong together, or another process trains it.
    """
    with held(run.folder) as locked, factory_path(_factory_folders(run)):
        if not locked:
            run.progress.say("this file system has no locks: see to it that no other process trains this run")
        trained, marks = _resume(run) or (_start(run), {})
        if not _is_finished(run, trained):
            return _train_on(run, trained, marks)
        run.progress.say("the run is finished: there is nothing left to train")
        return scores(run, trained.ensemble)


def _train_on(run: Run, trained: Trained, marks: dict[str, int]) -> Evaluation:
    if not marks and read_rows(run.folder):
        raise DiagnosticError(CheckpointsLost(folder=str(run.folder)))
    cut_back(run.folder, marks)
    with Records(run.folder) as records:
        session = Session(run, records)
        if marks:
            run.progress.say(_where(run, trained))
        else:
            _save(session, trained)
        return _train_stages(session, trained)


def _factory_folders(run: Run) -> tuple[Path, ...]:
    """Where `python("module:factory")` members are looked for, as when they were compiled."""
    return tuple(dict.fromkeys(folder for member in run.spec.members for folder in factory_folders(member)))


def _train_stages(session: Session, trained: Trained) -> Evaluation:
    todo = stages(session.run.training)
    for stage in todo[trained.compiled.revision :]:
        _train_stage(session, trained, stage)
        if stage is not todo[-1]:
            trained = _next_revision(session, trained, stage)
            _save(session, trained)
    return scores(session.run, trained.ensemble)


def scores(run: Run, ensemble: Ensemble) -> Evaluation:
    """Each member and the ensemble on the test images."""
    batches = test_batches(run.dataset.test, run.recipe.batch, device=run.machine.device)
    return evaluate(ensemble, batches, run.machine.arithmetic)


# --- beginning, and going on ------------------------------------------------------------------------------------------


def _start(run: Run) -> Trained:
    compiled = read_compiled(run.folder, 0)
    write_revision(revision_folder(run.folder, 0), compiled)
    return _assembled(run, compiled, _built(run, compiled), {}, 0)


def _resume(run: Run) -> tuple[Trained, dict[str, int]] | None:
    path = newest_checkpoint(run.checkpoint)
    if path is None:
        return None
    tensors, meta = load_checkpoint(path)
    check_belongs(path, meta, spec_hash=run.spec_hash, program_hash=meta.program_hash)
    compiled = read_compiled(run.folder, meta.position.revision)
    check_belongs(path, meta, spec_hash=run.spec_hash, program_hash=hash_of(compiled.program))
    ensemble = _built(run, compiled)
    _load(ensemble, under_prefix("state", tensors))
    trained = _assembled(run, compiled, ensemble, under_prefix("momentum", tensors), meta.position.epoch)
    if meta.position.step:
        trained.step, trained.tally = meta.position.step, Tally.of_state(tensors, run.machine.device)
    return trained, dict(meta.marks)


def _load(ensemble: Ensemble, state: dict[str, torch.Tensor]) -> None:
    try:
        load_state_tensors(ensemble, state)
    except ValueError as error:  # a buffer of a member has another shape than when it was kept
        raise DiagnosticError(MemberChanged(detail=str(error))) from error


def _is_finished(run: Run, trained: Trained) -> bool:
    last = stages(run.training)[-1]
    return trained.compiled.revision == last.revision and trained.epoch == last.stop


def _where(run: Run, trained: Trained) -> str:
    stage = stages(run.training)[trained.compiled.revision]
    step = f" and step {trained.step}" if trained.step else ""
    return f"going on in phase {stage.phase.name} after epoch {trained.epoch}{step}"


def _built(run: Run, compiled: Compiled) -> Ensemble:
    try:
        return build(compiled.program, device=run.machine.device)
    except (ValueError, ImportError, AttributeError) as error:  # a member whose code is gone or not what was compiled
        raise DiagnosticError(MemberChanged(detail=str(error))) from error


def _assembled(run: Run, compiled: Compiled, ensemble: Ensemble, momentum: Momentum, epoch: int) -> Trained:
    optimiser = make_optimiser(ensemble, run.recipe)
    load_momentum(ensemble, optimiser, momentum)
    return Trained(compiled, ensemble, optimiser, epoch)


def _save(session: Session, trained: Trained) -> None:
    run = session.run
    stage = stages(run.training)[trained.compiled.revision]
    phase = run.training.phases.index(stage.phase)
    tensors = with_prefix("state", state_tensors(trained.ensemble))
    tensors |= with_prefix("momentum", momentum_tensors(trained.ensemble, trained.optimiser))
    if trained.tally is not None:
        tensors |= trained.tally.state()
    position = Position(trained.compiled.revision, phase, trained.epoch, trained.step)
    hashes = run.spec_hash, hash_of(trained.compiled.program)
    save_checkpoint(run.checkpoint, tensors, Meta(position, *hashes, marks=session.records.marks()))


# --- one stage --------------------------------------------------------------------------------------------------------


def _train_stage(session: Session, trained: Trained, stage: Stage) -> None:
    for epoch in range(trained.epoch, stage.stop):
        _train_epoch(session, trained, stage, epoch)
        every = session.run.options.score_every
        if epoch + 1 == stage.stop or (every and (epoch + 1) % every == 0):
            found = scores(session.run, trained.ensemble)
            session.records.write_scores(stage, epoch, session.run.members, found)
            session.run.progress.scored(stage, epoch, found)
        _save(session, trained)


def _train_epoch(session: Session, trained: Trained, stage: Stage, epoch: int) -> None:
    run = session.run
    steps = num_batches(len(run.dataset.train), run.recipe.batch)
    place = Epoch(stage.phase, epoch, steps, trained.step)
    with run.progress.epoch(stage, epoch) as tell:
        result = train_epoch(
            trained.ensemble,
            trained.optimiser,
            _batches(run, stage, epoch, trained.step),
            run.recipe,
            place,
            run.machine.arithmetic,
            tally=trained.tally,
            on_step=_keeping(session, trained, place, tell),
        )
    trained.epoch, trained.step, trained.tally = epoch + 1, 0, None
    run.progress.epoch_done(stage, epoch, result)
    session.records.write_epoch(stage, epoch, run.members, result)


def _keeping(session: Session, trained: Trained, epoch: Epoch, tell: OnStep) -> OnStep:
    """Tell of a step, and save where the last save is long ago."""
    saved = monotonic()

    def on_step(done: int, tally: Tally) -> None:
        nonlocal saved
        tell(done, tally)
        if monotonic() - saved >= session.run.options.checkpoint_every:
            check_finite(trained.ensemble, tally, epoch, done)
            trained.step, trained.tally = done, tally
            _save(session, trained)
            saved = monotonic()

    return on_step


def _batches(run: Run, stage: Stage, epoch: int, step: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    recipe = run.recipe
    place = (recipe.seed, run.training.phases.index(stage.phase), epoch)
    return epoch_batches(
        run.dataset.train, recipe.augmentation, recipe.batch, *place, start_step=step, device=run.machine.device
    )


# --- between stages ---------------------------------------------------------------------------------------------------


def _next_revision(session: Session, trained: Trained, stage: Stage) -> Trained:
    match stage.action:
        case SplitClusters():
            following = _split(session.run, trained, stage)
        case UntieCoefficients():
            following = _untied(session.run, trained, stage)
        case None:
            following = _followed(session.run, trained, recompile(trained.compiled, None), stage)
    following.epoch = stages(session.run.training)[following.compiled.revision].start
    write_revision(revision_folder(session.run.folder, following.compiled.revision), following.compiled)
    _tell_news(session.run, trained.compiled, following.compiled)
    return following


def _tell_news(run: Run, before: Compiled, after: Compiled) -> None:
    """What a recompile decided and warns of; it is compiled from scratch, and says what was said before again."""
    for note in after.notes:
        if note not in before.notes:
            run.progress.say(note)
    for warning in after.warnings:
        if warning not in before.warnings:
            run.progress.warn(warning)


def _split(run: Run, trained: Trained, stage: Stage) -> Trained:
    compiled = _recompiled_by_clusters(run, trained, stage)
    if stage.phase.carry == "continue":
        return _carried(run, trained, compiled, stage)
    return _assembled(run, compiled, _built(run, compiled), {}, 0)


def _recompiled_by_clusters(run: Run, trained: Trained, stage: Stage) -> Compiled:
    assert isinstance(stage.action, SplitClusters)
    if stage.action.sketch is not None:
        return _recompiled_by_sketches(run, trained, stage, stage.action.sketch)
    with run.progress.measuring(stage) as tell:
        feedback, sums = measure_clusters(
            trained.ensemble,
            _measured_batches(run, stage),
            progress=tell,
            context=run.machine.arithmetic.autocast,
        )
    compiled = recompile(trained.compiled, feedback)
    if any(share.templates.is_profiled for share in run.spec.shares):
        feedback = evolve(feedback, spectra=measure_spectra(sums, compiled.program))
        compiled = recompile(trained.compiled, feedback)
    write_feedback(run.folder, feedback)
    return compiled


def _recompiled_by_sketches(run: Run, trained: Trained, stage: Stage, buckets: int) -> Compiled:
    assert stage.action is not None
    epoch = num_batches(len(run.dataset.train), run.recipe.batch)
    sketch = Sketch(min(epoch, stage.action.batches or epoch), buckets, run.recipe.seed)
    with run.progress.measuring(stage) as tell:
        feedback = sketch_clusters(
            trained.ensemble,
            _measured_batches(run, stage),
            sketch,
            progress=tell,
            context=run.machine.arithmetic.autocast,
        )
    write_feedback(run.folder, feedback)
    return recompile(trained.compiled, feedback)


def _untied(run: Run, trained: Trained, stage: Stage) -> Trained:
    with run.progress.measuring(stage) as tell:
        feedback = measure_coefficients(
            trained.ensemble,
            _measured_batches(run, stage),
            progress=tell,
            context=run.machine.arithmetic.autocast,
        )
    write_feedback(run.folder, feedback)
    compiled = recompile(trained.compiled, feedback)
    momentum = momentum_tensors(trained.ensemble, trained.optimiser)
    return _assembled(run, compiled, *untie(trained.ensemble, momentum, compiled.program), 0)


def _measured_batches(run: Run, stage: Stage) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches of the epoch that would come next, all of them or as many as the action asks for."""
    assert stage.action is not None
    batches = _batches(run, stage, stage.stop)
    return ((laid_out(images), labels) for images, labels in islice(batches, stage.action.batches))


def _followed(run: Run, trained: Trained, compiled: Compiled, stage: Stage) -> Trained:
    """The next phase after one that measured nothing: to the bit where it shares in the same way."""
    old, new = trained.compiled.program, compiled.program
    if any(getattr(old, name) != getattr(new, name) for name in SHARING):
        return _carried(run, trained, compiled, stage)
    momentum = momentum_tensors(trained.ensemble, trained.optimiser)
    return _assembled(run, compiled, *untie(trained.ensemble, momentum, new), 0)


def _carried(run: Run, trained: Trained, compiled: Compiled, stage: Stage) -> Trained:
    momentum = momentum_tensors(trained.ensemble, trained.optimiser)
    carried = carry_weights(trained.ensemble, momentum, compiled.program)
    worst = max((residual.relative for residual in carried.residuals), default=0.0)
    if worst <= ROUNDING:
        run.progress.say("weights carried exactly, to rounding")
    else:
        banks = sum(residual.relative > ROUNDING for residual in carried.residuals)
        run.progress.say(
            f"weights carried with a residual of at most {worst:.2g} in {several(banks, 'bank')}; norms estimated again"
        )
        torch.manual_seed(run.recipe.seed)  # members with dropout draw from torch's generator here too
        reestimate(carried.ensemble, _batches(run, stage, stage.stop), run.machine.arithmetic)
    return _assembled(run, compiled, carried.ensemble, carried.momentum, 0)
