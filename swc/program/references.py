"""Whether the ids inside a Program name what is there.

Takes a Program, gives the first id that leads nowhere. Guarantees: a program without one can be walked by id.
"""

from __future__ import annotations

from collections.abc import Iterator

from swc.program.expressions import slots_of, tensors_of
from swc.program.program import Program


def dangling(program: Program) -> str | None:
    """A sentence about the first id that names nothing, or None."""
    return next(_dangling(program), None)


def _dangling(program: Program) -> Iterator[str]:
    members = {member.name for member in program.members}
    banks = {bank.id for bank in program.banks}
    coefficients = {coefficient.id for coefficient in program.coefficients}
    slots, tensors = {slot.id for slot in program.slots}, {tensor.id for tensor in program.tensors}
    for coefficient in program.coefficients:
        yield from _missing(f"coefficient `{coefficient.id}`", "bank", (coefficient.bank,), banks)
    for slot in program.slots:
        yield from _missing(f"slot `{slot.id}`", "bank", (slot.bank,), banks)
        yield from _missing(f"slot `{slot.id}`", "coefficient", (slot.coefficient,), coefficients)
    for weight in program.weights:
        what = f"weight `{weight.path}`"
        yield from _missing(what, "member", (weight.member,), members)
        yield from _missing(what, "slot", slots_of(weight.expression), slots)
        yield from _missing(what, "tensor", tensors_of(weight.expression), tensors)
    for private in program.private:
        yield from _missing(f"parameter `{private.path}`", "member", (private.member,), members)


def _missing(what: str, kind: str, named: tuple[str, ...], known: set[str]) -> Iterator[str]:
    return (f"{what} names the {kind} `{name}`, which is not there" for name in named if name not in known)
