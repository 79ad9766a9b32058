"""What a sharing policy answers: which layers it composes, from what, and how.

A policy sees the layers of one share block. Guarantees asked of it: `weights` gives each of those layers one
expression of the layer's shape, over slots of the graph or tensors that `tensors` named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from swc.compiler.ir.graph import Graph, Layer, Tensor, Weight
from swc.diagnostics import Diagnostic
from swc.program.spec import Share


@frozen
class Room:
    """What the budget leaves to a block: `scalars`; with `pays_coefficients` those of coefficients are paid from it."""

    scalars: int
    pays_coefficients: bool


class Policy(Protocol):
    """How the layers of a share block get their weights."""

    @property
    def name(self) -> str:
        """What a share block calls it after `as`."""
        ...

    @property
    def composes(self) -> bool:
        """Whether its layers are in the graph at all; if not they stay private."""
        ...

    @property
    def has_banks(self) -> bool:
        """Whether its layers get clusters, levels, banks and slots."""
        ...

    @property
    def fills_room(self) -> bool:
        """Whether it stores as much as the budget leaves room for, and not what its layers say."""
        ...

    @property
    def least_dims(self) -> int:
        """The fewest dimensions of a parameter that it composes: 1 with vectors, 2 for weights alone."""
        ...

    def complaints(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Diagnostic, ...]:
        """What the author must mend before these layers can be shared so, and warnings."""
        ...

    def tensors(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Tensor, ...]:
        """The stored tensors it needs; `room` is None under an unlimited budget, and for all that do not fill it."""
        ...

    def weights(self, graph: Graph, layers: Sequence[Layer], share: Share) -> tuple[Weight, ...]:
        """An expression for each of the layers, in their order."""
        ...
