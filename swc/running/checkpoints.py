"""From a checkpoint to a state of a run, and back.

Takes a run; gives its `State`, or writes it. Guarantees: what is taken up belongs to the run's spec and its revisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from attrs import evolve

from swc.files.checkpoint import Meta, Plain
from swc.running.state import BestState, State, assemble, own_members
from swc.running.trained import DUE, ENDED, SavedState, newest_state, open_trained, untrained
from swc_runtime.ensemble import state_tensors
from swc_runtime.records.checkpoint import save_checkpoint, under_prefix, with_prefix
from swc_runtime.training.averages import AveragedWeights
from swc_runtime.training.optimiser_state import OptimiserState
from swc_runtime.training.trainer import Tally

if TYPE_CHECKING:
    from swc.running.observer import Observer
    from swc.running.run import Run
    from swc.running.state import Due

__all__ = ["SavedState", "open_trained", "resume", "save_state", "untrained"]  # both ways, in one place to look for

# among the facts of a checkpoint: what must still be done after its last epoch; in a stage with patience, after which
# epoch the best state was, what its score is, and whether the stage has ended with it
BEST_EPOCH, BEST_SCORE = "best_epoch", "best_score"
# and of how many states the average of the weights is, that beside the best state too; below `best`, `average` and
# `best_average` tensors have the names of those of the state
AVERAGED, BEST_AVERAGED = "average_steps", "best_average_steps"


def resume(run: Run, observer: Observer) -> State | None:
    """The state of the newest checkpoint of a run; None where there is none."""
    saved = newest_state(run.folder)
    if saved is None:
        return None
    ensemble = saved.ensemble(run.machine.device, own_members(run.machine, saved.compiled))
    kept = OptimiserState.of_named(run.recipe.optimiser.state, saved.tensors)
    start = assemble(run, saved.compiled, ensemble, kept, observer.say)
    position = saved.meta.position
    tally = Tally.of_state(saved.tensors, run.machine.device, run.rules) if position.step else None
    facts = saved.meta.facts
    due, is_ended = cast("Due", facts.get(DUE, "")), bool(facts.get(ENDED))
    start = evolve(start, position=position, tally=tally, due=due, best=_best(run, saved), is_ended=is_ended)
    return evolve(start, average=_average(run, saved, "average", AVERAGED) or start.average)


def _best(run: Run, saved: SavedState) -> BestState | None:
    """The best state of a stage with patience; None before there was one."""
    epoch, score = (saved.meta.facts.get(name) for name in (BEST_EPOCH, BEST_SCORE))
    if not isinstance(epoch, int) or not isinstance(score, float):
        return None
    tensors = {name: t.to(run.machine.device) for name, t in under_prefix("best", saved.tensors).items()}
    return BestState(epoch, score, tensors, _average(run, saved, "best_average", BEST_AVERAGED))


def _average(run: Run, saved: SavedState, prefix: str, fact: str) -> AveragedWeights | None:
    """An average of the weights; None where there was none yet."""
    steps, wanted = saved.meta.facts.get(fact), run.recipe.weight_average
    if not isinstance(steps, int) or wanted is None:
        return None
    tensors = {name: t.to(run.machine.device) for name, t in under_prefix(prefix, saved.tensors).items()}
    return AveragedWeights(wanted, tensors, steps)


def save_state(run: Run, state: State, marks: Mapping[str, int]) -> None:
    """Write a checkpoint; `marks` are the lengths of the records at this moment, by file."""
    tensors = with_prefix("state", state_tensors(state.ensemble))
    tensors |= state.optimiser_state.named()
    if state.tally is not None:
        tensors |= state.tally.state()
    facts: dict[str, Plain] = {DUE: state.due} if state.due else {}
    if state.best is not None:
        tensors |= with_prefix("best", state.best.tensors)
        facts |= {BEST_EPOCH: state.best.epoch, BEST_SCORE: state.best.score}
    beside = None if state.best is None else state.best.average
    for average, prefix, fact in ((state.average, "average", AVERAGED), (beside, "best_average", BEST_AVERAGED)):
        if average is not None and average.steps:
            tensors |= with_prefix(prefix, average.tensors)
            facts[fact] = average.steps
    if state.is_ended:
        facts[ENDED] = True
    hashes = run.spec_hash, state.compiled.program_hash
    save_checkpoint(run.checkpoint, tensors, Meta(state.position, *hashes, marks=marks, facts=facts))
