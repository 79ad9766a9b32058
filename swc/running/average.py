"""The average of the weights over a recompile.

Takes the state that a stage has trained and the one that follows; gives the average that goes on. Guarantees: where the
weights go on as they are, untied or not, so does the average, and gives the outputs it gave; where they are fitted to
other banks, or begin again, it begins anew: factors of two fits are not of one basis, and have no mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from swc.running.state import State
from swc_runtime.carry.transfer import untie
from swc_runtime.ensemble import state_tensors
from swc_runtime.training.averages import AveragedWeights
from swc_runtime.training.optimiser_state import NO_STATE

if TYPE_CHECKING:
    from swc.running.observer import Observer


def carried_average(state: State, following: State, observer: Observer) -> AveragedWeights | None:
    """The average that the following state begins with."""
    if state.average is None:
        return None
    if state.stage.action is None or state.stage.action is not state.stage.phase.split:
        try:
            with state.average.inside(state.ensemble):
                made, _ = untie(state.ensemble, NO_STATE, following.compiled.program)
        except ValueError:  # the programs differ in more than in who shares coefficients
            pass
        else:
            return AveragedWeights(state.average.average, state_tensors(made), state.average.steps)
    observer.say("the average of the weights begins anew")
    return following.average
