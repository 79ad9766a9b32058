"""Composition: every composed weight of an ensemble from its templates, by one matrix product per bank.

Takes a `Program`, the templates and the coefficient tables; gives the weights in the program's order. Guarantees: a
bank's product always has one row per slot, tied or not, so that untying coefficients changes no shape and no bit; a
layer of one whole block is a view of its row; backward takes one pair of products per bank.

Tensor names: S slots of a bank, K its templates, N its coefficient vectors, T scalars of a template.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import Any

import torch
from attrs import frozen
from swc.program.expressions import Combine, Concat, Expression, Placement, Shape, Slice, placements, slots_of
from swc.program.program import Program
from torch import Tensor
from torch.autograd.function import once_differentiable


@frozen
class Block:
    """The leading `visible` part of the block `shape` at `offset` of row `row` of bank `bank`.

    It stands at `origin` (one number per axis) of the output it belongs to.
    """

    bank: int
    row: int
    offset: int
    shape: Shape
    visible: Shape
    origin: Shape


@frozen
class Output:
    """One tensor that `Compose` gives: a composed weight, or a slot's whole SuperWeight."""

    shape: Shape
    blocks: tuple[Block, ...]

    @property
    def is_view(self) -> bool:
        """Whether one whole block makes it, so that nothing need be copied."""
        return len(self.blocks) == 1 and self.blocks[0].shape == self.shape


@frozen
class BankRows:
    """A bank's product: per slot the row of the coefficient table it uses, and the scalars of a template."""

    id: str
    size: int
    slots: tuple[str, ...]
    coefficients: tuple[str, ...]
    index: tuple[int, ...]


@frozen
class CompositionPlan:
    """What is multiplied and where it goes, settled once per program.

    `direct` numbers the weights (in program order) that are made of template blocks alone; they are the first
    outputs, in this order. Then follow the whole SuperWeights of the slots in `rows`, which other expressions read.
    """

    banks: tuple[BankRows, ...]
    outputs: tuple[Output, ...]
    direct: tuple[int, ...]
    rows: tuple[str, ...]

    @cached_property
    def places(self) -> tuple[tuple[tuple[int, Block], ...], ...]:
        """Per bank its blocks, each with the number of the output where it stands."""
        found: list[list[tuple[int, Block]]] = [[] for _ in self.banks]
        for number, output in enumerate(self.outputs):
            for block in output.blocks:
                found[block.bank].append((number, block))
        return tuple(tuple(places) for places in found)


def plan_composition(program: Program) -> CompositionPlan:
    """Settle the composition of a program; ValueError where blocks do not cover a weight exactly."""
    banks = tuple(_bank_rows(program, bank.id, bank.template_size) for bank in program.banks)
    places = {slot: (b, row) for b, bank in enumerate(banks) for row, slot in enumerate(bank.slots)}
    direct = tuple(n for n, weight in enumerate(program.weights) if is_blocks(weight.expression))
    composed = [_weight_output(program.weights[n].expression, program.weights[n].shape, places) for n in direct]
    others = [weight.expression for weight in program.weights if not is_blocks(weight.expression)]
    rows = tuple(dict.fromkeys(slot for expression in others for slot in slots_of(expression)))
    whole = [_row_output(banks, places[slot]) for slot in rows]
    return CompositionPlan(banks, (*composed, *whole), direct, rows)


def is_blocks(expression: Expression) -> bool:
    """Whether an expression is made of template blocks alone, which `Compose` places by itself."""
    match expression:
        case Combine():
            return True
        case Slice(of, _):
            return is_blocks(of)
        case Concat(_, parts):
            return all(is_blocks(part) for part in parts)
        case _:
            return False


def _bank_rows(program: Program, bank: str, size: int) -> BankRows:
    coefficients = tuple(c.id for c in program.coefficients if c.bank == bank)
    slots = [slot for slot in program.slots if slot.bank == bank]
    rows = {coefficient: row for row, coefficient in enumerate(coefficients)}
    index = tuple(rows[slot.coefficient] for slot in slots)
    return BankRows(bank, size, tuple(slot.id for slot in slots), coefficients, index)


def _weight_output(expression: Expression, shape: Shape, places: dict[str, tuple[int, int]]) -> Output:
    blocks = tuple(_block(placement, *places[placement.slot]) for placement in placements(expression))
    if sum(prod(block.visible) for block in blocks) != prod(shape):
        raise ValueError(f"the blocks of a weight of shape {shape} do not cover it exactly")
    return Output(shape, blocks)


def _block(placement: Placement, bank: int, row: int) -> Block:
    origin = placement.origin + (0,) * (len(placement.shape) - 2)
    return Block(bank, row, placement.offset, placement.shape, placement.visible, origin)


def _row_output(banks: tuple[BankRows, ...], place: tuple[int, int]) -> Output:
    shape = (banks[place[0]].size,)
    return Output(shape, (Block(*place, 0, shape, shape, (0,)),))


def block_view(row_T: Tensor, offset: int, shape: Shape) -> Tensor:
    """Read a block out of a SuperWeight, without a copy.

    Its scalars lie channels-last (outputs, kernel..., inputs); the view has torch's order of axes.
    """
    flat = row_T[offset : offset + prod(shape)]
    if len(shape) == 1:
        return flat
    return flat.view(shape[0], *shape[2:], shape[1]).movedim(-1, 1)


def place_blocks(rows: Sequence[Tensor], output: Output) -> Tensor:
    """One output from the banks' rows: a view where it can be, else assembled channels-last."""
    if output.is_view:
        block = output.blocks[0]
        return block_view(rows[block.bank][block.row], block.offset, block.shape)
    shape = output.shape
    made = rows[output.blocks[0].bank].new_empty((shape[0], *shape[2:], shape[1])).movedim(-1, 1)
    for block in output.blocks:
        made[_standing(block)].copy_(_visible(rows, block))
    return made


def _visible(rows: Sequence[Tensor], block: Block) -> Tensor:
    return _seen(rows[block.bank], block)


def _seen(rows_ST: Tensor, block: Block) -> Tensor:
    """What is visible of a block, as a view of its bank's rows."""
    whole = block_view(rows_ST[block.row], block.offset, block.shape)
    return whole[tuple(slice(size) for size in block.visible)]


def _standing(block: Block) -> tuple[slice, ...]:
    return tuple(slice(start, start + size) for start, size in zip(block.origin, block.visible, strict=True))


def gather_rows(plan: CompositionPlan, gradients: Sequence[Tensor | None], like: Tensor) -> list[Tensor]:
    """The transpose of placing: per bank the gradient of its rows [S, T], zero where nothing is visible.

    `gradients` are those of the plan's outputs (None: zero); `like` gives device and dtype.
    """
    return [gather_bank(plan, number, gradients, like) for number in range(len(plan.banks))]


def gather_bank(plan: CompositionPlan, number: int, gradients: Sequence[Tensor | None], like: Tensor) -> Tensor:
    """`gather_rows` for one bank."""
    bank = plan.banks[number]
    rows_ST = like.new_zeros((len(bank.slots), bank.size))
    for output, block in plan.places[number]:
        gradient = gradients[output]
        if gradient is not None:
            _seen(rows_ST, block).add_(gradient[_standing(block)])
    return rows_ST


class Compose(torch.autograd.Function):
    """All composed weights of an ensemble, as one function of its templates and coefficient tables.

    `Compose.apply(plan, dtype, *indices, *templates, *tables)` gives the outputs of `plan`, in `dtype` (None: that of
    the templates); per bank, `indices` [S] point into the table [N, K], templates are [K, T]. Products are taken in the
    templates' dtype, and autocast does not reach inside. Memory beside what is given: one bank's rows at a time.
    """

    @staticmethod
    def forward(ctx: Any, plan: CompositionPlan, dtype: torch.dtype | None, *tensors: Tensor) -> tuple[Tensor, ...]:
        """rows [S, T] = table[index] [S, K] @ templates [K, T] per bank, then placed."""
        num_banks = len(plan.banks)
        indices, templates, tables = (tensors[n * num_banks : (n + 1) * num_banks] for n in range(3))
        ctx.plan = plan
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        with torch.autocast(device_type=templates[0].device.type, enabled=False):
            parts = zip(indices, templates, tables, strict=True)
            rows = [(t.index_select(0, i) @ w).to(dtype or w.dtype) for i, w, t in parts]
            return tuple(place_blocks(rows, output) for output in plan.outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """d templates = A^T dRows; d table = the sum over its slots of dRows templates^T."""
        plan: CompositionPlan = ctx.plan
        num_banks = len(plan.banks)
        tensors = ctx.saved_tensors
        indices, templates, tables = (tensors[n * num_banks : (n + 1) * num_banks] for n in range(3))
        with torch.autocast(device_type=templates[0].device.type, enabled=False):
            pairs = [
                _pull(gather_bank(plan, number, gradients, templates[0]), *parts)
                for number, parts in enumerate(zip(indices, templates, tables, strict=True))
            ]
        return (None, None, *(None for _ in indices), *(t for t, _ in pairs), *(a for _, a in pairs))


def _pull(rows_ST: Tensor, index_S: Tensor, templates_KT: Tensor, table_NK: Tensor) -> tuple[Tensor, Tensor]:
    templates = table_NK.index_select(0, index_S).t() @ rows_ST
    table = torch.zeros_like(table_NK).index_add_(0, index_S, rows_ST @ templates_KT.t())
    return templates, table
