"""Coefficient ties, seen from the layers: which layers of a cluster share coefficients with which.

Takes an `Index`, gives `TieGroup`s. Guarantees: groups are lettered cluster by cluster in order of their first layer;
a layer whose coefficients are all its own is in no group.
"""

from __future__ import annotations

from attrs import frozen

from swc.show.index import Index


@frozen
class TieGroup:
    """Layers linked by shared coefficients; `num_tied` of their `num_slots` slots share theirs."""

    cluster: str
    letter: str
    layers: tuple[str, ...]
    num_tied: int
    num_slots: int
    num_coefficients: int


def tie_groups(index: Index) -> tuple[TieGroup, ...]:
    """The tie groups of a graph, cluster by cluster."""
    return tuple(
        _group(index, cluster.id, letter_of(number), layers)
        for cluster in index.graph.clusters
        for number, layers in enumerate(_linked(index, cluster.layers))
    )


def tie_letters(index: Index) -> dict[str, str]:
    """The letter of each tied layer, by layer id."""
    return {layer: group.letter for group in tie_groups(index) for layer in group.layers}


def is_tied_throughout(index: Index) -> bool:
    """Whether each cluster of several layers is one group in which every slot is tied, as in a search."""
    groups = {group.layers: group for group in tie_groups(index)}
    large = [cluster.layers for cluster in index.graph.clusters if len(cluster.layers) > 1]
    found = [groups[layers] for layers in large if layers in groups]
    return bool(large) and len(found) == len(large) and all(_is_by_level(index, group) for group in found)


def _is_by_level(index: Index, group: TieGroup) -> bool:
    return group.num_coefficients == len(index.banks_of_cluster(group.cluster))


def letter_of(number: int) -> str:
    """0 is a, 25 is z, 26 is aa: the columns of a spreadsheet in lower case."""
    head, tail = divmod(number, 26)
    return (letter_of(head - 1) if head else "") + chr(ord("a") + tail)


def _group(index: Index, cluster: str, letter: str, layers: tuple[str, ...]) -> TieGroup:
    slots = [slot for layer in layers for slot in index.slots_of_layer.get(layer, ())]
    tied = [slot for slot in slots if len(index.slots_of_coefficient[slot.coefficient]) > 1]
    return TieGroup(cluster, letter, layers, len(tied), len(slots), len({slot.coefficient for slot in slots}))


def _linked(index: Index, layers: tuple[str, ...]) -> list[tuple[str, ...]]:
    root = {layer: layer for layer in layers}
    for layer in layers:
        for partner in _partners(index, layer):
            _join(root, layer, partner)
    found: dict[str, list[str]] = {}
    for layer in layers:
        found.setdefault(_find(root, layer), []).append(layer)
    return [tuple(group) for group in found.values() if len(group) > 1]


def _partners(index: Index, layer: str) -> list[str]:
    slots = index.slots_of_layer.get(layer, ())
    return [other.layer for slot in slots for other in index.slots_of_coefficient[slot.coefficient][:1]]


def _join(root: dict[str, str], one: str, other: str) -> None:
    root[_find(root, one)] = _find(root, other)


def _find(root: dict[str, str], layer: str) -> str:
    while root[layer] != layer:
        layer = root[layer]
    return layer
