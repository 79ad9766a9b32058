"""The share graph by id, for the views.

Takes a `Graph`, gives an `Index` of it. Guarantees: every tuple is in the graph's own order; what a pass has not made
yet is simply absent.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from attrs import frozen

from swc.compiler.ir.graph import Bank, Cluster, Graph, Layer, Level, Slot
from swc.program.expressions import Expression

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@frozen
class Index:
    """Look-ups over one graph; a level and its bank have one id."""

    graph: Graph
    layers: dict[str, Layer]
    layers_of_member: dict[str, tuple[Layer, ...]]
    cluster_of_layer: dict[str, Cluster]
    levels: dict[str, Level]
    banks: dict[str, Bank]
    slots: dict[str, Slot]
    slots_of_layer: dict[str, tuple[Slot, ...]]
    slots_of_bank: dict[str, tuple[Slot, ...]]
    slots_of_coefficient: dict[str, tuple[Slot, ...]]
    expressions: dict[str, Expression]

    def is_alone(self, cluster: Cluster) -> bool:
        """Whether a cluster holds one layer only, a singleton."""
        return len(cluster.layers) == 1

    @property
    def has_gains(self) -> bool:
        """Whether any slot has a gain other than 1."""
        return any(slot.gain != 1 for slot in self.graph.slots)

    def banks_of_cluster(self, cluster: str) -> tuple[Bank, ...]:
        """The banks of a cluster, level by level."""
        return tuple(self.banks[lv.id] for lv in self.levels.values() if lv.cluster == cluster and lv.id in self.banks)


def index_of(graph: Graph) -> Index:
    """Index a graph by id."""
    by_member = grouped(graph.layers, lambda layer: layer.member)
    return Index(
        graph=graph,
        layers={layer.id: layer for layer in graph.layers},
        layers_of_member={
            m.name: tuple(sorted(by_member.get(m.name, ()), key=lambda layer: layer.index)) for m in graph.members
        },
        cluster_of_layer={layer: cluster for cluster in graph.clusters for layer in cluster.layers},
        levels={level.id: level for level in graph.levels},
        banks={bank.id: bank for bank in graph.banks},
        slots={slot.id: slot for slot in graph.slots},
        slots_of_layer=grouped(graph.slots, lambda slot: slot.layer),
        slots_of_bank=grouped(graph.slots, lambda slot: slot.bank),
        slots_of_coefficient=grouped(graph.slots, lambda slot: slot.coefficient),
        expressions={weight.layer: weight.expression for weight in graph.weights},
    )


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, tuple[T, ...]]:
    """Items by key, both in order of first appearance."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return {name: tuple(group) for name, group in groups.items()}
