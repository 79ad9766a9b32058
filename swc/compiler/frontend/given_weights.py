"""Weights that members begin with: where their files lie, and whether they fit the layers of the members.

Takes members and their layer tables; gives states by member. Guarantees: every parameter of a member is there in its
shape, but for a classifier of other classes, which is left out and named; no code of a file runs. Imports torch, so it
is itself imported late.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.catalogue.given_weights import WeightsNotFound, WeightsUnfit, WeightsUnreadable
from swc.program.layer_table import LayerTable
from swc.program.spec import Member, Spec
from swc_runtime.records.weight_files import read_weights

if TYPE_CHECKING:
    from torch import Tensor


RUNNING = (".running_mean", ".running_var")  # what BatchNorm sums up


@frozen(eq=False)
class GivenState:
    """What a member begins with, by torch's names; `afresh` are parameters of its classifier that it has otherwise."""

    member: Member
    file: Path
    tensors: dict[str, Tensor]
    afresh: tuple[str, ...] = ()


def given_states(spec: Spec, tables: Iterable[LayerTable]) -> tuple[GivenState, ...]:
    """The states of all members that begin with given weights; DiagnosticError, with the place, where one does not fit.

    A file that several members begin with is read once.
    """
    read: dict[Path, dict[str, Tensor]] = {}
    by_name = {table.member: table for table in tables}
    found: list[GivenState] = []
    for member in spec.members:
        if member.weights:
            file = file_of(member)
            read[file] = read.get(file) or _read(member, file)
            found.append(_fitting(member, file, read[file], by_name[member.name]))
    return tuple(found)


def check_given(spec: Spec, tables: Iterable[LayerTable], sink: Sink) -> None:
    """Report where weights that members are to begin with do not fit them."""
    try:
        given_states(spec, tables)
    except DiagnosticError as error:
        for diagnostic in error.diagnostics:
            sink.report(diagnostic)


def file_of(member: Member) -> Path:
    """The file that a member begins with: beside the spec, or else in the current folder."""
    beside = Path(member.span.file).parent if member.span else Path()
    found = next((path for path in (beside / member.weights, Path(member.weights)) if path.is_file()), None)
    if found is None:
        raise DiagnosticError(WeightsNotFound(span=member.span, file=member.weights))
    return found.resolve()


def _read(member: Member, file: Path) -> dict[str, Tensor]:
    try:
        return read_weights(file)
    except ValueError as error:
        raise DiagnosticError(WeightsUnreadable(span=member.span, file=member.weights, reason=str(error))) from error


def _fitting(member: Member, file: Path, tensors: dict[str, Tensor], table: LayerTable) -> GivenState:
    """The state of a member; what is neither a parameter nor a buffer of it is known once the member is built."""
    _check_finite(member, tensors, table)
    missing = tuple(row.name for row in table.parameters if row.name not in tensors)
    there = [row for row in table.parameters if row.name in tensors]
    other = [row for row in there if tuple(tensors[row.name].shape) != row.shape]
    afresh = tuple(row.name for row in other if row.role == "head")
    shapes = tuple(
        f"`{row.name}` ({_dims(tensors[row.name].shape)}, the member's {_dims(row.shape)})"
        for row in other
        if row.role != "head"
    )
    if missing or shapes:
        raise DiagnosticError(
            WeightsUnfit(span=member.span, member=member.name, file=member.weights, missing=missing, shapes=shapes)
        )
    return GivenState(member, file, {name: t for name, t in tensors.items() if name not in afresh}, afresh)


def _check_finite(member: Member, tensors: dict[str, Tensor], table: LayerTable) -> None:
    """What is trained, or summed up while training, must be finite; other buffers, such as masks, may be endless."""
    parameters = {row.name for row in table.parameters}
    watched = (name for name in tensors if name in parameters or name.endswith(RUNNING))
    endless = next((name for name in watched if tensors[name].isinf().any()), None)
    if endless is not None:
        reason = f"`{endless}` holds numbers that are not finite"
        raise DiagnosticError(WeightsUnreadable(span=member.span, file=member.weights, reason=reason))


def _dims(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape)) or "a single number"
