"""The policy `rank_one`: one weight for all members, times an outer product of two vectors of each member's own.

BatchEnsemble (Wen, Tran and Ba, 2020); paper, section 4. The vectors, its fast weights, start as random signs, or as
the block says: TabM (Gorishniy et al., 2025) lets all but the first start as ones, and its small form has no others.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from attrs import frozen

from swc.compiler.ir.graph import Graph, Layer, Tensor, Weight
from swc.compiler.passes.policies.policy import Room
from swc.compiler.passes.policies.stored import start_of, stored
from swc.diagnostics import Diagnostic
from swc.diagnostics.catalogue.policies import UnlikeMembers
from swc.program.expressions import Expression, Scale, Shape, Stored
from swc.program.program import Start
from swc.program.spec import Share

OUTPUTS, INPUTS = "outputs", "inputs"
INPUTS_FIRST = ("transposed", "embedding")  # kinds of layers whose weights have them on their first axis


@frozen
class RankOne:
    """Rank-one modulations of one stored weight; `rate` scales the vectors' learning rate."""

    name: str = "rank_one"
    composes: bool = True
    has_banks: bool = False
    fills_room: bool = False
    least_dims: int = 2

    def complaints(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Diagnostic, ...]:
        """All members must have the same layers of the same shapes."""
        found = _first_difference(layers)
        if found is None:
            return ()
        layer, first, other = found
        return (UnlikeMembers(span=share.span, policy=self.name, layer=layer, found=first, other=other),)

    def tensors(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Tensor, ...]:
        """One weight for each path, then the vectors of each layer, two where the block leaves none out."""
        # Member m computes W * outer(r_m, s_m), r_m of its outputs, s_m of its inputs: one W and two vectors for each
        # member, so 4 members of a 64x64x3x3 layer store 36,864 + 4 * 128 scalars.
        owners = _owners(layers)
        weights = tuple(stored(owner.id, owner, owner.shape, start=start_of(share)) for owner in owners.values())
        return (*weights, *(vector for layer in layers for vector in _vectors(layer, share)))

    def weights(self, graph: Graph, layers: Sequence[Layer], share: Share) -> tuple[Weight, ...]:
        """The weight of the place, scaled by the layer's vectors."""
        owners = _owners(layers)
        return tuple(Weight(layer.id, _scaled(owners[layer.path], layer, share)) for layer in layers)


def _owners(layers: Sequence[Layer]) -> dict[str, Layer]:
    owners: dict[str, Layer] = {}
    for layer in layers:
        owners.setdefault(layer.path, layer)
    return owners


def _id(layer: Layer, side: str) -> str:
    return f"{layer.id}/{side}"


def _starts(share: Share) -> dict[str, Start]:
    """By side how its vectors begin; a side that the block leaves without vectors is not there."""
    given = dict(share.arguments)
    starts: dict[str, Any] = {side: given.get(side, "signs") for side in (OUTPUTS, INPUTS)}
    return {side: start for side, start in starts.items() if start != "none"}


def _vectors(layer: Layer, share: Share) -> tuple[Tensor, ...]:
    rate, sizes = float(dict(share.arguments)["rate"]), dict(zip(_sides(layer), layer.shape, strict=False))
    return tuple(
        Tensor(_id(layer, side), (sizes[side],), 1, start, "fast_weights", rate)
        for side, start in _starts(share).items()
    )


def _scaled(owner: Layer, layer: Layer, share: Share) -> Expression:
    whole, sides = Stored(owner.id, layer.shape), _starts(share)
    first, second = (_id(layer, side) if side in sides else "" for side in _sides(layer))
    return Scale(whole, first, second) if sides else whole


def _sides(layer: Layer) -> tuple[str, str]:
    """What the first two axes of a layer's weight stand for."""
    return (INPUTS, OUTPUTS) if layer.kind in INPUTS_FIRST else (OUTPUTS, INPUTS)


def _first_difference(layers: Sequence[Layer]) -> tuple[str, str, str] | None:
    """The first layer that the first member has otherwise, and both findings in words."""
    members = [(name, {one.path: one for one in own}) for name, own in groupby(layers, key=lambda one: one.member)]
    first, expected = members[0] if members else ("", {})
    for name, own in members[1:]:
        for path in (*own, *expected):
            mine, theirs = own.get(path), expected.get(path)
            if mine is None or theirs is None or mine.shape != theirs.shape:
                return (mine or theirs or layers[0]).id, f"{_text(mine)} in `{name}`", f"{_text(theirs)} in `{first}`"
    return None


def _text(layer: Layer | None) -> str:
    return "is missing" if layer is None else f"is {_dims(layer.shape)}"


def _dims(shape: Shape) -> str:
    return "x".join(map(str, shape))
