"""The pass that makes the initial clusters.

Takes a graph with layers and stored tensors; gives it with clusters `c0`, `c1`, ... over all share blocks.
Guarantees: one template for each cluster and level fits the budget, or an error is raised; where depth bins had to
be given up for that, a note says so. Source: paper, supplementary sections 1.1 and 3.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import evolve, frozen

from swc.compiler.ir.graph import Cluster, Graph, Layer
from swc.compiler.passes.budget import (
    budget_scalars,
    private_scalars,
    template_allowance,
    template_cost,
    tensor_scalars,
)
from swc.compiler.passes.clustering import LayerGroup, empty_bins, initial_groups
from swc.compiler.passes.context import Context
from swc.compiler.passes.least import least_budget
from swc.compiler.passes.levels import minimum_scalars
from swc.compiler.passes.policies import policy_of
from swc.compiler.passes.select import layers_by_share
from swc.diagnostics.catalogue.clusters import BudgetBelowMinimum
from swc.program.expressions import num_scalars
from swc.program.spec import Share, Spec

_Block = tuple[int, Share, tuple[Layer, ...]]  # number of the share block, the block, its layers


@frozen
class MakeClusters:
    """Cluster every share block's layers as it says, in as many depth bins as fit the budget."""

    name: str = "cluster"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give the graph with clusters; raise where not even one bin fits."""
        blocks = _blocks(graph, context.spec)
        most = _most_bins(blocks)
        allowance = template_allowance(context.spec, graph)
        wanted = clusters_of(blocks, most, context)
        context.sink.raise_errors()
        if not fits(graph, wanted, context.spec, allowance):
            wanted = _fewer_bins(graph, blocks, most, context)
        _warn(blocks, context)
        return evolve(graph, clusters=wanted)


def _blocks(graph: Graph, spec: Spec) -> tuple[_Block, ...]:
    return tuple(
        (number, share, layers)
        for number, (share, layers) in enumerate(layers_by_share(graph, spec))
        if layers and policy_of(share.policy).has_banks
    )


def _most_bins(blocks: Iterable[_Block]) -> int:
    return max((share.clusters.bins for _, share, _ in blocks if share.clusters.kind == "depth"), default=1)


def clusters_of(blocks: Iterable[_Block], most: int, context: Context) -> tuple[Cluster, ...]:
    """The clusters of all blocks with at most `most` depth bins each, numbered throughout."""
    groups = [(number, group) for number, share, layers in blocks for group in _groups(share, layers, most, context)]
    return tuple(
        Cluster(f"c{place}", number, group.label, tuple(layer.id for layer in group.layers))
        for place, (number, group) in enumerate(groups)
    )


def _groups(share: Share, layers: Sequence[Layer], most: int, context: Context) -> tuple[LayerGroup, ...]:
    clusters = evolve(share.clusters, bins=min(most, share.clusters.bins))
    return initial_groups(layers, clusters, context.sink)


def minimum_cost(graph: Graph, clusters: Iterable[Cluster], spec: Spec, blocks: str | None = None) -> int:
    """What one template for each level of these clusters costs in the budget's unit; `blocks` overrides the spec's."""
    layers = {layer.id: layer for layer in graph.layers}
    total = 0
    for cluster in clusters:
        own = [layers[name] for name in cluster.layers]
        size, num_slots = minimum_scalars(own, blocks or spec.shares[cluster.share].blocks)
        total += template_cost(spec, size, num_slots)
    return total


def fits(graph: Graph, clusters: Iterable[Cluster], spec: Spec, allowance: int | None) -> bool:
    """Whether one template for each level fits what the budget leaves for templates."""
    return allowance is None or minimum_cost(graph, clusters, spec) <= allowance


def _fewer_bins(graph: Graph, blocks: Sequence[_Block], most: int, context: Context) -> tuple[Cluster, ...]:
    """The clusters with the greatest number of bins that fits; an error where none does."""
    allowance = template_allowance(context.spec, graph)
    # From the top: the first that fits is the most.
    for bins in range(most - 1, 0, -1):
        clusters = clusters_of(blocks, bins, context)
        if fits(graph, clusters, context.spec, allowance):
            context.notes.append(f"{most} depth bins do not fit the budget: {bins} are used")
            return clusters
    context.sink.report(_too_small(graph, blocks, most, context))
    context.sink.raise_errors()
    raise AssertionError("an error was reported")


def _too_small(graph: Graph, blocks: Sequence[_Block], most: int, context: Context) -> BudgetBelowMinimum:
    spec = context.spec
    tried = [clusters_of(blocks, bins, context) for bins in range(1, most + 1)]
    costs = [minimum_cost(graph, clusters, spec) for clusters in tried]
    # A chain stores again what it cropped before, a grid each cell once: it may fit where no chain does, and the error
    # says so.
    grid = least_budget(graph, min(minimum_cost(graph, clusters, spec, "grid") for clusters in tried), context)
    smallest = least_budget(graph, min(costs), context)
    return BudgetBelowMinimum(
        span=spec.budget.span,
        stated=budget_scalars(spec, graph) or 0,
        smallest=smallest,
        unit="parameters" if spec.budget.kind == "parameters" else "templates",
        grid=grid if grid < smallest else None,
        layers=(*_forcing(graph, tried[costs.index(min(costs))], spec), *_paid_first(graph, spec)),
    )


def _paid_first(graph: Graph, spec: Spec) -> tuple[str, ...]:
    """What the budget pays beside templates: stored tensors, and private parameters where they count."""
    lines: list[str] = []
    if graph.tensors:
        largest = max(graph.tensors, key=lambda tensor: num_scalars(tensor.shape))
        shape = "x".join(map(str, largest.shape))
        lines.append(f"stored tensors need {tensor_scalars(graph):,}, the largest is `{largest.id}` ({shape})")
    if spec.budget.kind == "parameters":
        lines.append(f"private parameters (norms, classifiers and others) need {private_scalars(graph):,}")
    return tuple(lines)


def _forcing(graph: Graph, clusters: Sequence[Cluster], spec: Spec) -> tuple[str, ...]:
    """The clusters with the largest minimum, three at most, each with its largest layer."""
    layers = {layer.id: layer for layer in graph.layers}
    costs = [(minimum_cost(graph, (cluster,), spec), cluster) for cluster in clusters]
    rows: list[str] = []
    for cost, cluster in sorted(costs, key=lambda row: -row[0])[:3]:
        largest = max((layers[name] for name in cluster.layers), key=lambda layer: num_scalars(layer.shape))
        shape = "x".join(map(str, largest.shape))
        rows.append(f"{cluster.label} needs {cost:,}, its largest layer is `{largest.id}` ({shape})")
    return tuple(rows)


def _warn(blocks: Iterable[_Block], context: Context) -> None:
    for _, share, layers in blocks:
        found = empty_bins(layers, share.clusters.bins) if share.clusters.kind == "depth" else ()
        for warning in found:
            context.sink.report(evolve(warning, span=share.clusters.span or share.span))
