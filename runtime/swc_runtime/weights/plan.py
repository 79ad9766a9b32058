"""Where every composed weight of a program comes from, settled once.

Takes a `Program`; gives a `CompositionPlan`: plain numbers, no tensors. Guarantees: a bank has one row per slot, tied
or not, so that untying coefficients changes no shape; the rows that weights are views of come first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod

from attrs import evolve, frozen
from swc.program.expressions import Combine, Concat, Expression, Placement, Shape, Slice, placements, slots_of
from swc.program.program import Program, WeightPlan


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
    """A bank's product: per slot the row of the coefficient table it uses, and the scalars of a template.

    Outputs are views of the first `num_kept` rows; the others are only copied from. `gains` are those of the slots;
    empty where all are 1, so that nothing is multiplied.
    """

    id: str
    size: int
    slots: tuple[str, ...]
    coefficients: tuple[str, ...]
    index: tuple[int, ...]
    num_kept: int = 0
    gains: tuple[float, ...] = ()


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

    @property
    def has_gains(self) -> bool:
        """Whether any bank's slots have gains other than 1."""
        return any(bank.gains for bank in self.banks)

    @cached_property
    def places(self) -> tuple[tuple[tuple[int, Block], ...], ...]:
        """Per bank its blocks, each with the number of the output where it stands."""
        # Gradients go to rows, outputs are made from rows: this is the way back.
        found: list[list[tuple[int, Block]]] = [[] for _ in self.banks]
        for number, output in enumerate(self.outputs):
            for block in output.blocks:
                found[block.bank].append((number, block))
        return tuple(tuple(places) for places in found)

    @cached_property
    def loose(self) -> tuple[frozenset[int], ...]:
        """Per bank the rows of which not every scalar stands in exactly one place: cropped, unused or read twice."""
        return tuple(
            frozenset(range(len(bank.slots))) - _exact_rows(bank.size, places)
            for bank, places in zip(self.banks, self.places, strict=True)
        )

    @cached_property
    def replaceable(self) -> tuple[bool, ...]:
        """Per output whether its gradient may take its place in memory: nothing else stands there or is cut off."""
        return tuple(
            not output.is_view or output.blocks[0].row not in self.loose[output.blocks[0].bank]
            for output in self.outputs
        )


def plan_composition(program: Program, weights: Sequence[WeightPlan] | None = None) -> CompositionPlan:
    """Settle the composition of some weights of a program (None: all).

    Rows stand in the same order whichever weights are chosen. ValueError where blocks do not cover a weight exactly.
    """
    banks = tuple(_bank_rows(program, bank.id, bank.template_size) for bank in program.banks)
    places = {slot: (b, row) for b, bank in enumerate(banks) for row, slot in enumerate(bank.slots)}
    whole = _plan(banks, program.weights, places)
    chosen = whole if weights is None else _plan(banks, weights, places)
    # Ordered by all weights, not by the chosen ones: a process that runs two members of four multiplies the same rows
    # in the same order as one that runs all, and so gets the same bits.
    return _reordered(chosen, _kept(whole))


def _plan(
    banks: tuple[BankRows, ...], weights: Sequence[WeightPlan], places: Mapping[str, tuple[int, int]]
) -> CompositionPlan:
    # `scale(combine(...) by r, s)` is no mere placing: its SuperWeight is an output of its own, which `evaluate` reads.
    direct = tuple(n for n, weight in enumerate(weights) if is_blocks(weight.expression))
    composed = [_weight_output(weights[n].expression, weights[n].shape, places) for n in direct]
    others = [weight.expression for weight in weights if not is_blocks(weight.expression)]
    rows = tuple(dict.fromkeys(slot for expression in others for slot in slots_of(expression)))
    whole = [_row_output(banks, places[slot]) for slot in rows]
    return CompositionPlan(banks, (*composed, *whole), direct, rows)


def _kept(plan: CompositionPlan) -> tuple[frozenset[int], ...]:
    """Per bank the rows that outputs are views of."""
    found: list[set[int]] = [set() for _ in plan.banks]
    for output in plan.outputs:
        if output.is_view:
            found[output.blocks[0].bank].add(output.blocks[0].row)
    return tuple(frozenset(rows) for rows in found)


def _reordered(plan: CompositionPlan, kept: Sequence[frozenset[int]]) -> CompositionPlan:
    """The same plan with the kept rows of each bank before the others."""
    orders = [
        [*sorted(own), *sorted(set(range(len(bank.slots))) - own)] for bank, own in zip(plan.banks, kept, strict=True)
    ]
    banks = tuple(
        evolve(
            bank,
            slots=tuple(bank.slots[row] for row in order),
            index=tuple(bank.index[row] for row in order),
            num_kept=len(own),
            gains=tuple(bank.gains[row] for row in order) if bank.gains else (),
        )
        for bank, order, own in zip(plan.banks, orders, kept, strict=True)
    )
    # Rows 0 to 4, of which 1 and 3 are kept: the order is 1, 3, 0, 2, 4, and row 3 stands at place 1 from now on.
    now = [{row: place for place, row in enumerate(order)} for order in orders]
    outputs = tuple(
        evolve(output, blocks=tuple(evolve(block, row=now[block.bank][block.row]) for block in output.blocks))
        for output in plan.outputs
    )
    return CompositionPlan(banks, outputs, plan.direct, plan.rows)


def _exact_rows(size: int, places: Sequence[tuple[int, Block]]) -> set[int]:
    """The rows whose blocks are whole, apart from each other, and leave nothing out."""
    by_row: dict[int, list[Block]] = {}
    for _, block in places:
        by_row.setdefault(block.row, []).append(block)
    return {row for row, blocks in by_row.items() if _is_exact(size, blocks)}


def _is_exact(size: int, blocks: Sequence[Block]) -> bool:
    # Blocks in the order of their offsets must follow each other without a gap from 0 to the row's end.
    end = 0
    for block in sorted(blocks, key=lambda block: block.offset):
        if block.offset != end or block.visible != block.shape:
            return False
        end += prod(block.shape)
    return end == size


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
    gains = tuple(slot.gain for slot in slots) if any(slot.gain != 1 for slot in slots) else ()
    return BankRows(bank, size, tuple(slot.id for slot in slots), coefficients, index, gains=gains)


def _weight_output(expression: Expression, shape: Shape, places: Mapping[str, tuple[int, int]]) -> Output:
    blocks = tuple(_block(placement, *places[placement.slot]) for placement in placements(expression))
    if sum(prod(block.visible) for block in blocks) != prod(shape):
        raise ValueError(f"the blocks of a weight of shape {shape} do not cover it exactly")
    return Output(shape, blocks)


def _block(placement: Placement, bank: int, row: int) -> Block:
    # Blocks are placed on outputs and inputs; on the kernel's axes each begins at 0.
    origin = placement.origin + (0,) * (len(placement.shape) - 2)
    return Block(bank, row, placement.offset, placement.shape, placement.visible, origin)


def _row_output(banks: tuple[BankRows, ...], place: tuple[int, int]) -> Output:
    shape = (banks[place[0]].size,)
    return Output(shape, (Block(*place, 0, shape, shape, (0,)),))
