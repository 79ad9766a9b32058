"""The pass that says what each layer's weight is.

Takes a graph with slots, or stored tensors, for every layer; gives it with `weights`, in the order of the layers.
"""

from __future__ import annotations

from attrs import evolve, frozen

from swc.compiler.ir.graph import Graph
from swc.compiler.passes.context import Context
from swc.compiler.passes.policies import policy_of
from swc.compiler.passes.regroup import spec_of_revision
from swc.compiler.passes.select import layers_by_share


@frozen
class Express:
    """Ask every share block's policy for the weight expressions of its layers."""

    name: str = "express"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give the graph with one weight for each layer."""
        weights = {
            weight.layer: weight
            for share, layers in layers_by_share(graph, spec_of_revision(context))
            if layers
            for weight in policy_of(share.policy).weights(graph, layers, share)
        }
        return evolve(graph, weights=tuple(weights[layer.id] for layer in graph.layers))
