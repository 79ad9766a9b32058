"""The policy `none`: the selected parameters stay private, and are listed as such.

With `start: alike` those of one path and shape begin with the values of the first member, as the biases of TabM do
(Gorishniy et al., 2025), and part as they are trained.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from swc.compiler.ir.graph import Graph, Layer, Tensor, Weight
from swc.compiler.passes.policies.policy import Room
from swc.diagnostics import Diagnostic
from swc.program.spec import Share


@frozen
class Nothing:
    """Share nothing."""

    name: str = "none"
    # `select` leaves the layers of such a block out of the graph: they are private, and no later pass sees them
    composes: bool = False
    has_banks: bool = False
    fills_room: bool = False
    least_dims: int = 1

    def complaints(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Diagnostic, ...]:
        """None."""
        return ()

    def tensors(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Tensor, ...]:
        """No tensors: there are no layers to compose."""
        assert not layers, "layers of the policy `none` are private"
        return ()

    def weights(self, graph: Graph, layers: Sequence[Layer], share: Share) -> tuple[Weight, ...]:
        """No weights: there are no layers to compose."""
        assert not layers, "layers of the policy `none` are private"
        return ()
