"""Whether the members that factories make are apart: each build has tensors of its own.

Takes members with factories; raises where two builds hold one tensor. Guarantees: no memory for weights unless a
factory asks for numbers; torch's random numbers are left as they were. Imports torch, so it is itself imported late.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout

import torch
from attrs import evolve
from torch import nn

from swc.diagnostics import DiagnosticError
from swc.program.datasets import DataFacts
from swc.program.spec import Member
from swc_runtime.members.build import model_of
from swc_runtime.members.seeds import seeded
from swc_runtime.members.shared_state import check_apart


def check_builds_apart(members: Sequence[Member], data: DataFacts) -> None:
    """DiagnosticError, with the line of a member, where it shares a tensor with another, or with a second build.

    Every member is built once, and one of each source twice: restored weights, recompiles and exports build it again.
    """
    again = {member.source: member for member in reversed(members)}
    todo = [*members, *(member for member in members if again[member.source] is member)]
    built = [(member.name, module) for member in todo if (module := _built(member, data)) is not None]
    try:
        check_apart(built)
    except DiagnosticError as error:
        spans = {member.name: member.span for member in members}
        told = [evolve(one, span=spans.get(getattr(one, "other", ""))) for one in error.diagnostics]
        raise DiagnosticError(*told) from error


def _built(member: Member, data: DataFacts) -> nn.Module | None:
    """The member's module, on the meta device where its code bears that; None where it cannot be built now.

    It could be built a moment ago, to read its layers: a failure is told where it is looked at more closely.
    """
    source = member.source
    for device in ("meta", "cpu"):
        quiet = redirect_stdout(sys.stderr)  # the output stream belongs to the command's result
        with quiet, seeded(0), torch.device(device):
            try:
                return model_of(source, data)
            except Exception:  # noqa: BLE001  (any code may run here, and what it raises was told before)
                continue
    return None
