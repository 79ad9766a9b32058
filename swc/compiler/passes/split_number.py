"""Splitting into a number of clusters in each share block, and the checks of that number.

Takes a graph with clusters, a split by number, and its feedback; gives clusters, and where the similarities are cut.
Guarantees: each share block has exactly that many clusters afterwards, or an error says why not; those of N + 1 are
parts of those of N (but for layers that follow others); equal similarities are joined in the order of the layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from attrs import evolve, frozen

from swc.compiler.ir.graph import Cluster, Graph
from swc.compiler.passes.budget import budget_scalars, template_allowance
from swc.compiler.passes.cluster import fits
from swc.compiler.passes.context import Context
from swc.compiler.passes.grouping import LINKS, Groups, connected
from swc.compiler.passes.selectors import words
from swc.compiler.passes.splitter import Splitter
from swc.diagnostics.catalogue.splitting import SplitNumberOutOfReach, SplitNumberOverBudget
from swc.program.feedback import ClusterCut, ClusterFeedback, Similarity
from swc.program.spec import Spec
from swc.program.stages import stages
from swc.program.training import SplitClusters


@frozen
class BlockLinks:
    """The clusters of share block `share`, their grouped layers, and the links that join these, in order.

    With all links taken there are `fewest` groups, with none `most`.
    """

    share: int
    clusters: tuple[Cluster, ...]
    leaders: tuple[str, ...]
    links: tuple[Similarity, ...]
    fewest: int
    most: int

    @classmethod
    def of(cls, splitter: Splitter, clusters: tuple[Cluster, ...]) -> BlockLinks:
        """The links of the clusters of one share block."""
        # No pair crosses clusters, so that one order by similarity serves all clusters of the block.
        pairs = [pair for cluster in clusters for pair in splitter.pairs_of_leaders(cluster)]
        leaders = [tuple(splitter.leaders(cluster)) for cluster in clusters]
        names = tuple(name for group in leaders for name in group)
        links = tuple(LINKS[splitter.action.linkage](names, pairs))
        # A cluster without leaders stays whole, so it is one group more.
        most = sum(max(1, len(group)) for group in leaders)
        return cls(clusters[0].share, clusters, names, links, most - len(links), most)

    def groups(self, number: int) -> dict[str, Groups]:
        """The groups of each cluster's grouped layers where the block has `number` of them."""
        taken = islice(self.links, self.most - number)
        groups = connected(self.leaders, ((link.first, link.second) for link in taken))
        home = {name: cluster.id for cluster in self.clusters for name in cluster.layers}
        return {c.id: tuple(group for group in groups if home[group[0]] == c.id) for c in self.clusters}

    def cut(self, number: int) -> ClusterCut:
        """Where the links are cut for `number` groups."""
        # Seven layers, three clusters wanted: four links are taken; the fourth joined, the fifth is left.
        taken = self.most - number
        joined = self.links[taken - 1] if taken else None
        return ClusterCut(self.share, number, joined, self.links[taken] if taken < len(self.links) else None)


def cuts_of(graph: Graph, feedback: ClusterFeedback, action: SplitClusters) -> tuple[ClusterCut, ...]:
    """Where a split by number cuts the similarities of each share block; of none where it is out of reach."""
    number = action.number
    if number is None or not graph.clusters:
        return ()
    blocks = _linked(Splitter.of(graph, feedback, action))
    return tuple(block.cut(number) for block in blocks if block.fewest <= number <= block.most)


def split_into(graph: Graph, feedback: ClusterFeedback, action: SplitClusters, context: Context) -> tuple[Cluster, ...]:
    """The clusters of a split by number; raises where a block has no such number, or the budget does not bear it."""
    assert action.number is not None, "asked of a split by number"
    splitter = Splitter.of(graph, feedback, action)
    blocks = _linked(splitter)
    _check_reach(blocks, action, context)
    context.sink.raise_errors()
    allowance = template_allowance(context.spec, graph)
    lowest = max(block.fewest for block in blocks)
    tried = ((number, _clusters(splitter, blocks, number)) for number in range(action.number, lowest - 1, -1))
    bearable = ((number, made) for number, made in tried if fits(graph, made, context.spec, allowance))
    largest, clusters = next(bearable, (None, ()))
    if largest != action.number:
        stated = budget_scalars(context.spec, graph) or 0
        span = action.span or context.spec.train_span
        context.sink.report(SplitNumberOverBudget(span=span, number=action.number, stated=stated, largest=largest))
        context.sink.raise_errors()
    return clusters


def check_numbers(graph: Graph, context: Context) -> None:
    """Report every number in the spec that no feedback could make possible, before anything is trained."""
    training = context.spec.training
    least: dict[int, int] = {}
    for stage in stages(training) if training is not None and graph.clusters else ():
        action = stage.action
        if not isinstance(action, SplitClusters) or action.number is None:
            continue
        blocks = _unmeasured(graph, action, least)
        _check_reach(blocks, action, context)
        # What one split has parted the next one does not join.
        least |= dict.fromkeys((block.share for block in blocks), action.number)


def _unmeasured(graph: Graph, action: SplitClusters, least: dict[int, int]) -> list[BlockLinks]:
    blocks = _linked(Splitter.of(graph, ClusterFeedback(0, ()), action))
    return [evolve(block, fewest=least.get(block.share, len(block.clusters))) for block in blocks]


def _linked(splitter: Splitter) -> list[BlockLinks]:
    ordered = sorted(splitter.clusters, key=lambda cluster: cluster.share)
    return [BlockLinks.of(splitter, tuple(own)) for _, own in groupby(ordered, key=lambda cluster: cluster.share)]


def _clusters(splitter: Splitter, blocks: Iterable[BlockLinks], number: int) -> tuple[Cluster, ...]:
    groups: dict[str, Groups] = {}
    for block in blocks:
        groups |= block.groups(number)
    return splitter.split(groups)


def _check_reach(blocks: Sequence[BlockLinks], action: SplitClusters, context: Context) -> None:
    assert action.number is not None, "asked of a split by number"
    number = action.number
    lowest, highest = max(block.fewest for block in blocks), min(block.most for block in blocks)
    for block in blocks:
        if not block.fewest <= number <= block.most:
            context.sink.report(
                SplitNumberOutOfReach(
                    span=action.span or context.spec.train_span,
                    selector=words(context.spec.shares[block.share].selector),
                    number=number,
                    reach=(block.fewest, block.most),
                    common=(lowest, highest),
                )
            )


def cut_lines(cuts: Sequence[ClusterCut], spec: Spec) -> Iterator[str]:
    """What is to be said of each cut: the similarities on both its sides, with their standard errors."""
    for cut in cuts:
        where = f" of `share {words(spec.shares[cut.share].selector)}`" if len(cuts) > 1 else ""
        yield f"the cut{where} lies {_sides(cut)}"


def _sides(cut: ClusterCut) -> str:
    joined = "" if cut.joined is None else f"{cut.joined.text} (joined last)"
    apart = "" if cut.apart is None else f"{cut.apart.text} (left apart)"
    if joined and apart:
        return f"between {joined} and {apart}"
    if joined:
        return f"below {joined}, and all is joined"
    return f"above {apart}, and nothing is joined" if apart else "where no pair was compared"
