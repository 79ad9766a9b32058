"""The pass that makes the stored tensors of policies which keep tensors instead of templates.

Takes a graph with layers; gives it with `tensors`. It runs before anything is weighed against the budget, because
stored tensors are paid from it.
"""

from __future__ import annotations

from attrs import evolve, frozen

from swc.ir.graph import Graph
from swc.passes.context import Context
from swc.passes.policies import POLICIES
from swc.passes.select import layers_by_share


@frozen
class Store:
    """Ask every share block's policy for its tensors."""

    name: str = "store"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give the graph with the stored tensors, in the order of the share blocks."""
        blocks = layers_by_share(graph, context.spec)
        tensors = [tensor for share, layers in blocks if layers for tensor in POLICIES[share.policy].tensors(layers)]
        return evolve(graph, tensors=tuple(tensors))
