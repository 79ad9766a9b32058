"""The pass that makes the stored tensors of policies which keep tensors instead of templates.

Takes a graph with layers; gives it with `tensors`. It runs before anything is weighed against the budget, because
stored tensors are paid from it.
"""

from __future__ import annotations

from attrs import evolve, frozen

from swc.ir.graph import Graph, Tensor
from swc.passes.context import Context
from swc.passes.policies import POLICIES
from swc.passes.select import layers_by_share


@frozen
class Store:
    """Ask every share block's policy for its tensors."""

    name: str = "store"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give the graph with the stored tensors, in the order of the share blocks; report what cannot be shared so."""
        blocks = layers_by_share(graph, context.spec)
        tensors: list[Tensor] = []
        for share, layers in blocks:
            found = POLICIES[share.policy].complaints(layers, share)
            for complaint in found:
                context.sink.report(complaint)
            if layers and not found:
                tensors += POLICIES[share.policy].tensors(layers, share)
        return evolve(graph, tensors=tuple(tensors))
