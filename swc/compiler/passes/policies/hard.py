"""The policy `hard`: layers at the same place and of the same shape read one stored tensor."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from swc.compiler.ir.graph import Graph, Layer, Tensor, Weight
from swc.compiler.passes.policies.policy import Room
from swc.compiler.passes.policies.stored import stored
from swc.diagnostics import Diagnostic
from swc.program.expressions import Shape, Stored
from swc.program.spec import Share


@frozen
class Hard:
    """Hard sharing across members; a tensor is named after the first layer that reads it."""

    name: str = "hard"
    composes: bool = True
    has_banks: bool = False
    fills_room: bool = False
    least_dims: int = 1

    def complaints(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Diagnostic, ...]:
        """None."""
        return ()

    def tensors(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Tensor, ...]:
        """One tensor for each path and shape, with the layers' own fan-in."""
        owners = _owners(layers)
        return tuple(stored(owner.id, owner, owner.shape) for owner in owners.values())

    def weights(self, graph: Graph, layers: Sequence[Layer], share: Share) -> tuple[Weight, ...]:
        """Each layer reads its tensor as it is."""
        owners = _owners(layers)
        return tuple(Weight(layer.id, Stored(owners[_place(layer)].id, layer.shape)) for layer in layers)


def _place(layer: Layer) -> tuple[str, Shape]:
    return layer.path, layer.shape


def _owners(layers: Sequence[Layer]) -> dict[tuple[str, Shape], Layer]:
    owners: dict[tuple[str, Shape], Layer] = {}
    for layer in layers:
        # Layers come member by member, so the owner is the first member with this path and shape.
        owners.setdefault(_place(layer), layer)
    return owners
