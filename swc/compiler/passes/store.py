"""The pass that makes the stored tensors of policies which keep tensors instead of templates.

Takes a graph with layers; gives it with `tensors`. It runs before anything is weighed against the budget, because
stored tensors are paid from it. Policies that fill what the budget leaves come after those whose tensors have the sizes
of their layers, and share it with the blocks that keep templates, in proportion to what their layers would own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve, frozen

from swc.compiler.ir.graph import Graph, Layer, Tensor
from swc.compiler.passes.budget import apportioned, template_allowance
from swc.compiler.passes.context import Context
from swc.compiler.passes.policies import Policy, Room, policy_of
from swc.compiler.passes.regroup import group_lines, spec_of_revision
from swc.compiler.passes.select import layers_by_share
from swc.diagnostics import Severity
from swc.program.expressions import num_scalars
from swc.program.spec import Share, Spec

_Block = tuple[Share, tuple[Layer, ...]]


@frozen
class Store:
    """Ask every share block's policy for its tensors."""

    name: str = "store"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give the graph with the stored tensors, in the order of the share blocks; report what cannot be shared so."""
        context.notes.extend(group_lines(context))
        blocks = {n: block for n, block in enumerate(layers_by_share(graph, spec_of_revision(context))) if block[1]}
        # Two rounds: what is left for the fillers is known only when the others' tensors are.
        fillers = {number for number, (share, _) in blocks.items() if policy_of(share.policy).fills_room}
        made = {n: _tensors(block, None, context) for n, block in blocks.items() if n not in fillers}
        fixed = evolve(graph, tensors=_in_order(made))
        rooms = _rooms(fixed, blocks, context.spec)
        made |= {number: _tensors(blocks[number], rooms.get(number), context) for number in fillers}
        return evolve(graph, tensors=_in_order(made))


def _in_order(made: Mapping[int, Sequence[Tensor]]) -> tuple[Tensor, ...]:
    return tuple(tensor for number in sorted(made) for tensor in made[number])


def _tensors(block: _Block, room: Room | None, context: Context) -> tuple[Tensor, ...]:
    share, layers = block
    policy: Policy = policy_of(share.policy)
    found = policy.complaints(layers, share, room)
    for complaint in found:
        context.sink.report(complaint)
    is_wrong = any(complaint.severity is Severity.ERROR for complaint in found)
    return () if is_wrong else policy.tensors(layers, share, room)


def _rooms(graph: Graph, blocks: Mapping[int, _Block], spec: Spec) -> dict[int, Room]:
    """What each block that keeps banks of any sort may store; nothing under an unlimited budget."""
    allowance = template_allowance(spec, graph)
    if allowance is None:
        return {}
    natives = {
        number: sum(num_scalars(layer.shape) for layer in layers)
        for number, (share, layers) in blocks.items()
        if policy_of(share.policy).has_banks or policy_of(share.policy).fills_room
    }
    parts = apportioned(max(0, allowance), tuple(natives.values()))
    pays = spec.budget.kind == "parameters"
    return {number: Room(part, pays) for number, part in zip(natives, parts, strict=True)}
