"""The pass that splits clusters whose layers' gradients disagree.

Takes a graph with initial clusters, and cluster feedback; gives it with the clusters that training asked for.
Guarantees: a layer never leaves its old cluster for another old one; new clusters stand in the order of their first
layers inside the old; one template for each level still fits the budget, for which the threshold is lowered in
steps of 0.05 where it must be, with a note. Source: paper, supplementary section 2 (Algorithm 1) and 3.5; authors'
release for lowering the threshold and for `across reference`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from attrs import evolve, frozen

from swc.compiler.ir.graph import Cluster, Graph, Layer
from swc.compiler.passes.budget import budget_scalars, fixed_scalars, template_allowance
from swc.compiler.passes.cluster import fits, minimum_cost
from swc.compiler.passes.context import Context
from swc.compiler.passes.grouping import LINKAGES, Groups, collect, sizes_over_threshold
from swc.compiler.passes.members import layers_by_member, most_similar, reference_member, widest_of_depth
from swc.compiler.passes.revisions import splits
from swc.diagnostics.catalogue.clusters import MostlySingletons, NothingSplit, SilentLayers, SplitOverBudget
from swc.program.feedback import ClusterFeedback, Similarity, unknown_errors
from swc.program.training import SplitClusters

STEP = 0.05
RANGE = (
    -0.2,
    -0.1,
    -0.05,
    0.0,
    0.05,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.8,
)  # thresholds at which sizes are reported

_Pairs = Mapping[str, Sequence[Similarity]]  # cluster id -> its measured pairs


@frozen
class SplitByFeedback:
    """Apply cluster feedback, one piece after the other."""

    name: str = "split"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give the graph with new clusters; raise where no threshold fits the budget."""
        for feedback, action in splits(context) if graph.clusters else ():
            clusters, threshold = _affordable(graph, feedback, action, context)
            _report(graph.clusters, clusters, feedback, threshold, action.threshold, context)
            summary = _summary(graph, clusters, action, threshold)
            context.notes.append(summary + unknown_errors(feedback.similarities))
            graph = evolve(graph, clusters=clusters)
        return graph


def _affordable(
    graph: Graph, feedback: ClusterFeedback, action: SplitClusters, context: Context
) -> tuple[tuple[Cluster, ...], float]:
    """The clusters at the highest threshold that fits the budget, and that threshold."""
    allowance = template_allowance(context.spec, graph)
    splitter = _Splitter.of(graph, feedback, action)
    clusters = graph.clusters
    for threshold in _thresholds(action.threshold):
        clusters = splitter.clusters(graph, threshold)
        if fits(graph, clusters, context.spec, allowance):
            return clusters, threshold
    smallest = fixed_scalars(context.spec, graph) + minimum_cost(graph, clusters, context.spec)
    stated = budget_scalars(context.spec, graph) or 0
    context.sink.report(SplitOverBudget(span=context.spec.budget.span, stated=stated, smallest=smallest))
    context.sink.raise_errors()
    raise AssertionError("an error was reported")


def _thresholds(start: float) -> Iterator[float]:
    """From `start` down in steps, up to and with the first below -1, where no cosine is low enough to split."""
    step, threshold = 0, start
    while threshold >= -1:
        yield threshold
        step += 1
        threshold = round(start - STEP * step, 10)
    yield threshold


@frozen
class _Splitter:
    """All that stays the same over the thresholds."""

    action: SplitClusters
    pairs: _Pairs
    silent: frozenset[str]
    layers: Mapping[str, Layer]
    reference: str
    widest: Mapping[str, str]

    @classmethod
    def of(cls, graph: Graph, feedback: ClusterFeedback, action: SplitClusters) -> _Splitter:
        members = layers_by_member(graph.layers)
        layers = {layer.id: layer for layer in graph.layers}
        pairs = _pairs_by_cluster(graph, feedback.similarities)
        silent = frozenset(feedback.silent)
        return cls(action, pairs, silent, layers, reference_member(members), widest_of_depth(members))

    def clusters(self, graph: Graph, threshold: float) -> tuple[Cluster, ...]:
        """The new clusters, numbered throughout."""
        parts = [part for cluster in graph.clusters for part in _parts(cluster, self._groups(cluster, threshold))]
        return tuple(evolve(part, id=f"c{number}") for number, part in enumerate(parts))

    def _groups(self, cluster: Cluster, threshold: float) -> Groups:
        # A layer without a gradient has no similarity to anything; it goes where the largest group goes.
        heard = [name for name in cluster.layers if name not in self.silent]
        across = self._as_reference if self.action.across == "reference" else self._as_members
        return _with_rest(cluster.layers, across(cluster, heard, threshold))

    def _as_members(self, cluster: Cluster, heard: Sequence[str], threshold: float) -> Groups:
        return LINKAGES[self.action.linkage](heard, self.pairs.get(cluster.id, ()), threshold)

    def _as_reference(self, cluster: Cluster, heard: Sequence[str], threshold: float) -> Groups:
        """Split the reference member's layers; the others follow the layer of their path, or the most similar one."""
        # Algorithm 1 runs on the largest member alone. A layer of another member follows, in this order: the
        # reference's layer of its path where both have one depth, the layer it is most similar to, or nothing (then
        # `_with_rest` places it).
        own = [name for name in heard if self.layers[name].member == self.reference]
        leaders = frozenset(own)
        pairs = self.pairs.get(cluster.id, ())
        inside = [pair for pair in pairs if pair.first in leaders and pair.second in leaders]
        groups = LINKAGES[self.action.linkage](own, inside, threshold)
        group_of = {name: group[0] for group in groups for name in group}
        nearest = most_similar(pairs, self.layers, leaders)
        by_path = {self.layers[name].path: name for name in own}
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


def size_lines(similarities: Sequence[Similarity], thresholds: Sequence[float] = RANGE) -> tuple[str, ...]:
    """A line for each threshold: how many clusters Algorithm 1 makes of the measured layers, and how large."""
    return tuple(
        f"above {threshold:g}: {len(sizes)} clusters, the largest of {sizes[0]}, {sizes.count(1)} of one layer"
        for threshold, sizes in sizes_over_threshold(similarities, thresholds)
        if sizes
    )


def _report(
    old: Sequence[Cluster],
    new: Sequence[Cluster],
    feedback: ClusterFeedback,
    threshold: float,
    asked: float,
    context: Context,
) -> None:
    span = context.spec.train_span
    num_layers = sum(len(cluster.layers) for cluster in old)
    before = {cluster.layers for cluster in old}
    alone = sum(1 for cluster in new if len(cluster.layers) == 1 and cluster.layers not in before)
    is_scattered, is_whole = 2 * alone > num_layers, len(new) == len(old) and num_layers > len(old)
    sizes = size_lines(feedback.similarities) if is_scattered or is_whole else ()
    if feedback.silent:
        context.sink.report(SilentLayers(span=span, layers=feedback.silent))
    if is_scattered:
        context.sink.report(
            MostlySingletons(span=span, num_alone=alone, num_layers=num_layers, threshold=threshold, sizes=sizes)
        )
    if is_whole:
        context.sink.report(NothingSplit(span=span, threshold=threshold, asked=asked, sizes=sizes))


def _summary(graph: Graph, clusters: Sequence[Cluster], action: SplitClusters, threshold: float) -> str:
    line = f"split clusters below {threshold:g}: {len(graph.clusters)} became {len(clusters)}"
    if threshold != action.threshold:
        line += f"; at {action.threshold:g} they would not fit the budget"
    return line
