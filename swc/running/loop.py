"""The loop that trains a run: epochs, scores, and between two stages a recompile. Where compiler and runtime meet.

Takes a run; gives its scores on held-out images. Guarantees: the run folder always holds what is needed to go on;
with deterministic arithmetic a run that was killed and taken up again ends with the bits of an undisturbed one. What
was trained is saved before anything is asked of it: a run that fails while it is scored has lost nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import evolve

from swc.compiler.driver import compile_spec
from swc.folders.store import read_spec
from swc.running.actions import FEW, fresh, settle_given
from swc.running.checkpoints import resume
from swc.running.disk import observed
from swc.running.given_weights import GivenFold
from swc.running.patience import take_best
from swc.running.state import State, assemble, begin_alike
from swc.running.transitions import (
    next_revision,
    rehearse,
    score,
    score_given,
    scores_of_state,
    settle_norms,
    train_epoch,
)
from swc.show.wording import traffic_text
from swc.trust.foreign import foreign_code
from swc_runtime.training.optimiser_state import NO_STATE
from swc_runtime.training.reduction import traffic_of
from swc_runtime.weights.layout import layout_remark

if TYPE_CHECKING:
    from swc.running.observer import Observer
    from swc.running.run import Run
    from swc_runtime.evaluate.metrics import FinalScores

Transition = Callable[["Run", State, "Observer"], State]


def train(run: Run, *observers: Observer) -> FinalScores:
    """Train all stages that are left, recompiling between them, and give the scores at the end.

    DiagnosticError where a loss is not finite, the run's files do not belong together, or another process trains it.
    """
    with opened(run, *observers) as observer:
        state = take_up(run, observer)
        while (transition := next_transition(run, state)) is not None:
            state = transition(run, state, observer)
            observer.reached(state)
        final = scores_of_state(run, state)
        observer.finished(final)
        return final


def next_transition(run: Run, state: State) -> Transition | None:
    """What leads on from a state; None where all stages are trained."""
    if state.due == "norms":
        return settle_norms
    if state.due == "scores":
        return score
    if state.due == "best":
        return take_best
    if not state.is_trained:
        return train_epoch
    return next_revision if state.position.revision + 1 < len(run.stages) else None


@contextmanager
def opened(run: Run, *observers: Observer) -> Iterator[Observer]:
    """Gives who is to be told of what a run does in this process.

    Inside, the run belongs to this process and those that train it together, and the code of its members can run.
    """
    with observed(run, *observers) as observer, foreign_code(run.spec):
        yield observer


def take_up(run: Run, observer: Observer) -> State:
    """The state at which a run stands: at its newest checkpoint, or at its beginning. DiagnosticError as in `train`."""
    with run.machine.ranks.first_ahead():
        resumed = resume(run, observer)
        state, folded = (resumed, GivenFold()) if resumed else start(run, observer)
    begin_alike(run, state)
    settle_given(run, state.compiled, state.ensemble, folded)
    _say_surroundings(run, state, observer)
    if next_transition(run, state) is None:
        observer.say("the run is finished: there is nothing left to train")
        observer.nothing_left(state)
        return state
    rehearse(run, state)
    observer.begins(state, is_new=resumed is None)
    if resumed is None:
        score_given(run, state, observer)
    else:
        observer.say(_where(state))
    return state


def start(run: Run, observer: Observer) -> tuple[State, GivenFold]:
    """The state of a run that begins, and what became of given weights; asks nothing of other processes.

    Norms are still to be settled by `settle_given`, which all processes do together.
    """
    compiled = compile_spec(*read_spec(run.folder), spec_hash=run.spec_hash)
    ensemble, folded = fresh(run, compiled)
    for remark in folded.remarks[:FEW]:
        observer.say(remark)
    compiled = evolve(compiled, notes=(*compiled.notes, *folded.remarks))
    observer.revision_begins(compiled)
    return assemble(run, compiled, ensemble, NO_STATE, observer.say), folded


def _say_surroundings(run: Run, state: State, observer: Observer) -> None:
    """What several processes send each other, and how weights lie in memory where that is said."""
    if run.machine.ranks.are_many:
        traffic = traffic_of(state.ensemble)
        observer.say(traffic_text(traffic.reduced, traffic.composed))
    if remark := layout_remark(dict(zip(run.members, state.ensemble.members, strict=True)), run.machine.device):
        observer.say(remark)


def _where(state: State) -> str:
    position = state.position
    step = f" and step {position.step}" if position.step else ""
    return f"going on in phase {state.stage.phase.name} after epoch {position.epoch}{step}"
