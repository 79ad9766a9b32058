"""The pass that ties coefficients: which slots of a bank start from one vector of numbers.

Takes a graph with slots that each have a coefficient of their own; gives it with coefficients shared `by level`,
`by partner` or `by slot`. Guarantees: slots are tied inside one bank only; a coefficient is named after the first
slot that uses it. Source: authors' release; paper, figure 4a (supplementary) for the extremes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from attrs import evolve, frozen

from swc.compiler.ir.graph import Coefficient, Graph, Slot
from swc.compiler.passes.context import Context
from swc.compiler.passes.grouping import Groups, connected
from swc.compiler.passes.members import partners
from swc.compiler.passes.revisions import last_split


@frozen
class Tie:
    """Tie coefficients as the share block says; in a phase that ends with a split, by level."""

    name: str = "tie"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give the graph with tied coefficients."""
        split = last_split(context)
        partner_of = partners(graph, split.similarities if split else ())
        mode_of = _modes(graph, context)
        named: dict[str, str] = {}
        for bank, found in groupby(graph.slots, key=lambda slot: slot.bank):
            for group in _groups(mode_of[bank], list(found), partner_of):
                # Groups keep the order of the slots, so group[0] is the first slot: its id becomes the coefficient's.
                named |= dict.fromkeys(group, group[0])
        return with_coefficients(graph, named)


def with_coefficients(graph: Graph, named: Mapping[str, str]) -> Graph:
    """The graph whose slots use the coefficients that `named` gives them (slot id to coefficient id)."""
    slots = tuple(evolve(slot, coefficient=named[slot.id]) for slot in graph.slots)
    banks = {slot.coefficient: slot.bank for slot in slots}
    return evolve(graph, slots=slots, coefficients=tuple(Coefficient(name, bank) for name, bank in banks.items()))


def _modes(graph: Graph, context: Context) -> dict[str, str]:
    """How each bank's coefficients are tied."""
    is_search = context.stage is not None and context.stage.phase.is_search
    share_of = {cluster.id: cluster.share for cluster in graph.clusters}
    shares = context.spec.shares
    return {level.id: "level" if is_search else shares[share_of[level.cluster]].coefficients for level in graph.levels}


def _groups(mode: str, slots: Sequence[Slot], partner_of: Mapping[str, str]) -> Groups:
    ids = [slot.id for slot in slots]
    match mode:
        case "level":
            return (tuple(ids),)
        case "slot":
            return tuple((name,) for name in ids)
        case _:
            # An edge from each slot to its partner's in this bank; a partner without a slot here ties nothing. Chains
            # of partners end in one group, which is why the components count and not the edges.
            slot_of = {slot.layer: slot.id for slot in slots}
            pairs = [(slot_of[partner_of[slot.layer]], slot.id) for slot in slots if partner_of[slot.layer] in slot_of]
            return connected(ids, pairs)
