"""What an exported Python file calls the parts of a program, and which of them its members use.

Takes a program and the chosen members; gives `Names`. Guarantees: names are identifiers, no two are alike, none is one
that torch's containers have for themselves; everything stands in the program's order.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from keyword import iskeyword

from attrs import frozen
from torch import nn

from swc.program.expressions import slots_of, tensors_of
from swc.program.program import BankPlan, MemberPlan, Program, SlotPlan, TensorPlan, WeightPlan

TAKEN = frozenset((*dir(nn.ModuleDict()), *dir(nn.ParameterDict())))
INSTALLED = frozenset(("torch", "timm", "torchvision", "safetensors", "numpy", "PIL"))
BESIDE = frozenset(("columns", "preparation"))  # what is written beside the file of a table


@frozen
class Names:
    """The parts that some members use, and what they are called.

    `banks`, `tensors` and `members` map ids to identifiers; `vectors` maps, by bank, coefficient ids to rows of its
    table; `rows` maps banks with gains to the rows that are read of them, each a row of the table and its gain; `slots`
    maps slot ids to the bank and the row they read: of `rows`, or of the table where the bank has no gains.
    """

    weights: tuple[WeightPlan, ...]
    banks: dict[str, str]
    tensors: dict[str, str]
    members: dict[str, str]
    vectors: dict[str, dict[str, int]]
    rows: dict[str, tuple[tuple[int, float], ...]]
    slots: dict[str, tuple[str, int]]


def names_of(program: Program, members: Sequence[MemberPlan]) -> Names:
    """What these members use of a program."""
    chosen = {member.name for member in members}
    weights = tuple(weight for weight in program.weights if weight.member in chosen)
    read = {slot for weight in weights for slot in slots_of(weight.expression)}
    slots = [slot for slot in program.slots if slot.id in read]
    used = {slot.coefficient for slot in slots}
    banks = [bank.id for bank in program.banks if any(slot.bank == bank.id for slot in slots)]
    vectors = {bank: [c.id for c in program.coefficients if c.bank == bank and c.id in used] for bank in banks}
    tables = {bank: {name: row for row, name in enumerate(found)} for bank, found in vectors.items()}
    read_rows = {slot.id: (tables[slot.bank][slot.coefficient], slot.gain) for slot in slots}
    rows = {bank: rows for bank in banks if (rows := _amplified_rows(bank, slots, read_rows))}
    stored = {name for weight in weights for name in tensors_of(weight.expression)}
    tensors = [tensor.id for tensor in program.tensors if tensor.id in stored]
    called = _identifiers([*banks, *tensors])
    return Names(
        weights,
        {bank: called[bank] for bank in banks},
        {tensor: called[tensor] for tensor in tensors},
        _identifiers([member.name for member in members]),
        tables,
        rows,
        {slot.id: (slot.bank, _place(read_rows[slot.id], rows.get(slot.bank))) for slot in slots},
    )


def _amplified_rows(
    bank: str, slots: Sequence[SlotPlan], read: Mapping[str, tuple[int, float]]
) -> tuple[tuple[int, float], ...]:
    """The rows, with their gains, that the slots of a bank read, each once; none where all gains are 1."""
    found = sorted({read[slot.id] for slot in slots if slot.bank == bank})
    return tuple(found) if any(gain != 1 for _, gain in found) else ()


def _place(read: tuple[int, float], rows: tuple[tuple[int, float], ...] | None) -> int:
    return read[0] if rows is None else rows.index(read)


def bank_plans(program: Program, names: Names) -> tuple[BankPlan, ...]:
    """The banks that are used."""
    return tuple(bank for bank in program.banks if bank.id in names.banks)


def tensor_plans(program: Program, names: Names) -> tuple[TensorPlan, ...]:
    """The stored tensors that are used."""
    return tuple(tensor for tensor in program.tensors if tensor.id in names.tensors)


def _identifiers(ids: Iterable[str]) -> dict[str, str]:
    """An identifier for each id: the id itself with `_` for every other character, and more where that is taken."""
    found: dict[str, str] = {}
    for name in ids:
        made = re.sub(r"\W", "_", name).strip("_") or "x"
        made = f"x{made}" if made[0].isdigit() else made
        while iskeyword(made) or made in TAKEN or made in found.values():
            made += "_"
        found[name] = made
    return found


def file_stem(ensemble: str) -> str:
    """What the file is called: as the ensemble, unless Python would then take it for another module."""
    made = _identifiers([ensemble])[ensemble]
    return f"{made}_ensemble" if made in sys.stdlib_module_names | INSTALLED | BESIDE else made
