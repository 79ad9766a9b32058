"""When a stage with patience ends, and which of its states goes on.

Takes a state and the scores it has on the validation part; gives the state that follows. Guarantees: what is decided
depends on the scores alone, so that a run that was stopped and all ranks decide alike; the best state comes back to the
bit. What the optimiser keeps belongs to the state that was trained last, and begins anew with the best one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from swc.files.run import BestEpoch
from swc.program.task import Task
from swc.running.state import BestState, State
from swc.show.wording import score_text
from swc_runtime.ensemble import load_state_tensors, state_tensors
from swc_runtime.training.optimiser import make_optimiser

CLASSIFICATION = Task()

if TYPE_CHECKING:
    from swc.running.observer import Observer
    from swc.running.run import Run
    from swc_runtime.evaluate.metrics import EnsembleScores


def chosen_by(scores: EnsembleScores, task: Task = CLASSIFICATION) -> float:
    """What a state is chosen by, lower is better: the score of the ensemble that the task's row names.

    It is the negative log-likelihood of classes and labels, and the NRMSE of numbers.
    """
    row = task.row.judged
    value = scores.ensemble.value(row.name)
    return -value if row.rises else value


def judged(run: Run, state: State, scores: EnsembleScores | None) -> State:
    """The state after scores were taken (None: predictions were not finite), with the best one up to here.

    It is `due` to become the best one where patience is used up, or where the stage has no epoch left.
    """
    patience = state.stage.patience
    assert patience is not None, "only a stage with patience is judged"
    state = evolve(state, best=_best(run, state, scores))
    since = state.stage.start if state.best is None else state.best.epoch
    waited, left = state.position.epoch - since, state.stage.stop - state.position.epoch
    if left > 0 and waited < patience:
        return state
    return evolve(state, is_ended=True) if state.best is None else evolve(state, due="best")


def _best(run: Run, state: State, scores: EnsembleScores | None) -> BestState | None:
    """The best state with the one at hand among them; of equals the first."""
    if scores is None:
        return state.best
    score = chosen_by(scores, run.spec.task)
    run.machine.ranks.agree("score on the validation part", repr(score).encode())
    if state.best is not None and score >= state.best.score:
        return state.best
    copies = {name: tensor.clone() for name, tensor in state_tensors(state.ensemble).items()}
    average = None if state.average is None else state.average.copy()
    return BestState(state.position.epoch, score, copies, average)


def chosen_epoch(state: State) -> BestEpoch | None:
    """Of which epoch the state is, where patience has chosen it."""
    return None if state.best is None else BestEpoch(state.best.epoch, state.position.epoch)


def take_best(run: Run, state: State, observer: Observer) -> State:
    """Give the ensemble the numbers of the best state, and end the stage with it."""
    best, phase = state.best, state.stage.phase
    assert best is not None, "judged before"
    load_state_tensors(state.ensemble, best.tensors)
    trained = state.position.epoch
    row = run.spec.task.row.judged
    score = f"{row.title} {score_text(row, -best.score if row.rises else best.score)}"
    chosen = f"the state after epoch {best.epoch}, the best by its {score}, goes on"
    observer.say(f"phase {phase.name} ends after {trained} epochs; {chosen}")
    optimiser = make_optimiser(state.ensemble, run.recipe)
    settled = evolve(best, tensors={}, average=None)
    return evolve(state, optimiser=optimiser, average=best.average, best=settled, due="", is_ended=True)
