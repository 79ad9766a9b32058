"""The policy `low_rank`: one weight for all members, plus a product of two thin matrices of each member's own.

LoRA-Ensemble (Halbheer et al., 2024, arXiv 2405.14438), after LoRA (Hu et al., 2022). The weight of member m is
W + alpha / rank * B_m A_m, with B_m [rows, rank] and A_m [rank, columns]. B begins at zero and A at random, so that
all members begin with W, and part with the first steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from attrs import frozen

from swc.compiler.ir.graph import Graph, Layer, Tensor, Weight
from swc.compiler.passes.policies.policy import Room
from swc.compiler.passes.policies.stored import owner_of_places, place_of, start_of, stored
from swc.diagnostics import Diagnostic
from swc.diagnostics.catalogue.policies import RankSavesNothing, RankTooLarge
from swc.program.expressions import Expression, Product, Stored, Sum, num_scalars
from swc.program.spec import Share

ROWS, COLUMNS = "rows", "columns"


@frozen
class LowRank:
    """A stored weight for each place and shape, and a difference of low rank for each layer.

    `alpha` over `rank` scales the difference; with `frozen` the stored weights stay as they begin.
    """

    name: str = "low_rank"
    composes: bool = True
    has_banks: bool = False
    fills_room: bool = False
    least_dims: int = 2

    def complaints(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Diagnostic, ...]:
        """A rank that no matrix of a layer has; a warning where the difference stores no less than a weight."""
        rank = _rank(share)
        beyond = next((layer for layer in layers if rank > min(matrix_of(layer))), None)
        if beyond is not None:
            return (RankTooLarge(span=share.span, rank=rank, layer=beyond.id, most=min(matrix_of(beyond))),)
        dear = tuple(layer.id for layer in layers if rank * sum(matrix_of(layer)) >= num_scalars(layer.shape))
        return (RankSavesNothing(span=share.span, rank=rank, layers=dear),) if dear else ()

    def tensors(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Tensor, ...]:
        """One weight for each place and shape, then two matrices for each layer."""
        # 4 members of a 64x64x3x3 layer at rank 8: 36,864 + 4 * 8 * (64 + 576) = 57,344 scalars, of 147,456 unshared.
        rate = 0.0 if dict(share.arguments)["frozen"] else 1.0
        owners = owner_of_places(layers).values()
        weights = tuple(stored(owner.id, owner, owner.shape, start=start_of(share), rate=rate) for owner in owners)
        return (*weights, *(matrix for layer in layers for matrix in _matrices(layer, _rank(share))))

    def weights(self, graph: Graph, layers: Sequence[Layer], share: Share) -> tuple[Weight, ...]:
        """The weight of the place, plus the layer's own product."""
        owners = owner_of_places(layers)
        return tuple(Weight(layer.id, _expression(layer, owners[place_of(layer)], share)) for layer in layers)


def matrix_of(layer: Layer) -> tuple[int, int]:
    """The rows and columns of a layer's weight as a matrix.

    Rows are its first axis that has more than one entry, and whatever stands before it: the outputs of most layers.
    """
    # 64x32x3x3 is 64 by 288; positions 1x50x64 are 50 by 64, and a class token 1x1x64 is 64 by 1
    first = next((axis for axis, size in enumerate(layer.shape) if size > 1), 0)
    rows = layer.shape[first]
    return rows, prod(layer.shape) // rows


def _rank(share: Share) -> int:
    return int(dict(share.arguments)["rank"])


def _id(layer: Layer, side: str) -> str:
    return f"{layer.id}/{side}"


def _matrices(layer: Layer, rank: int) -> tuple[Tensor, Tensor]:
    rows, columns = matrix_of(layer)
    return (
        Tensor(_id(layer, ROWS), (rows, rank), 1, "zeros", "fast_weights"),
        Tensor(_id(layer, COLUMNS), (rank, columns), layer.fan_in, "kaiming", "fast_weights"),
    )


def _expression(layer: Layer, owner: Layer, share: Share) -> Expression:
    rank, (rows, columns) = _rank(share), matrix_of(layer)
    left, right = Stored(_id(layer, ROWS), (rows, rank)), Stored(_id(layer, COLUMNS), (rank, columns))
    factor = float(dict(share.arguments)["alpha"]) / rank
    return Sum((Stored(owner.id, layer.shape), Product(left, right, layer.shape, factor)))
