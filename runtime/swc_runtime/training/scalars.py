"""How many scalars a member runs with, shared or its own."""

from __future__ import annotations

from swc.program.expressions import num_scalars
from swc.program.program import Program


def member_scalars(program: Program, name: str) -> int:
    """The scalars of a member's composed weights and private parameters: the size of the plain network."""
    composed = sum(num_scalars(weight.shape) for weight in program.weights if weight.member == name)
    return composed + sum(num_scalars(private.shape) for private in program.private if private.member == name)
