"""Stored tensors as clusters, for pictures: who reads one tensor shares it as layers of a cluster share templates.

Takes a graph; gives one for views alone. Guarantees: clusters that are there stay as they are and come first; a layer
is in one cluster at most, that of the first stored tensor which other layers read too.
"""

from __future__ import annotations

from attrs import evolve

from swc.compiler.ir.graph import Cluster, Graph
from swc.program.expressions import tensors_of


def readers_of(graph: Graph) -> dict[str, tuple[str, ...]]:
    """The layers that read each stored tensor, in their order."""
    found: dict[str, list[str]] = {tensor.id: [] for tensor in graph.tensors}
    for weight in graph.weights:
        for tensor in tensors_of(weight.expression):
            found[tensor].append(weight.layer)
    return {tensor: tuple(layers) for tensor, layers in found.items()}


def with_readers(graph: Graph) -> Graph:
    """The graph with a cluster for each stored tensor that several layers read."""
    taken = {layer for cluster in graph.clusters for layer in cluster.layers}
    share_of = {layer.id: layer.share for layer in graph.layers}
    number = 1 + max((int(c.id[1:]) for c in graph.clusters if c.id[1:].isdigit()), default=-1)
    made: list[Cluster] = []
    for tensor, layers in readers_of(graph).items():
        left = tuple(layer for layer in layers if layer not in taken)
        if len(layers) > 1 and left:
            made.append(Cluster(f"c{number + len(made)}", share_of[left[0]], f"tensor {tensor}", left))
            taken |= set(left)
    return evolve(graph, clusters=(*graph.clusters, *made))
