"""Weights that members of a run are given to begin with, folded into what the run stores.

Takes a compiled revision and its fresh ensemble; gives what is to be said of it. Guarantees: the files are those that
the run was begun with; what a file holds beyond a member's own state, or lacks of it, is a diagnostic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import frozen
from torch import nn

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.given_weights import WeightsFileChanged, WeightsUnfit
from swc.program.spec import Spec
from swc.show.wording import several
from swc_runtime.carry.fold import KeptEnergy, fold
from swc_runtime.ensemble import Ensemble
from swc_runtime.records.digest import digest_of

if TYPE_CHECKING:
    from swc.compiler.driver import Compiled
    from swc.compiler.frontend.given_weights import GivenState
    from swc.program.layer_table import LayerTable

FACT = "weights"  # what the digest of given weights is called among the facts of a run
COUNTER = "num_batches_tracked"  # of BatchNorm: older files have none, and with a momentum nothing depends on it
LEAST_LOST = 1e-6  # of a layer's energy: what is less is float32's


def weights_fact(spec: Spec, tables: Sequence[LayerTable], before: Mapping[str, str] | None) -> dict[str, str]:
    """The digest of what members are given, for the facts of a run; of one that has begun, what it was begun with."""
    if not any(member.weights for member in spec.members):
        return {}
    known = (before or {}).get(FACT)
    return {FACT: known or _digest(_states(spec, tables))}


@frozen
class GivenFold:
    """What became of given weights: `remarks` are what is to be said, the whole first (none: there were none).

    `has_lost` says that some could not be kept whole, so that norms no longer fit what they see.
    """

    remarks: tuple[str, ...] = ()
    has_lost: bool = False


def fold_given(compiled: Compiled, ensemble: Ensemble, known: str = "") -> GivenFold:
    """Let the members that are given weights begin with them; gives what became of these.

    `known` is the digest that the files had when the run was begun ("": nobody kept it).
    """
    if not any(member.weights for member in compiled.spec.members):
        return GivenFold()
    states = _states(compiled.spec, compiled.tables)
    if known not in ("", _digest(states)):
        raise DiagnosticError(WeightsFileChanged(files=tuple(dict.fromkeys(one.member.weights for one in states))))
    modules = dict(zip((plan.name for plan in ensemble.program.members), ensemble.members, strict=True))
    for state in states:
        _check_whole(state, modules[state.member.name], ensemble)
    kept = fold(ensemble, {state.member.name: state.tensors for state in states})
    has_lost = any(one.share < 1 - LEAST_LOST for one in kept)
    by_layer = (_said_of_layer(one) for one in sorted(kept, key=lambda one: one.share))
    return GivenFold((*_said(kept, states, has_lost), *by_layer), has_lost)


def _states(spec: Spec, tables: Sequence[LayerTable]) -> tuple[GivenState, ...]:
    from swc.compiler.frontend.given_weights import given_states

    return given_states(spec, tables)


def _digest(states: Sequence[GivenState]) -> str:
    return digest_of({f"{one.member.name}/{name}": tensor for one in states for name, tensor in one.tensors.items()})


def _check_whole(state: GivenState, module: nn.Module, ensemble: Ensemble) -> None:
    """DiagnosticError where a file lacks a buffer of the member, has one in another shape, or holds what it has not."""
    member = state.member
    own = module.state_dict()
    composed = {plan.path for plan in ensemble.program.weights if plan.member == member.name}
    missing = own.keys() - state.tensors.keys() - set(state.afresh)
    missing = {name for name in missing if not name.endswith(COUNTER)}
    unknown = state.tensors.keys() - own.keys() - composed
    shapes = {name for name in own.keys() & state.tensors.keys() if own[name].shape != state.tensors[name].shape}
    if missing or unknown or shapes:
        raise DiagnosticError(
            WeightsUnfit(
                span=member.span,
                member=member.name,
                file=member.weights,
                missing=tuple(sorted(missing)),
                unknown=tuple(sorted(unknown)),
                shapes=tuple(f"`{name}`" for name in sorted(shapes)),
            )
        )


def _said(kept: Sequence[KeptEnergy], states: Sequence[GivenState], has_lost: bool) -> tuple[str, ...]:
    members = several(len(states), "member")
    whole = sum(one.energy for one in kept)
    share = sum(one.share * one.energy for one in kept) / whole if whole else 1.0
    much = f"{share:.1%} of their energy" if has_lost else "all of their energy"
    heads = tuple(
        f"the classifier of `{state.member.name}` begins afresh: that in {state.member.weights} has other classes"
        for state in states
        if state.afresh
    )
    return (f"{members} begin with given weights, and what is shared keeps {much}", *heads)


def _said_of_layer(one: KeptEnergy) -> str:
    return f"{one.layer} begins with {one.share:.1%} of the energy of its given weights"
