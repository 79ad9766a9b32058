"""What the passes must know of members: which is the largest, which have the same depth, who is whose partner.

Takes a graph with layers; gives members by name and layers by id. Guarantees: decided on the layers alone, never on
the names of families, and ties go to the member declared first.
Source: authors' release for the reference member and the partners; see docs/explanation/method.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from math import prod

from swc.compiler.ir.graph import Graph, Layer
from swc.program.expressions import num_scalars
from swc.program.feedback import Similarity

ByMember = dict[str, tuple[Layer, ...]]


def layers_by_member(layers: Iterable[Layer]) -> ByMember:
    """The layers of each member that has any, in the order of the members."""
    return {member: tuple(found) for member, found in groupby(layers, key=lambda layer: layer.member)}


def member_scalars(layers: Iterable[Layer]) -> int:
    """The scalars a member's layers would own unshared."""
    return sum(num_scalars(layer.shape) for layer in layers)


def reference_member(members: ByMember) -> str:
    """The largest member: most layers, then most scalars, then declared first. There must be one with a layer."""
    return max(members, key=lambda name: (len(members[name]), member_scalars(members[name])))


def is_main(layer: Layer) -> bool:
    """Whether a layer makes a network deeper.

    Not so 1x1 convolutions, which are shortcuts and reductions, embeddings and parameters of no layer.
    """
    if layer.kind in ("embedding", "parameter"):
        return False
    return layer.kind == "linear" or prod(layer.shape[2:]) > 1


def widest_of_depth(members: ByMember) -> dict[str, str]:
    """For each member the widest (most scalars) member of its depth.

    Two members have one depth if they have equally many main layers and the paths of one are a subset of the
    other's: so a WRN-28-1, which needs no shortcut in its first stage, has the depth of a WRN-28-10.
    """
    scalars = {name: member_scalars(layers) for name, layers in members.items()}
    paths = {name: frozenset(layer.path for layer in layers) for name, layers in members.items()}
    main = {name: sum(map(is_main, layers)) for name, layers in members.items()}
    heads: dict[int, list[str]] = {}
    widest: dict[str, str] = {}
    # From the widest down (stable: equals as declared), so that the first of each depth is its widest.
    for name in sorted(members, key=lambda name: -scalars[name]):
        alike = heads.setdefault(main[name], [])
        head = next((one for one in alike if paths[name] <= paths[one] or paths[one] <= paths[name]), name)
        if head == name:
            alike.append(name)
        widest[name] = head
    return widest


def most_similar(
    similarities: Iterable[Similarity], layers: Mapping[str, Layer], candidates: frozenset[str]
) -> dict[str, str]:
    """For each layer the most similar of the `candidates`, over the measured pairs; equal ones: the earlier pair."""
    best: dict[str, tuple[float, str]] = {}
    for pair in similarities:
        for name, other in ((pair.first, pair.second), (pair.second, pair.first)):
            known = name in layers and other in candidates
            if known and (name not in best or pair.value > best[name][0]):
                best[name] = (pair.value, other)
    return {name: other for name, (_, other) in best.items()}


def partners(graph: Graph, similarities: Iterable[Similarity]) -> dict[str, str]:
    """For each layer the one whose coefficients it starts from; a layer may be its own partner.

    It is the layer of the same path in the widest member of the same depth; for a layer of that widest member the
    most similar layer of the reference member, where a split measured one.
    """
    if not graph.layers:
        return {}
    # WRN-28-7, WRN-28-4 and WRN-16-4: the layers of 28-4 start from those of 28-7 at their paths. 28-7 is the reference
    # and its own partner; a layer of 16-4, alone at its depth, takes the most similar of 28-7, or itself before any
    # split.
    members = layers_by_member(graph.layers)
    widest, reference = widest_of_depth(members), reference_member(members)
    layers = {layer.id: layer for layer in graph.layers}
    alike = most_similar(similarities, layers, frozenset(layer.id for layer in members[reference]))
    places = {(layer.member, layer.path): layer.id for layer in graph.layers}
    found: dict[str, str] = {}
    for layer in graph.layers:
        head = widest[layer.member]
        beside = layer.id if head == layer.member else places.get((head, layer.path), layer.id)
        is_own = beside == layer.id and layer.member != reference
        found[layer.id] = alike.get(layer.id, layer.id) if is_own else beside
    return found
