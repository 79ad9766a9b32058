"""Clusters from groups of their layers: which layers are grouped by their pairs, and where all others go.

Takes a graph with clusters, cluster feedback and what the spec says of the split; gives clusters. Guarantees: a layer
never leaves its old cluster for another old one; new clusters stand in the order of their first layers inside the old.
Source: paper, supplementary section 2 (Algorithm 1) and 3.5; authors' release for `across reference`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import evolve, frozen

from swc.compiler.ir.graph import Cluster, Graph, Layer
from swc.compiler.passes.grouping import LINKAGES, Groups, collect
from swc.compiler.passes.members import layers_by_member, most_similar, reference_member, widest_of_depth
from swc.program.feedback import ClusterFeedback, Similarity
from swc.program.training import SplitClusters

_Pairs = Mapping[str, Sequence[Similarity]]  # cluster id -> its measured pairs


@frozen
class Splitter:
    """All that stays the same over the thresholds and numbers that are tried."""

    action: SplitClusters
    clusters: tuple[Cluster, ...]
    pairs: _Pairs
    silent: frozenset[str]
    layers: Mapping[str, Layer]
    reference: str
    widest: Mapping[str, str]

    @classmethod
    def of(cls, graph: Graph, feedback: ClusterFeedback, action: SplitClusters) -> Splitter:
        """One for the clusters of a graph that has layers."""
        members = layers_by_member(graph.layers)
        layers = {layer.id: layer for layer in graph.layers}
        pairs = _pairs_by_cluster(graph, feedback.similarities)
        silent = frozenset(feedback.silent)
        return cls(action, graph.clusters, pairs, silent, layers, reference_member(members), widest_of_depth(members))

    def below(self, threshold: float) -> tuple[Cluster, ...]:
        """The clusters at a threshold, numbered throughout."""
        group = LINKAGES[self.action.linkage]
        return self.split({c.id: group(self.leaders(c), self.pairs_of_leaders(c), threshold) for c in self.clusters})

    def split(self, groups: Mapping[str, Groups]) -> tuple[Cluster, ...]:
        """The clusters that the groups of each cluster's leaders make with all other layers, numbered throughout."""
        parts = [
            part for cluster in self.clusters for part in _parts(cluster, self._whole(cluster, groups[cluster.id]))
        ]
        return tuple(evolve(part, id=f"c{number}") for number, part in enumerate(parts))

    def leaders(self, cluster: Cluster) -> list[str]:
        """The layers of a cluster that are grouped by their pairs; all others follow them."""
        heard = self._heard(cluster)
        if self.action.across == "members":
            return heard
        return [name for name in heard if self.layers[name].member == self.reference]

    def _heard(self, cluster: Cluster) -> list[str]:
        # A layer without a gradient has no similarity to anything; it goes where the largest group goes.
        return [name for name in cluster.layers if name not in self.silent]

    def pairs_of_leaders(self, cluster: Cluster) -> list[Similarity]:
        """The measured pairs by which they are grouped."""
        leaders = frozenset(self.leaders(cluster))
        pairs = self.pairs.get(cluster.id, ())
        return [pair for pair in pairs if pair.first in leaders and pair.second in leaders]

    def _whole(self, cluster: Cluster, groups: Groups) -> Groups:
        """The groups of the leaders with all other layers of the cluster."""
        if self.action.across == "reference":
            groups = self._with_followers(cluster, groups)
        return _with_rest(cluster.layers, groups)

    def _with_followers(self, cluster: Cluster, groups: Groups) -> Groups:
        """The groups of the reference member's layers with the layers of the others that follow them."""
        # Algorithm 1 runs on the largest member alone. A layer of another member follows, in this order: the
        # reference's layer of its path where both have one depth, the layer it is most similar to, or nothing (then
        # `_with_rest` places it).
        group_of = {name: group[0] for group in groups for name in group}
        leaders = frozenset(group_of)
        nearest = most_similar(self.pairs.get(cluster.id, ()), self.layers, leaders)
        by_path = {self.layers[name].path: name for name in group_of}
        heard = self._heard(cluster)
        for name in heard:
            leader = self._leader(self.layers[name], by_path, nearest)
            if name not in leaders and leader is not None:
                group_of[name] = group_of[leader]
        return collect([name for name in heard if name in group_of], group_of)

    def _leader(self, layer: Layer, by_path: Mapping[str, str], nearest: Mapping[str, str]) -> str | None:
        same_depth = self.widest[layer.member] == self.widest[self.reference]
        beside = by_path.get(layer.path) if same_depth else None
        return beside or nearest.get(layer.id)


def _pairs_by_cluster(graph: Graph, similarities: Iterable[Similarity]) -> dict[str, list[Similarity]]:
    cluster_of = {name: cluster.id for cluster in graph.clusters for name in cluster.layers}
    found: dict[str, list[Similarity]] = {}
    for pair in similarities:
        first, second = cluster_of.get(pair.first), cluster_of.get(pair.second)
        if first is not None and first == second:
            found.setdefault(first, []).append(pair)
    return found


def _with_rest(ids: Sequence[str], groups: Groups) -> Groups:
    """Put the ids without a group into the largest one (the first of equals), which continues the old cluster."""
    group_of = {name: group[0] for group in groups for name in group}
    # `max` gives the first of equals, and the name of a group is its first layer.
    main = max(groups, key=len)[0] if groups else ids[0]
    return collect(ids, {name: group_of.get(name, main) for name in ids})


def _parts(cluster: Cluster, groups: Groups) -> list[Cluster]:
    if len(groups) == 1:
        return [cluster]
    return [
        evolve(cluster, label=f"{cluster.label}, group {number}", layers=group)
        for number, group in enumerate(groups, start=1)
    ]
