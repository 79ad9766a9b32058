"""Composition: every composed weight of an ensemble from its templates, by one matrix product per bank.

Takes a plan, the templates and the coefficient tables; gives the plan's outputs. Guarantees: a bank's product always
has one row per slot, tied or not, so that untying coefficients changes no bit; a layer of one whole block is a view of
its row; backward takes one pair of products per bank.

Tensor names: S slots of a bank, K its templates, N its coefficient vectors, T scalars of a template.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from attrs import frozen
from swc.program.expressions import Shape
from torch import Tensor
from torch.autograd.function import once_differentiable

from swc_runtime.weights.layout import lies_plainly
from swc_runtime.weights.plan import BankRows, Block, CompositionPlan, Output


def block_view(row_T: Tensor, offset: int, shape: Shape) -> Tensor:
    """Read a block out of a SuperWeight, without a copy.

    Its scalars lie channels-last (outputs, kernel..., inputs); the view has torch's order of axes, and plain strides
    where the layout is the same and torch must not take it for channels-last.
    """
    # A block of 16x8x3x3 at offset 0 is the first 1,152 scalars, laid as [16, 3, 3, 8]; the last axis then moves to
    # place 1. That is how torch lays a channels-last weight, so a convolution reads it without a copy.
    flat = row_T[offset : offset + prod(shape)]
    if len(shape) == 1 or lies_plainly(shape):
        return flat.view(shape)
    return flat.view(shape[0], *shape[2:], shape[1]).movedim(-1, 1)


def place_blocks(rows: Sequence[Tensor], output: Output) -> Tensor:
    """One output from the banks' rows: a view where it can be, else assembled channels-last."""
    if output.is_view:
        return whole_view(rows, output)
    made = empty_output(output, rows[output.blocks[0].bank])
    for block in output.blocks:
        # 48x32 of a chain: 48x16 seen of level 0's 64x16 at (0, 0), and level 1's 48x16 at (0, 16).
        made[standing(block)].copy_(visible(rows[block.bank], block))
    return made


def whole_view(rows: Sequence[Tensor], output: Output) -> Tensor:
    """An output that is a view, in the banks' rows."""
    block = output.blocks[0]
    return block_view(rows[block.bank][block.row], block.offset, block.shape)


def empty_output(output: Output, like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Memory for an output that is assembled, channels-last, in `dtype` (None: that of `like`)."""
    shape = output.shape
    if lies_plainly(shape):
        return like.new_empty(shape, dtype=dtype)
    return like.new_empty((shape[0], *shape[2:], shape[1]), dtype=dtype).movedim(-1, 1)


def visible(rows_ST: Tensor, block: Block) -> Tensor:
    """What is visible of a block, as a view of its bank's rows."""
    whole = block_view(rows_ST[block.row], block.offset, block.shape)
    return whole[tuple(slice(size) for size in block.visible)]


def standing(block: Block) -> tuple[slice, ...]:
    """Where a block stands in its output."""
    return tuple(slice(start, start + size) for start, size in zip(block.origin, block.visible, strict=True))


def gather_rows(plan: CompositionPlan, gradients: Sequence[Tensor | None], like: Tensor) -> list[Tensor]:
    """The transpose of placing: per bank the gradient of its rows [S, T], zero where nothing is visible.

    `gradients` are those of the plan's outputs (None: zero); `like` gives device and dtype.
    """
    return [gather_bank(plan, number, gradients, like) for number in range(len(plan.banks))]


def gather_bank(plan: CompositionPlan, number: int, gradients: Sequence[Tensor | None], like: Tensor) -> Tensor:
    """`gather_rows` for one bank."""
    bank = plan.banks[number]
    rows_ST = like.new_empty((len(bank.slots), bank.size))
    fill_rows(plan, number, gradients, rows_ST)
    return rows_ST


def fill_rows(plan: CompositionPlan, number: int, gradients: Sequence[Tensor | None], rows_ST: Tensor) -> None:
    """`gather_rows` for one bank, into given rows; a gradient that is already where it belongs stays there."""
    loose = plan.loose[number]
    # Rows whose every scalar is seen exactly once are written whole below; the others are summed into, from zero.
    for row in loose:
        rows_ST[row].zero_()
    for output, block in plan.places[number]:
        gradient = gradients[output]
        part = None if gradient is None else gradient[standing(block)]
        put_gradient(visible(rows_ST, block), part, is_loose=block.row in loose)


def put_gradient(there: Tensor, part: Tensor | None, is_loose: bool) -> None:
    """Bring a block's part of an output's gradient (None: zero) to its row; rows that are loose are summed into."""
    if is_loose:
        if part is not None:
            there.add_(part)
    elif part is None:
        there.zero_()
    elif part.data_ptr() != there.data_ptr():
        there.copy_(part)


@frozen(eq=False)
class StoredBanks:
    """What weights are composed from: per bank indices [S] into its table [N, K], templates [K, T], gains [S] or none.

    Banks whose slots all have gain 1 have None; no `gains` at all says so of every bank.
    """

    indices: tuple[Tensor, ...]
    templates: tuple[Tensor, ...]
    tables: tuple[Tensor, ...]
    gains: tuple[Tensor | None, ...] = ()

    def by_bank(self) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor | None], ...]:
        """Indices, templates, table and gains of each bank."""
        gains = self.gains or (None,) * len(self.templates)
        return tuple(zip(self.indices, self.templates, self.tables, gains, strict=True))


def gains_of(bank: BankRows, device: torch.device | None = None) -> Tensor | None:
    """The gains [S] of a bank's slots, in float64; None where all are 1."""
    return torch.tensor(bank.gains, dtype=torch.float64, device=device) if bank.gains else None


def gathered(index_S: Tensor, table_NK: Tensor, gains_S: Tensor | None) -> Tensor:
    """The coefficients [S, K] that a bank's product takes: those of each slot, times its gain."""
    rows_SK = table_NK.index_select(0, index_S)
    return rows_SK if gains_S is None else amplified(rows_SK, gains_S)


def amplified(rows: Tensor, gains_S: Tensor | None) -> Tensor:
    """Rows [S, ...], each times the gain of its slot; themselves where all gains are 1."""
    return rows if gains_S is None else rows * gains_S.to(rows)[:, None]


class Compose(torch.autograd.Function):
    """All composed weights of an ensemble, as one function of its templates and coefficient tables.

    `Compose.apply(plan, dtype, gains, *indices, *templates, *tables)` gives the outputs of `plan`, in `dtype` (None:
    that of the templates); per bank, `indices` [S] point into the table [N, K], templates are [K, T]. Products are
    taken in the templates' dtype, and autocast does not reach inside. Memory beside what is given: one bank's rows at a
    time. `gains` are those of `StoredBanks`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        plan: CompositionPlan,
        dtype: torch.dtype | None,
        gains: tuple[Tensor | None, ...],
        *tensors: Tensor,
    ) -> tuple[Tensor, ...]:
        """rows [S, T] = (gains table[index]) [S, K] @ templates [K, T] per bank, then placed."""
        # `tensors` are all indices, then all templates, then all tables: autograd takes them flat.
        stored = _stored(tensors, gains)
        ctx.plan, ctx.gains = plan, gains
        # An output that nobody used then has no gradient, instead of zeros as large as itself.
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        with torch.autocast(device_type=tensors[0].device.type, enabled=False):
            rows = [(gathered(i, t, g) @ w).to(dtype or w.dtype) for i, w, t, g in stored.by_bank()]
            return tuple(place_blocks(rows, output) for output in plan.outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """d templates = A^T dRows; d table = the sum over its slots of dRows templates^T."""
        plan: CompositionPlan = ctx.plan
        stored = _stored(ctx.saved_tensors, ctx.gains)
        like = stored.templates[0]
        with torch.autocast(device_type=like.device.type, enabled=False):
            pairs = [
                pull_rows(gather_bank(plan, number, gradients, like), *parts)
                for number, parts in enumerate(stored.by_bank())
            ]
        return (None, None, None, *(None for _ in pairs), *(t for t, _ in pairs), *(a for _, a in pairs))


def _stored(tensors: tuple[Tensor, ...], gains: tuple[Tensor | None, ...]) -> StoredBanks:
    num_banks = len(tensors) // 3
    indices, templates, tables = (tensors[n * num_banks : (n + 1) * num_banks] for n in range(3))
    return StoredBanks(indices, templates, tables, gains)


def pull_rows(
    rows_ST: Tensor, index_S: Tensor, templates_KT: Tensor, table_NK: Tensor, gains_S: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The gradients of a bank's templates [K, T] and table [N, K] from those of its rows."""
    # R = A T with A [S, K] = table[index]. dT = A^T dR. dA = dR T^T, and since row s of A is row index[s] of the table,
    # the table's gradient adds dA up over the slots that share a vector. With gains row s of A is g_s times that row,
    # and so is what it adds.
    templates = gathered(index_S, table_NK, gains_S).t() @ rows_ST
    own_SK = amplified(rows_ST @ templates_KT.t(), gains_S)
    table = torch.zeros_like(table_NK).index_add_(0, index_S, own_SK)
    return templates, table
