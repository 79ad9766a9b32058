"""Colours for clusters that people with any colour vision can tell apart, steady from revision to revision.

Takes graphs in order, gives a `Look` per cluster and graph. Guarantees: two clusters of one graph never look the
same while there are looks left (24); a singleton is always plain; a cluster that a recompile cut keeps its look in
the part that inherits most of its layers. Hues: Okabe and Ito, "Color universal design", 2008, and lighter tints.
"""

from __future__ import annotations

from attrs import frozen

from swc.compiler.ir.graph import Cluster, Graph


@frozen
class Look:
    """Fill colour, text colour and hatch (matplotlib's pattern, "" for none)."""

    fill: str
    ink: str
    hatch: str = ""


HUES: tuple[tuple[str, str], ...] = (
    ("#56B4E9", "#000000"),  # sky blue
    ("#E69F00", "#000000"),  # orange
    ("#009E73", "#FFFFFF"),  # bluish green
    ("#F0E442", "#000000"),  # yellow
    ("#CC79A7", "#000000"),  # reddish purple
    ("#0072B2", "#FFFFFF"),  # blue
    ("#D55E00", "#FFFFFF"),  # vermilion
    ("#333333", "#FFFFFF"),  # near black
    ("#B5DDF4", "#000000"),  # the same again, lighter
    ("#F7D48A", "#000000"),
    ("#8FD4BF", "#000000"),
    ("#E8BFD7", "#000000"),
)
LOOKS: tuple[Look, ...] = tuple(Look(fill, ink, hatch) for hatch in ("", "////") for fill, ink in HUES)
ALONE = Look("#FFFFFF", "#444444")


def looks(graphs: tuple[Graph, ...]) -> tuple[dict[str, Look], ...]:
    """The looks of each graph's clusters by cluster id, graph by graph."""
    found: list[dict[str, Look]] = []
    before: dict[str, Look] = {}
    for graph in graphs:
        found.append(_dress(graph, before))
        before = {layer: found[-1][cluster.id] for cluster in graph.clusters for layer in cluster.layers}
    return tuple(found)


def number_of(cluster: Cluster) -> str:
    """The number printed in a cell: the cluster's id without its letter."""
    return cluster.id.removeprefix("c")


def _dress(graph: Graph, before: dict[str, Look]) -> dict[str, Look]:
    worn: dict[str, Look] = {cluster.id: ALONE for cluster in graph.clusters if len(cluster.layers) == 1}
    grouped = [cluster for cluster in graph.clusters if cluster.id not in worn]
    free = list(LOOKS)
    for cluster in sorted(grouped, key=lambda c: -len(c.layers)):
        inherited = _inherited(cluster, before)
        if inherited in free:
            worn[cluster.id] = inherited
            free.remove(inherited)
    # new groups prefer looks that the revision before did not use
    seen = set(before.values())
    free.sort(key=lambda look: look in seen)
    for number, cluster in enumerate(c for c in grouped if c.id not in worn):
        worn[cluster.id] = free[number] if number < len(free) else LOOKS[number % len(LOOKS)]
    return worn


def _inherited(cluster: Cluster, before: dict[str, Look]) -> Look:
    votes = [before[layer] for layer in cluster.layers if layer in before and before[layer] != ALONE]
    return max(votes, key=votes.count) if votes else ALONE
