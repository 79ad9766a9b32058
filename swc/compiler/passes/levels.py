"""The pass that cuts clusters into levels, and makes their banks and slots.

Takes a graph with clusters; gives it with levels, banks of one template each, coefficients (one a slot, not tied
yet) and slots. Guarantees: slots stand bank by bank, inside a bank in the order of the layers; a bank's id is its
level's. Source: authors' release (`chain`); `grid` is this project's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt

from attrs import evolve, field, frozen

from swc.compiler.ir.graph import Bank, Cluster, Coefficient, Graph, Layer, Level, Slot
from swc.compiler.passes.blocks import BLOCKS
from swc.compiler.passes.context import Context
from swc.diagnostics.catalogue.clusters import TooManyShapes
from swc.program.spec import Share

MOST_SHAPES = 128  # of a chain: its expressions nest as deep, and are read by recursion


@frozen
class CutLevels:
    """Cut every cluster by the `blocks` of its share block."""

    name: str = "levels"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give levels, banks, coefficients and slots."""
        layers = {layer.id: layer for layer in graph.layers}
        parts = _Parts()
        for cluster in graph.clusters:
            share, own = context.spec.shares[cluster.share], [layers[name] for name in cluster.layers]
            shapes = len({layer.shape for layer in own})
            if share.blocks == "chain" and shapes > MOST_SHAPES:
                found = TooManyShapes(span=share.span, label=cluster.label, shapes=shapes, most=MOST_SHAPES)
                context.sink.report(found)
                continue
            _add_cluster(parts, cluster, own, share)
        context.sink.raise_errors()
        return evolve(
            graph,
            levels=tuple(parts.levels),
            banks=tuple(parts.banks),
            slots=tuple(parts.slots),
            coefficients=tuple(Coefficient(slot.coefficient, slot.bank) for slot in parts.slots),
        )


def minimum_scalars(layers: Iterable[Layer], blocks: str) -> tuple[int, int]:
    """The least a cluster of these layers can cost: the scalars of one template a level, and its number of slots."""
    # Two layers of 16x16x3x3 and one of 32x16x3x3: templates of 2,304 and 2,304 scalars, and 2 + 2 = 4 slots.
    shapes = [layer.shape for layer in layers]
    plan = BLOCKS[blocks](shapes)
    uses = plan.levels_by_shape()
    return plan.minimum, sum(len(uses[shape]) for shape in shapes)


@frozen
class _Parts:
    levels: list[Level] = field(factory=list)
    banks: list[Bank] = field(factory=list)
    slots: list[Slot] = field(factory=list)


def _add_cluster(parts: _Parts, cluster: Cluster, layers: Sequence[Layer], share: Share) -> None:
    plan = BLOCKS[share.blocks](layer.shape for layer in layers)
    uses = plan.levels_by_shape()
    users: list[list[Layer]] = [[] for _ in plan.cuts]
    for layer in layers:
        for number in uses[layer.shape]:
            users[number].append(layer)
    # The fan-in is that of the largest layer that reads the level, so that no layer starts with too large a weight.
    for number, cut in enumerate(plan.cuts):
        bank = f"{cluster.id}.{number}"
        parts.levels.append(Level(bank, cluster.id, number, cut.pieces, cut.keep))
        fan_in = max(layer.fan_in for layer in users[number])
        parts.banks.append(Bank(bank, cut.size, 1, fan_in))
        gains = [gain_for(fan_in, layer) if share.initialisation == "gains" else 1.0 for layer in users[number]]
        parts.slots.extend(_slot(layer, number, bank, gain) for layer, gain in zip(users[number], gains, strict=True))


def _slot(layer: Layer, number: int, bank: str, gain: float) -> Slot:
    name = f"{layer.id}#{number}"
    return Slot(name, layer.id, bank, name, gain)


def gain_for(fan_in: int, layer: Layer) -> float:
    """What brings the deviation of a bank of that fan-in, sqrt(2 / fan-in), to the layer's own (He et al., 2015)."""
    return sqrt(fan_in / layer.fan_in)
