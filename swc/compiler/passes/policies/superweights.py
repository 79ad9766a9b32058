"""The policy `superweights`: weights are joined from the SuperWeights of the layer's slots, level by level."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from swc.compiler.ir.graph import Graph, Layer, Tensor, Weight
from swc.compiler.passes.blocks import EXPRESSIONS, SlotBlocks
from swc.compiler.passes.policies.policy import Room
from swc.diagnostics import Diagnostic
from swc.program.spec import Share


@frozen
class SuperWeights:
    """Weights made of shared templates (paper, section 2.1)."""

    name: str = "superweights"
    composes: bool = True
    has_banks: bool = True
    fills_room: bool = False
    least_dims: int = 2

    def complaints(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Diagnostic, ...]:
        """None."""
        return ()

    def tensors(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Tensor, ...]:
        """None: all that is stored is in banks."""
        return ()

    def weights(self, graph: Graph, layers: Sequence[Layer], share: Share) -> tuple[Weight, ...]:
        """Concatenate the blocks of the levels each layer uses."""
        blocks, express = _blocks_by_layer(graph), EXPRESSIONS[share.blocks]
        return tuple(Weight(layer.id, express(blocks[layer.id])) for layer in layers)


def _blocks_by_layer(graph: Graph) -> dict[str, list[SlotBlocks]]:
    levels = {level.id: level for level in graph.levels}
    blocks: dict[str, list[tuple[int, SlotBlocks]]] = {}
    for slot in graph.slots:
        level = levels[slot.bank]
        blocks.setdefault(slot.layer, []).append((level.index, SlotBlocks(slot.id, level.pieces, level.keep)))
    # Slots stand bank by bank over all clusters; within a layer the chain needs them from the innermost level out.
    return {layer: [block for _, block in sorted(found, key=lambda row: row[0])] for layer, found in blocks.items()}
