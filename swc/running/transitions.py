"""What leads from a state of a run to the next: an epoch, running statistics, scores, a recompile.

Takes a run and one of its states, tells an observer; gives the state that follows. Guarantees: the next state depends
on the run and the state alone, whatever is observed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import evolve

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.disturbing import NonFinitePredictions, ScoresLeftOut
from swc.running.actions import action_after
from swc.running.average import carried_average
from swc.running.patience import chosen_epoch, judged
from swc.running.state import State, assemble, begin_alike, check_alike
from swc_runtime.data import num_batches, test_batches
from swc_runtime.data.items import seeds_torch
from swc_runtime.ensemble import Ensemble
from swc_runtime.evaluate import predict
from swc_runtime.evaluate.chance import buffers_kept
from swc_runtime.evaluate.metrics import FinalScores, score_ensemble
from swc_runtime.evaluate.predict import ask
from swc_runtime.tasks.rules import Calibration
from swc_runtime.training import trainer
from swc_runtime.training.norm_statistics import reestimate
from swc_runtime.training.steps import LEAVES_NORMS
from swc_runtime.training.trainer import Epoch, Tally, check_state

if TYPE_CHECKING:
    from torch import Tensor

    from swc.compiler.driver import Compiled
    from swc.files.scores import ScoredPart
    from swc.program.feedback import Feedback
    from swc.program.stages import Stage
    from swc.running.observer import Observer
    from swc.running.run import Run
    from swc.running.state import Due
    from swc_runtime.evaluate.metrics import EnsembleScores


# --- within a stage ---------------------------------------------------------------------------------------------------


def train_epoch(run: Run, state: State, observer: Observer) -> State:
    """Train the next epoch, or what is left of one; DiagnosticError where a loss is not finite."""

    def on_step(step: int, tally: Tally) -> None:
        observer.step_done(state.after_step(step, tally))

    observer.epoch_begins(state)
    epoch = epoch_of(run, state)
    result = trainer.train_epoch(
        state.ensemble,
        state.optimiser,
        run.training_batches(epoch.phase, epoch.number, epoch.start, hosts_of(state.ensemble)),
        run.recipe,
        epoch,
        run.machine.arithmetic,
        on_step=on_step,
        ranks=run.machine.ranks,
    )
    check_alike(run, state)
    following = state.after_epoch(due_after(run, state))
    observer.epoch_done(following, result)
    return following


def hosts_of(ensemble: Ensemble) -> tuple[str, ...]:
    """The names of the members that hold the networks of this process, in their order."""
    return tuple(ensemble.program.members[network.host].name for network in ensemble.networks)


def epoch_of(run: Run, state: State) -> Epoch:
    """The epoch that is trained next, from where it was stopped."""
    images, position = len(run.dataset.train), state.position
    steps = num_batches(images, run.recipe.batch)
    return Epoch(
        state.stage.phase,
        position.epoch,
        steps,
        position.step,
        seen=state.tally,
        num_images=images,
        teacher=run.teacher,
        average=state.average,
        rules=run.rules,
        deal=run.machine.deal,
        seeds_torch=seeds_torch(run.dataset.train),
    )


def due_after(run: Run, state: State) -> Due:
    """What is to be done after the epoch that a state begins, or is in."""
    every, done = run.options.score_every, state.position.epoch + 1
    if not is_settled_after(state.stage, done):
        return "scores" if every and done % every == 0 else ""
    return "norms" if state.compiled.program.step.name in LEAVES_NORMS else "scores"


def is_settled_after(stage: Stage, epoch: int) -> bool:
    """Whether running statistics are settled after so many epochs of a phase, where the step strategy leaves them."""
    return epoch >= stage.stop or stage.patience is not None


def settle_norms(run: Run, state: State, observer: Observer) -> State:
    """Estimate running statistics over an epoch, as the step strategy left those of some members behind."""
    _estimate_norms(run, state)
    if state.average is not None:
        with state.average.inside(state.ensemble, keeps=True):
            _estimate_norms(run, state)
    check_state(state.ensemble, Epoch(state.stage.phase, state.position.epoch - 1, 0), 0)
    return evolve(state, due="scores")


def _estimate_norms(run: Run, state: State) -> None:
    batches = run.batches(state.stage.phase, state.position.epoch - 1)
    reestimate(state.ensemble, batches, run.machine.arithmetic, run.machine.ranks)


@contextmanager
def norms_for_scores(run: Run, state: State) -> Iterator[None]:
    """Inside, running statistics are good to score with; afterwards they are as they were.

    At the end of a stage they were settled before; within one they are estimated for this once, so that what is trained
    does not depend on how often it is scored.
    """
    if state.compiled.program.step.name not in LEAVES_NORMS or is_settled_after(state.stage, state.position.epoch):
        yield
        return
    with buffers_kept(state.ensemble):
        _estimate_norms(run, state)
        yield


def score(run: Run, state: State, observer: Observer) -> State:
    """Take scores on the images that may be looked at; a member without finite predictions is told, it may recover."""
    with norms_for_scores(run, state):
        evaluation = _scores_within(run, state, observer)
    if evaluation is not None:
        observer.scored(state, evaluation)
    _score_average(run, state, observer)
    following = evolve(state, due="")
    return following if state.stage.patience is None else judged(run, following, evaluation)


def score_given(run: Run, state: State, observer: Observer) -> None:
    """Take scores before anything is trained, where members begin with given weights."""
    if any(member.weights for member in run.spec.members):
        evaluation = _scores_within(run, state, observer)
        if evaluation is not None:
            observer.folded(state, evaluation)


def _score_average(run: Run, state: State, observer: Observer) -> None:
    """Take scores with the average of the weights, where there is one."""
    if state.average is None:
        return
    with state.average.inside(state.ensemble), norms_for_scores(run, state):
        evaluation = _scores_within(run, state, observer)
    if evaluation is not None:
        observer.average_scored(state, evaluation)


def _scores_within(run: Run, state: State, observer: Observer) -> EnsembleScores | None:
    """Scores within a run; None where predictions are not finite.

    At the run's end nothing is told of that here: the state is saved first, and the scores of the run are an error.
    """
    try:
        return scores(run, state.ensemble, run.dataset.watched)
    except DiagnosticError as error:
        (diagnostic,) = error.diagnostics
        if not isinstance(diagnostic, NonFinitePredictions):
            raise
        stage, epoch = state.stage, state.position.epoch
        if stage.patience is not None or (stage, epoch) != (run.stages[-1], run.stages[-1].stop):
            observer.warn(ScoresLeftOut(phase=stage.phase.name, epoch=epoch, members=diagnostic.members))
        return None


def scores(run: Run, ensemble: Ensemble, part: ScoredPart) -> EnsembleScores:
    """Each member and the ensemble on one part of the images; what a task fits first, on the validation part."""
    predictions, targets = _predicted(run, ensemble, part)
    calibration = _calibration(run, ensemble, part, Calibration(predictions, targets, is_scored=True))
    return evolve(score_ensemble(predictions, targets, run.rules, calibration), part=part)


def _predicted(run: Run, ensemble: Ensemble, part: ScoredPart) -> tuple[Tensor, Tensor]:
    batches = test_batches(run.dataset.held_out(part), run.recipe.batch, device=run.machine.device)
    return predict(ensemble, batches, run.machine.arithmetic, run.machine.ranks)


def _calibration(run: Run, ensemble: Ensemble, part: ScoredPart, own: Calibration) -> Calibration | None:
    """What noise is fitted on; None for a task that fits nothing, and without a validation part."""
    if run.dataset.validation is None or not run.spec.task.row.is_fitted:
        return None
    return own if part == "validation" else Calibration(*_predicted(run, ensemble, "validation"))


def scores_of_state(run: Run, state: State) -> FinalScores:
    """What a run came to: the scores of the last state, and those with the average of the weights."""
    found = evolve(final_scores(run, state.ensemble), best=chosen_epoch(state))
    if state.average is None:
        return found
    with state.average.inside(state.ensemble):
        return evolve(found, average=final_scores(run, state.ensemble))


def final_scores(run: Run, ensemble: Ensemble) -> FinalScores:
    """Scores of an ensemble at the end of a run, on the test images and on those of the validation part."""
    if run.dataset.validation is None:
        return FinalScores(scores(run, ensemble, ""))
    return FinalScores(scores(run, ensemble, "test"), scores(run, ensemble, "validation"))


def rehearse(run: Run, state: State) -> None:
    """Ask the members for the first test images, as at the end of a stage; what cannot be scored fails now."""
    inputs, _ = next(test_batches(run.dataset.test, run.recipe.batch, device=run.machine.device))
    ask(state.ensemble, inputs, run.machine.arithmetic)


# --- between two stages -----------------------------------------------------------------------------------------------


def next_revision(run: Run, state: State, observer: Observer) -> State:
    """Measure what the stage's action asks for, recompile, and carry over what the next stage keeps."""
    feedback = measure(run, state, observer)
    compiled = recompile(state, feedback)
    following = carry(run, state, compiled, observer)
    observer.revision_begins(compiled)
    _tell_news(state.compiled, compiled, observer)
    begin_alike(run, following)
    return following


def measure(run: Run, state: State, observer: Observer) -> Feedback | None:
    """What the next revision is compiled from (None: nothing is measured); the state stays as it is."""
    feedback = action_after(state).measure(run, state, observer)
    if feedback is not None:
        observer.measured(feedback)
    return feedback


def recompile(state: State, feedback: Feedback | None) -> Compiled:
    """The next revision."""
    return action_after(state).recompile(state.compiled, feedback)


def carry(run: Run, state: State, compiled: Compiled, observer: Observer) -> State:
    """The next revision at its first epoch, with what it keeps of the state."""
    following = assemble(run, compiled, *action_after(state).carry(run, state, compiled, observer), observer.say)
    return evolve(following, average=carried_average(state, following, observer))


def _tell_news(before: Compiled, after: Compiled, observer: Observer) -> None:
    """What a recompile decided and warns of; it is compiled from scratch, and says what was said before again."""
    for note in after.notes:
        if note not in before.remarks:
            observer.say(note)
    for warning in after.warnings:
        if warning.summary() not in before.remarks:
            observer.warn(warning)
