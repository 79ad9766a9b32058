"""The policy `hard`: layers at the same place and of the same shape read one stored tensor."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from swc.compiler.ir.graph import Graph, Layer, Tensor, Weight
from swc.compiler.passes.policies.policy import Room
from swc.compiler.passes.policies.stored import owner_of_places, place_of, start_of, stored
from swc.diagnostics import Diagnostic
from swc.program.expressions import Stored
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
        owners = owner_of_places(layers)
        return tuple(stored(owner.id, owner, owner.shape, start=start_of(share)) for owner in owners.values())

    def weights(self, graph: Graph, layers: Sequence[Layer], share: Share) -> tuple[Weight, ...]:
        """Each layer reads its tensor as it is."""
        owners = owner_of_places(layers)
        return tuple(Weight(layer.id, Stored(owners[place_of(layer)].id, layer.shape)) for layer in layers)
