"""A composition plan as flat tables of integers, which the kernels of `compose.cu` walk through.

Takes a plan and the templates of each bank; gives `LaunchTables`. Guarantees: the tables are a pure function of the
plan; what a kernel reads and writes follows from them alone; every number fits 32 bits, or ValueError.

Seen channels-last, a block is a row of runs, one for each output and place of the kernel, as long as it has inputs. A
crop shows the first runs, and the first scalars of each: so one copy is two extents and two strides.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, prod

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from swc.program.expressions import Shape

from swc_runtime.weights.plan import BankRows, Block, CompositionPlan, Output

MAX_TEMPLATES = 8  # as in compose.cu: so many scalars of templates a thread can keep in registers
ALIGNED = 64  # scalars: outputs begin at multiples, so that they can be read in wide words

IntTable = NDArray[np.int32]
Grouped = dict[tuple[int, int, int], list[tuple[int, Block]]]


@frozen(eq=False)
class Sums:
    """Which copies make which row of coefficients: rows of (bank, row, first, end) into `parts`, numbers of copies."""

    rows: IntTable
    parts: IntTable


@frozen(eq=False)
class LaunchTables:
    """The arguments of a launch; the columns are the fields of the structs in `compose.cu`.

    `by_coefficient` sums over all slots of a coefficient vector, `by_slot` over the copies of each slot alone. Outputs
    begin at `starts` of a buffer of `size` scalars; `num_partials` scalars pass between the two stages of backward.
    `gains` are the slots' of the copies.
    """

    tiles: IntTable
    banks: IntTable
    groups: IntTable
    copies: IntTable
    by_coefficient: Sums
    by_slot: Sums
    starts: tuple[int, ...]
    size: int
    num_partials: int
    gains: NDArray[np.float64]


def unsuitable(num_templates: Sequence[int]) -> str | None:
    """Why the kernels cannot compose banks of so many templates; None where they can."""
    most = max(num_templates, default=0)
    if most <= MAX_TEMPLATES:
        return None
    return f"a bank has {most} templates, more than the {MAX_TEMPLATES} that they hold in registers"


def launch_tables(plan: CompositionPlan, num_templates: Sequence[int], tile: int) -> LaunchTables:
    """Lay out a plan for thread blocks that own `tile` scalars each; ValueError where it is too large."""
    grouped = [_grouped(plan, bank) for bank in range(len(plan.banks))]
    copies = [(output, block) for groups in grouped for own in groups.values() for output, block in own]
    starts, size = _starts(plan.outputs)
    banks, num_partials = _banks(plan, num_templates, grouped, tile)
    coefficients = [plan.banks[block.bank].index[block.row] for _, block in copies]
    return LaunchTables(
        tiles_of([bank.size for bank in plan.banks], tile),
        banks,
        _groups(grouped),
        _table([_copy(plan, number, block) for number, block in copies], 7),
        _sums(copies, coefficients, [len(bank.coefficients) for bank in plan.banks]),
        _sums(copies, [block.row for _, block in copies], [len(bank.slots) for bank in plan.banks]),
        starts,
        size,
        num_partials,
        np.array([_gain(plan.banks[block.bank], block.row) for _, block in copies], dtype=np.float64),
    )


def _gain(bank: BankRows, row: int) -> float:
    return bank.gains[row] if bank.gains else 1.0


def tiles_of(sizes: Sequence[int], tile: int) -> IntTable:
    """Cut arrays of these sizes into tiles: rows of (array, first scalar)."""
    return _table([(number, start) for number, size in enumerate(sizes) for start in range(0, size, tile)], 2)


def _table(rows: Sequence[Sequence[int]], columns: int) -> IntTable:
    try:
        return np.array(rows, dtype=np.int32).reshape(-1, columns)
    except OverflowError as error:
        raise ValueError("the weights are too many for the kernels' 32-bit numbers") from error


def _grouped(plan: CompositionPlan, bank: int) -> Grouped:
    """A bank's blocks, with the numbers of their outputs, by what they read: (offset, length of a run, size)."""
    found: Grouped = {}
    for number, output in enumerate(plan.outputs):
        for block in output.blocks:
            if block.bank == bank:
                key = block.offset, _run_length(block.shape), prod(block.shape)
                found.setdefault(key, []).append((number, block))
    return found


def _run_length(shape: Shape) -> int:
    return shape[0] if len(shape) == 1 else shape[1]


def _banks(
    plan: CompositionPlan, num_templates: Sequence[int], grouped: Sequence[Grouped], tile: int
) -> tuple[IntTable, int]:
    """A row for each bank, and how many partial sums all of them have."""
    rows, group, copy, partials, first_tile = [], 0, 0, 0, 0
    for bank, templates, groups in zip(plan.banks, num_templates, grouped, strict=True):
        num_tiles = ceil(bank.size / tile)
        rows.append((bank.size, templates, group, group + len(groups), copy, partials, num_tiles, first_tile))
        num_copies = sum(len(own) for own in groups.values())
        group, copy, first_tile = group + len(groups), copy + num_copies, first_tile + num_tiles
        partials += num_tiles * num_copies * templates
    return _table(rows, 8), partials


def _groups(grouped: Sequence[Grouped]) -> IntTable:
    rows, copy = [], 0
    for groups in grouped:
        for (offset, stride, size), own in groups.items():
            rows.append((offset, stride, size, copy, copy + len(own)))
            copy += len(own)
    return _table(rows, 5)


def _copy(plan: CompositionPlan, number: int, block: Block) -> tuple[int, ...]:
    coefficient = plan.banks[block.bank].index[block.row]
    shape = plan.outputs[number].shape
    if len(shape) == 1:
        return (coefficient, number, block.origin[0], shape[0], 1, block.visible[0], prod(shape))
    assert block.visible[2:] == shape[2:] == block.shape[2:], "only outputs and inputs are ever cut"
    kernel, stride = prod(shape[2:]), shape[1]
    start = block.origin[0] * kernel * stride + block.origin[1]
    return (coefficient, number, start, stride, block.visible[0] * kernel, block.visible[1], prod(shape))


def _sums(copies: Sequence[tuple[int, Block]], rows: Sequence[int], num_rows: Sequence[int]) -> Sums:
    found: dict[tuple[int, int], list[int]] = {(b, row): [] for b, count in enumerate(num_rows) for row in range(count)}
    for number, ((_, block), row) in enumerate(zip(copies, rows, strict=True)):
        found[block.bank, row].append(number)
    made: list[tuple[int, ...]] = []
    parts: list[int] = []
    # Parts of one row stand behind each other, so that a row is added up in a settled order: the same bits.
    for (bank, row), own in found.items():
        made.append((bank, row, len(parts), len(parts) + len(own)))
        parts += own
    return Sums(_table(made, 4), np.array(parts, dtype=np.int32))


def _starts(outputs: Sequence[Output]) -> tuple[tuple[int, ...], int]:
    starts, size = [], 0
    for output in outputs:
        starts.append(size)
        size += ceil(prod(output.shape) / ALIGNED) * ALIGNED
    return tuple(starts), size
