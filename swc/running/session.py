"""The phase loop: compile, train, measure, recompile. Where compiler and runtime meet.

Takes a run; gives its scores on held-out images. Guarantees: the run folder always holds what is needed to go on;
with deterministic arithmetic a run that was killed and taken up again ends with the bits of an undisturbed one. What
was trained is kept before anything is asked of it: a run that fails while it is scored has lost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from time import monotonic
from typing import TYPE_CHECKING, cast

from attrs import frozen

from swc.compiler.driver import compile_spec
from swc.compiler.frontend.own_code import told_to_its_author
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.disturbing import NonFinitePredictions, ScoresLeftOut
from swc.diagnostics.catalogue.training import CheckpointsLost
from swc.folders.store import held, read_spec, revision_folder, write_revision
from swc.program.stages import Stage, stages
from swc.running.resharing import next_revision
from swc.running.trained import (
    Trained,
    assembled,
    batches_of,
    begin_alike,
    built,
    check_alike,
    kept_of,
    own_members,
    restored,
)
from swc.show.wording import traffic_text
from swc.trust.code import folders_of
from swc.trust.importing import own_code
from swc_runtime.data import PixelCheck, num_batches, test_batches
from swc_runtime.ensemble import Ensemble, state_tensors
from swc_runtime.evaluate import evaluate
from swc_runtime.evaluate.predict import ask
from swc_runtime.records.checkpoint import Meta, Position, save_checkpoint, with_prefix
from swc_runtime.records.records import Records, Unrecorded, cut_back, read_rows
from swc_runtime.training.norm_statistics import reestimate
from swc_runtime.training.optimiser_state import NO_STATE, OptimiserState, optimiser_state
from swc_runtime.training.reduction import traffic_of
from swc_runtime.training.steps import LEAVES_NORMS
from swc_runtime.training.trainer import Epoch, OnStep, Tally, check_finite, check_state, train_epoch
from swc_runtime.weights.layout import layout_remark

if TYPE_CHECKING:
    from swc.running.run import Run
    from swc.running.trained import Due
    from swc_runtime.evaluate.metrics import Evaluation

DUE = "due"  # among the facts of a checkpoint: what must still be done after its last epoch


@frozen
class Session:
    """A run with its records open."""

    run: Run
    records: Records | Unrecorded
    pixels: PixelCheck | None = None


def train(run: Run) -> Evaluation:
    """Train all stages that are left, recompiling between them, and give the scores on the test images.

    DiagnosticError where a loss is not finite, the run's files do not belong together, or another process trains it.
    """
    with _owned(run), own_code(run.spec), told_to_its_author(folders_of(run.spec)):
        with run.machine.ranks.first_ahead():
            trained, marks = _resume(run) or (_start(run), {})
        begin_alike(run, trained)
        _tell_traffic(run, trained)
        if remark := layout_remark(dict(zip(run.members, trained.ensemble.members, strict=True)), run.machine.device):
            run.progress.say(remark)
        if not _is_finished(run, trained) or trained.due:
            rehearse(run, trained)
            return _train_on(run, trained, marks)
        run.progress.say("the run is finished: there is nothing left to train")
        return scores(run, trained.ensemble)


@contextmanager
def _owned(run: Run) -> Iterator[None]:
    """Keep the run to the processes that train it together: the first holds the lock for all."""
    if not run.machine.ranks.is_first:
        yield
        return
    with held(run.folder) as locked:
        if not locked:
            run.progress.say("this file system has no locks: see to it that no other process trains this run")
        yield


def _tell_traffic(run: Run, trained: Trained) -> None:
    if run.machine.ranks.are_many:
        traffic = traffic_of(trained.ensemble)
        run.progress.say(traffic_text(traffic.reduced, traffic.composed))


def _train_on(run: Run, trained: Trained, marks: dict[str, int]) -> Evaluation:
    if not marks and read_rows(run.folder):
        raise DiagnosticError(CheckpointsLost(folder=str(run.folder)))
    if not run.machine.ranks.is_first:
        return _train_stages(Session(run, Unrecorded()), trained)
    cut_back(run.folder, marks)
    with Records(run.folder) as records, closing(PixelCheck.begun(run.dataset, run.progress.say)) as pixels:
        session = Session(run, records, pixels)
        if marks:
            run.progress.say(_where(run, trained))
        else:
            _save(session, trained)
        return _train_stages(session, trained)


def _train_stages(session: Session, trained: Trained) -> Evaluation:
    todo = stages(session.run.training)
    for stage in todo[trained.compiled.revision :]:
        _train_stage(session, trained, stage)
        if stage is not todo[-1]:
            trained = next_revision(session.run, trained, stage)
            begin_alike(session.run, trained)
            _save(session, trained)
    return scores(session.run, trained.ensemble)


def rehearse(run: Run, trained: Trained) -> None:
    """Ask the members for the first test images, as at the end of a stage; what cannot be scored fails now."""
    images, _ = next(test_batches(run.dataset.test, run.recipe.batch, device=run.machine.device))
    ask(trained.ensemble, images, run.machine.arithmetic)


def scores(run: Run, ensemble: Ensemble) -> Evaluation:
    """Each member and the ensemble on the test images."""
    batches = test_batches(run.dataset.test, run.recipe.batch, device=run.machine.device)
    return evaluate(ensemble, batches, run.machine.arithmetic, run.machine.ranks)


# --- beginning, and going on ------------------------------------------------------------------------------------------


def _start(run: Run) -> Trained:
    compiled = compile_spec(*read_spec(run.folder), spec_hash=run.spec_hash)
    if run.machine.ranks.is_first:
        write_revision(revision_folder(run.folder, 0), compiled)
    return assembled(run, compiled, built(run, compiled), NO_STATE, 0)


def _resume(run: Run) -> tuple[Trained, dict[str, int]] | None:
    kept = kept_of(run.folder)
    if kept is None:
        return None
    ensemble = restored(kept, run.machine.device, own_members(run, kept.compiled))
    position = kept.meta.position
    state = OptimiserState.of_named(run.recipe.optimiser.state, kept.tensors)
    trained = assembled(run, kept.compiled, ensemble, state, position.epoch)
    if position.step:
        trained.step, trained.tally = position.step, Tally.of_state(kept.tensors, run.machine.device)
    trained.due = cast("Due", kept.meta.facts.get(DUE, ""))
    return trained, dict(kept.meta.marks)


def _is_finished(run: Run, trained: Trained) -> bool:
    last = stages(run.training)[-1]
    return trained.compiled.revision == last.revision and trained.epoch == last.stop


def _where(run: Run, trained: Trained) -> str:
    stage = stages(run.training)[trained.compiled.revision]
    step = f" and step {trained.step}" if trained.step else ""
    return f"going on in phase {stage.phase.name} after epoch {trained.epoch}{step}"


def _save(session: Session, trained: Trained) -> None:
    run = session.run
    if not run.machine.ranks.is_first:
        return
    stage = stages(run.training)[trained.compiled.revision]
    phase = run.training.phases.index(stage.phase)
    tensors = with_prefix("state", state_tensors(trained.ensemble))
    tensors |= optimiser_state(trained.ensemble, trained.optimiser, run.recipe).named()
    if trained.tally is not None:
        tensors |= trained.tally.state()
    position = Position(trained.compiled.revision, phase, trained.epoch, trained.step)
    hashes = run.spec_hash, trained.compiled.program_hash
    facts = {DUE: trained.due} if trained.due else {}
    save_checkpoint(run.checkpoint, tensors, Meta(position, *hashes, marks=session.records.marks(), facts=facts))


# --- one stage --------------------------------------------------------------------------------------------------------


def _train_stage(session: Session, trained: Trained, stage: Stage) -> None:
    _finish_epoch(session, trained, stage)  # what was left when the run was stopped
    for epoch in range(trained.epoch, stage.stop):
        _train_epoch(session, trained, stage, epoch)
        trained.due = _due_after(session.run, trained, stage)
        _save(session, trained)
        if session.pixels is not None:
            session.pixels.finish()
        _finish_epoch(session, trained, stage)


def _due_after(run: Run, trained: Trained, stage: Stage) -> Due:
    """What is to be done after the epoch that was trained last."""
    every = run.options.score_every
    if trained.epoch < stage.stop:
        return "scores" if every and trained.epoch % every == 0 else ""
    return "norms" if trained.compiled.program.step.name in LEAVES_NORMS else "scores"


def _finish_epoch(session: Session, trained: Trained, stage: Stage) -> None:
    """Do what is due, one after the other, and keep that it is done."""
    if trained.due == "norms":
        _settle_norms(session.run, trained, stage)
        trained.due = "scores"
        _save(session, trained)
    if trained.due == "scores":
        found = _scores_within(session.run, trained, stage)
        if found is not None:
            session.records.write_scores(stage, trained.epoch - 1, session.run.members, found)
            session.run.progress.scored(stage, trained.epoch - 1, found)
        trained.due = ""
        _save(session, trained)


def _scores_within(run: Run, trained: Trained, stage: Stage) -> Evaluation | None:
    """Scores within a run; a member without finite predictions is told, and training goes on, as it may recover.

    At the run's end nothing is told here: the state is saved first, and the scores of the run then are an error.
    """
    try:
        return scores(run, trained.ensemble)
    except DiagnosticError as error:
        (told,) = error.diagnostics
        if not isinstance(told, NonFinitePredictions):
            raise
        last = stages(run.training)[-1]
        if (stage.revision, trained.epoch) != (last.revision, last.stop):
            run.progress.warn(ScoresLeftOut(phase=stage.phase.name, epoch=trained.epoch, members=told.members))
        return None


def _settle_norms(run: Run, trained: Trained, stage: Stage) -> None:
    """Estimate running statistics over an epoch, as the step strategy left those of some members behind."""
    batches = batches_of(run, stage, stage.stop - 1)
    reestimate(trained.ensemble, batches, run.machine.arithmetic, run.machine.ranks)
    check_state(trained.ensemble, Epoch(stage.phase, stage.stop - 1, 0), 0)


def _train_epoch(session: Session, trained: Trained, stage: Stage, epoch: int) -> None:
    run = session.run
    images = len(run.dataset.train)
    place = Epoch(
        stage.phase, epoch, num_batches(images, run.recipe.batch), trained.step, seen=trained.tally, num_images=images
    )
    with run.progress.epoch(stage, epoch) as tell:
        result = train_epoch(
            trained.ensemble,
            trained.optimiser,
            batches_of(run, stage, epoch, trained.step),
            run.recipe,
            place,
            run.machine.arithmetic,
            on_step=_keeping(session, trained, place, tell),
            ranks=run.machine.ranks,
        )
    check_alike(run, trained)
    trained.epoch, trained.step, trained.tally = epoch + 1, 0, None
    run.progress.epoch_done(stage, epoch, result)
    session.records.write_epoch(stage, epoch, run.members, result)


def _keeping(session: Session, trained: Trained, epoch: Epoch, tell: OnStep) -> OnStep:
    """Tell of a step, and save where the last save is long ago."""
    saved = monotonic()

    def on_step(done: int, tally: Tally) -> None:
        nonlocal saved
        tell(done, tally)
        if session.pixels is not None:
            session.pixels.look()
        if session.run.machine.ranks.is_first and monotonic() - saved >= session.run.options.checkpoint_every:
            check_finite(trained.ensemble, tally, epoch, done)
            trained.step, trained.tally = done, tally
            _save(session, trained)
            saved = monotonic()

    return on_step
