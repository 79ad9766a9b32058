"""Clusterings as pure functions: layers of one share block in, groups of layers out.

Guarantees: every layer is in exactly one group; layers of different kernel sizes, and linear layers and convolutions,
are never in one, but for those of `mixed_groups`; the order is settled. Source: paper, supplementary sections 1.1 and
3.7, and the authors' release for the depth bins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import prod

from attrs import frozen

from swc.compiler.ir.graph import Layer
from swc.compiler.passes.globs import matcher
from swc.compiler.passes.members import layers_by_member, reference_member
from swc.diagnostics import Sink
from swc.diagnostics.catalogue.clusters import BinWithoutLayers, EmptyList, ListedTwice, UnlistedLayers
from swc.program.expressions import num_scalars
from swc.program.spec import Clusters


@frozen
class LayerGroup:
    """A cluster to be: its label and its layers, by member then index."""

    label: str
    layers: tuple[Layer, ...]


Kernel = tuple[int, str, tuple[int, ...]]


def kernel_of(layer: Layer) -> Kernel:
    """What layers of one cluster must have in common; sorts smaller kernels first."""
    return prod(layer.shape[2:]), layer.kind, layer.shape[2:]


def kernel_words(layer: Layer) -> str:
    """The kernel as labels say it: `3x3`, `3x3 grouped`, `linear`."""
    kernel = "x".join(map(str, layer.shape[2:]))
    return kernel if layer.kind == "conv" else f"{kernel} {layer.kind}".lstrip()


def by_kernel(layers: Iterable[Layer]) -> tuple[tuple[Layer, ...], ...]:
    """The layers split by kernel, smaller kernels first."""
    found: dict[Kernel, list[Layer]] = {}
    for layer in layers:
        found.setdefault(kernel_of(layer), []).append(layer)
    return tuple(tuple(found[key]) for key in sorted(found))


def initial_groups(layers: Sequence[Layer], clusters: Clusters, sink: Sink) -> tuple[LayerGroup, ...]:
    """The clusters a share block asks for, before any budget."""
    match clusters.kind:
        case "depth":
            return depth_bins(layers, clusters.bins)
        case "one" | "pretraining":
            return tuple(LayerGroup(kernel_words(group[0]), group) for group in by_kernel(layers))
        case "per_layer":
            return per_layer(layers)
        case "by_shape":
            return by_shape(layers)
        case "explicit":
            return explicit(layers, clusters, sink)


def bins_by_kernel(layers: Sequence[Layer], bins: int) -> dict[Kernel, int]:
    """How many bins each kernel gets: its part of `bins`, counted on the largest member, at least one.

    Halves round to the even number.
    """
    # The largest member has 22 layers of 3x3 and 3 of 1x1; 8 bins are 8 * 22 / 25 = 7.04, so 7, and 0.96, so 1.
    members = layers_by_member(layers)
    largest = members[reference_member(members)]
    counts = {kernel_of(group[0]): len(group) for group in by_kernel(largest)}
    kernels = [kernel_of(group[0]) for group in by_kernel(layers)]
    return {kernel: max(1, round(Fraction(bins * counts.get(kernel, 0), len(largest)))) for kernel in kernels}


def depth_bins(layers: Sequence[Layer], bins: int) -> tuple[LayerGroup, ...]:
    """Per kernel, each member's layers cut into consecutive runs; run b of every member is one cluster."""
    num_bins = bins_by_kernel(layers, bins)
    groups: list[LayerGroup] = []
    for alike in by_kernel(layers):
        runs = [_runs(own, num_bins[kernel_of(alike[0])]) for own in layers_by_member(alike).values()]
        joined = [tuple(layer for run in member for layer in run) for member in zip(*runs, strict=True)]
        groups += [
            LayerGroup(f"{kernel_words(alike[0])} bin {number}", found)
            for number, found in enumerate(joined, start=1)
            if found
        ]
    return tuple(groups)


def _runs(layers: Sequence[Layer], count: int) -> list[Sequence[Layer]]:
    """Cut into `count` consecutive runs, the remainder going one each to the first."""
    # Seven layers in three runs: 3, 2, 2.
    size, rest = divmod(len(layers), count)
    edges = [number * size + min(number, rest) for number in range(count + 1)]
    return [layers[start:stop] for start, stop in pairwise(edges)]


def empty_bins(layers: Sequence[Layer], bins: int) -> tuple[BinWithoutLayers, ...]:
    """A warning for each kernel with more bins than any member has layers."""
    num_bins = bins_by_kernel(layers, bins)
    found: list[BinWithoutLayers] = []
    for alike in by_kernel(layers):
        most = max(len(own) for own in layers_by_member(alike).values())
        count = num_bins[kernel_of(alike[0])]
        if count > most:
            found.append(BinWithoutLayers(bins=count, most=most, kernel=kernel_words(alike[0])))
    return tuple(found)


def per_layer(layers: Sequence[Layer]) -> tuple[LayerGroup, ...]:
    """The layers of one path over all members are one cluster; paths in the order of the largest member."""
    members = layers_by_member(layers)
    largest = members[reference_member(members)]
    # Reversed, the largest member last: its first path has the greatest number, then its others, then those it has not.
    paths = {layer.path: number for number, layer in enumerate((*reversed(layers), *reversed(largest)))}
    groups: list[LayerGroup] = []
    for alike in by_kernel(layers):
        found: dict[str, list[Layer]] = {}
        for layer in alike:
            found.setdefault(layer.path, []).append(layer)
        order = sorted(found, key=lambda path: -paths[path])
        groups += [LayerGroup(f"{kernel_words(alike[0])} {path}", tuple(found[path])) for path in order]
    return tuple(groups)


def by_shape(layers: Sequence[Layer]) -> tuple[LayerGroup, ...]:
    """The layers of one shape are one cluster; smaller shapes first."""
    groups: list[LayerGroup] = []
    for alike in by_kernel(layers):
        found: dict[tuple[int, ...], list[Layer]] = {}
        for layer in alike:
            found.setdefault(layer.shape, []).append(layer)
        order = sorted(found, key=lambda shape: (num_scalars(shape), shape))
        groups += [
            LayerGroup(f"{kernel_words(alike[0])} {shape[0]}x{shape[1]}", tuple(found[shape])) for shape in order
        ]
    return tuple(groups)


def explicit(layers: Sequence[Layer], clusters: Clusters, sink: Sink) -> tuple[LayerGroup, ...]:
    """The lists of the spec, each split by kernel where it mixes them; reports what is left out or listed twice."""
    lists = _lists(layers, clusters, sink)
    return tuple(
        LayerGroup(f"{kernel_words(alike[0])} list {number}", alike)
        for number, found in enumerate(lists, start=1)
        for alike in by_kernel(found)
    )


def _lists(layers: Sequence[Layer], clusters: Clusters, sink: Sink) -> list[list[Layer]]:
    lists = [[layer for layer in layers if matches(layer.id)] for matches in map(matcher, clusters.groups)]
    counts: dict[str, int] = {layer.id: 0 for layer in layers}
    for found in lists:
        for layer in found:
            counts[layer.id] += 1
    _report(clusters, counts, lists, sink)
    return lists


def mixed_groups(layers: Sequence[Layer], clusters: Clusters, sink: Sink) -> tuple[LayerGroup, ...]:
    """What a share block asks for where layers of any kernel may be in one group: for banks that serve any shape."""
    match clusters.kind:
        case "depth":
            return _mixed_bins(layers, clusters, sink)
        case "one" | "pretraining":
            return (LayerGroup("all", tuple(layers)),)
        case "per_layer":
            return _alike(layers, lambda layer: layer.path)
        case "by_shape":
            return _alike(layers, lambda layer: "x".join(map(str, layer.shape)))
        case "explicit":
            lists = enumerate(_lists(layers, clusters, sink), start=1)
            # a list that matches nothing was reported, and gets no bank
            return tuple(LayerGroup(f"list {number}", tuple(found)) for number, found in lists if found)


def _mixed_bins(layers: Sequence[Layer], clusters: Clusters, sink: Sink) -> tuple[LayerGroup, ...]:
    members = layers_by_member(layers).values()
    most = max(map(len, members))
    if clusters.bins > most:
        sink.report(BinWithoutLayers(span=clusters.span, bins=clusters.bins, most=most, kernel="all"))
    runs = zip(*(_runs(own, clusters.bins) for own in members), strict=True)
    joined = [tuple(layer for run in member for layer in run) for member in runs]
    return tuple(LayerGroup(f"bin {number}", found) for number, found in enumerate(joined, start=1) if found)


def _alike(layers: Iterable[Layer], label_of: Callable[[Layer], str]) -> tuple[LayerGroup, ...]:
    found: dict[str, list[Layer]] = {}
    for layer in layers:
        found.setdefault(label_of(layer), []).append(layer)
    return tuple(LayerGroup(label, tuple(group)) for label, group in found.items())


def _report(clusters: Clusters, counts: dict[str, int], lists: Sequence[Sequence[Layer]], sink: Sink) -> None:
    missing = tuple(name for name, count in counts.items() if count == 0)
    double = tuple(name for name, count in counts.items() if count > 1)
    if missing:
        sink.report(UnlistedLayers(span=clusters.span, layers=missing))
    if double:
        sink.report(ListedTwice(span=clusters.span, layers=double))
    for number, found in enumerate(lists, start=1):
        if not found:
            sink.report(EmptyList(span=clusters.span, number=number))
