"""What a prediction of an ensemble will take, counted from its program.

Takes a program and its layer tables, gives multiply-adds. Guarantees: the number is that of
`swc_runtime.evaluate.cost`; no code of `python(...)` members runs, and torch is imported late.
"""

from __future__ import annotations

from attrs import evolve

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import MemberChanged
from swc.program.layer_table import LayerTable
from swc.program.program import Program


def planned_multiply_adds(program: Program, tables: tuple[LayerTable, ...]) -> int | None:
    """The multiply-adds of all members for one image; None where those of a `python(...)` member are not known.

    Recounted for our own families and torchvision's; for other members, the counts from when they were compiled.
    DiagnosticError where a member is no longer what was compiled.
    """
    counted = {table.member: table.multiply_adds for table in tables}
    others = [counted.get(member.name) for member in program.members if member.source.kind == "python"]
    if None in others:
        return None
    return sum(number or 0 for number in others) + _planned(_without_others(program))


def _without_others(program: Program) -> Program:
    """The program without the members whose code is not ours."""
    left = {member.name for member in program.members if member.source.kind != "python"}
    return evolve(
        program,
        members=tuple(member for member in program.members if member.name in left),
        weights=tuple(weight for weight in program.weights if weight.member in left),
        private=tuple(private for private in program.private if private.member in left),
    )


def _planned(program: Program) -> int:
    from swc_runtime.evaluate.cost import planned_costs, subset_cost

    if not program.members:
        return 0
    try:
        return subset_cost(program, range(len(program.members)), planned_costs(program)).multiply_adds
    except (ValueError, TypeError, ImportError, AttributeError) as error:
        raise DiagnosticError(MemberChanged(detail=str(error))) from error
