"""The policy `slices`: a layer is the leading part of the largest at its place.

Slimmable networks (Yu et al., 2019); paper, section 4. Layers at one path, of one kind and with one kernel, share a
tensor that is as large as the largest of them on every axis; each reads its first outputs and inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from swc.compiler.ir.graph import Graph, Layer, LayerKind, Tensor, Weight
from swc.compiler.passes.policies.policy import Room
from swc.compiler.passes.policies.stored import stored
from swc.diagnostics import Diagnostic
from swc.program.expressions import Expression, Shape, Slice, Stored
from swc.program.spec import Share

_Place = tuple[str, LayerKind, int, Shape]  # path, what it is, how many axes, and the kernel


@frozen
class Slices:
    """Widths share their first channels."""

    name: str = "slices"
    composes: bool = True
    has_banks: bool = False
    fills_room: bool = False
    least_dims: int = 1

    def complaints(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Diagnostic, ...]:
        """None: what differs in path or kernel shares nothing."""
        return ()

    def tensors(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Tensor, ...]:
        """One tensor for each place, as large as its largest layer."""
        return tuple(
            stored(own[0].id, own[0], _largest(own), max(layer.fan_in for layer in own))
            for own in _places(layers).values()
        )

    def weights(self, graph: Graph, layers: Sequence[Layer], share: Share) -> tuple[Weight, ...]:
        """The leading part of the place's tensor."""
        places = _places(layers)
        return tuple(Weight(layer.id, _part(places[_place(layer)], layer.shape)) for layer in layers)


def _place(layer: Layer) -> _Place:
    return layer.path, layer.kind, len(layer.shape), layer.shape[2:]


def _places(layers: Sequence[Layer]) -> dict[_Place, list[Layer]]:
    places: dict[_Place, list[Layer]] = {}
    for layer in layers:
        places.setdefault(_place(layer), []).append(layer)
    return places


def _largest(layers: Sequence[Layer]) -> Shape:
    # 16x48 and 64x32 share 64x48: larger than either, since each may be the largest on one axis.
    return tuple(max(sizes) for sizes in zip(*(layer.shape for layer in layers), strict=True))


def _part(place: Sequence[Layer], shape: Shape) -> Expression:
    whole = Stored(place[0].id, _largest(place))
    return whole if shape == whole.shape else Slice(whole, shape)
