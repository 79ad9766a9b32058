"""The pass that splits clusters whose layers' gradients disagree.

Takes a graph with initial clusters, and cluster feedback; gives it with the clusters that training asked for.
Guarantees: one template for each level still fits the budget, for which a threshold is lowered in steps of 0.05 where
it must be, with a note; a number of clusters is kept to or refused, and refused before any training where that can be
known. Source: paper, supplementary section 2 (Algorithm 1) and 3.5; authors' release for lowering the threshold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from attrs import evolve, frozen

from swc.compiler.ir.graph import Cluster, Graph
from swc.compiler.passes.budget import budget_scalars, template_allowance
from swc.compiler.passes.cluster import fits, minimum_cost
from swc.compiler.passes.context import Context
from swc.compiler.passes.grouping import sizes_over_threshold
from swc.compiler.passes.least import least_budget
from swc.compiler.passes.revisions import splits
from swc.compiler.passes.split_number import check_numbers, cut_lines, cuts_of, split_into
from swc.compiler.passes.splitter import Splitter
from swc.diagnostics import Span
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


@frozen
class SplitByFeedback:
    """Apply cluster feedback, one piece after the other."""

    name: str = "split"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give the graph with new clusters; raise where no threshold, or not that number, fits the budget."""
        check_numbers(graph, context)
        context.sink.raise_errors()
        for feedback, action in splits(context) if graph.clusters else ():
            split = _by_number if action.threshold is None else _by_threshold
            graph = evolve(graph, clusters=split(graph, feedback, action, context))
        return graph


def _by_number(graph: Graph, feedback: ClusterFeedback, action: SplitClusters, context: Context) -> tuple[Cluster, ...]:
    clusters = split_into(graph, feedback, action, context)
    _report(graph.clusters, clusters, feedback, _Extent(number=action.number, span=action.span), context)
    lines = cut_lines(cuts_of(graph, feedback, action), context.spec)
    summary = f"split clusters {action.extent}: {len(graph.clusters)} became {len(clusters)}"
    context.notes.append("; ".join((summary, *lines)) + unknown_errors(feedback.similarities))
    return clusters


def _by_threshold(
    graph: Graph, feedback: ClusterFeedback, action: SplitClusters, context: Context
) -> tuple[Cluster, ...]:
    assert action.threshold is not None, "asked of a split by threshold"
    clusters, threshold = _affordable(graph, feedback, action, action.threshold, context)
    extent = _Extent(threshold=threshold, asked=action.threshold, span=action.span)
    _report(graph.clusters, clusters, feedback, extent, context)
    line = f"split clusters below {threshold:g}: {len(graph.clusters)} became {len(clusters)}"
    if threshold != action.threshold:
        line += f"; at {action.threshold:g} they would not fit the budget"
    context.notes.append(line + unknown_errors(feedback.similarities))
    return clusters


def _affordable(
    graph: Graph, feedback: ClusterFeedback, action: SplitClusters, start: float, context: Context
) -> tuple[tuple[Cluster, ...], float]:
    """The clusters at the highest threshold from `start` down that fits the budget, and that threshold."""
    allowance = template_allowance(context.spec, graph)
    splitter = Splitter.of(graph, feedback, action)
    clusters = graph.clusters
    for threshold in _thresholds(start):
        clusters = splitter.below(threshold)
        if fits(graph, clusters, context.spec, allowance):
            return clusters, threshold
    smallest = least_budget(graph, minimum_cost(graph, clusters, context.spec), context)
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


def size_lines(similarities: Sequence[Similarity], thresholds: Sequence[float] = RANGE) -> tuple[str, ...]:
    """A line for each threshold: how many clusters Algorithm 1 makes of the measured layers, and how large."""
    return tuple(
        f"above {threshold:g}: {len(sizes)} clusters, the largest of {sizes[0]}, {sizes.count(1)} of one layer"
        for threshold, sizes in sizes_over_threshold(similarities, thresholds)
        if sizes
    )


@frozen
class _Extent:
    """How far clusters were split: below a threshold, which may be lower than the one asked for, or by number."""

    threshold: float | None = None
    asked: float | None = None
    number: int | None = None
    span: Span | None = None


def _report(
    old: Sequence[Cluster], new: Sequence[Cluster], feedback: ClusterFeedback, extent: _Extent, context: Context
) -> None:
    span = extent.span or context.spec.train_span  # files of earlier versions keep no place of a split
    num_layers = sum(len(cluster.layers) for cluster in old)
    before = {cluster.layers for cluster in old}
    alone = sum(1 for cluster in new if len(cluster.layers) == 1 and cluster.layers not in before)
    is_scattered, is_whole = 2 * alone > num_layers, len(new) == len(old) and num_layers > len(old)
    sizes = size_lines(feedback.similarities) if is_scattered or is_whole else ()
    threshold, number = extent.threshold, extent.number
    if feedback.silent:
        context.sink.report(SilentLayers(span=span, layers=feedback.silent))
    if is_scattered:
        context.sink.report(
            MostlySingletons(
                span=span, num_alone=alone, num_layers=num_layers, threshold=threshold, number=number, sizes=sizes
            )
        )
    if is_whole:
        context.sink.report(
            NothingSplit(span=span, threshold=threshold, asked=extent.asked, number=number, sizes=sizes)
        )
