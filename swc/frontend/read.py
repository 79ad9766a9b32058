"""Reading members: from the sources a spec names to the layer tables the compiler works on.

Takes a `Spec`, gives a `LayerTable` for each member. Guarantees: tables stand in the order of the members; each
distinct source is built once; torch is imported only where a table is not in the cache.
"""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from swc.diagnostics import Diagnostic, DiagnosticError, Sink
from swc.frontend import cache
from swc.frontend.table import LayerTable
from swc.program.datasets import DataFacts
from swc.program.model_source import ModelSource
from swc.semantics.spec import Member, Spec

Outcome = LayerTable | tuple[Diagnostic, ...]


def read_members(spec: Spec, sink: Sink) -> tuple[LayerTable, ...]:
    """The layer table of every member, in order.

    A member whose model cannot be built or does not fit the data is reported to `sink`, at the member's line, and has
    no table: call `sink.raise_errors()` before relying on the number of tables.
    """
    outcomes: dict[ModelSource, Outcome] = {}
    tables: list[LayerTable] = []
    for member in spec.members:
        if member.host:  # its host's module serves it: it owns nothing
            tables.append(LayerTable(member.name, (), ()))
            continue
        if member.source not in outcomes:
            outcomes[member.source] = _read(member, spec.data)
        tables += _named(member, outcomes[member.source], sink)
    if not sink.errors:
        _check_apart(spec, sink)
    return tuple(tables)


def _check_apart(spec: Spec, sink: Sink) -> None:
    """Report members whose code shares tensors between them, at the line of the second; only factories can do so."""
    own = [member for member in spec.members if member.source.kind == "python" and not member.host]
    if not own:
        return
    from swc.frontend.apart import check_builds_apart
    from swc_runtime.models import factory_path

    try:
        with factory_path(folders_of(spec)):
            check_builds_apart(own, spec.data)
    except DiagnosticError as error:
        for diagnostic in error.diagnostics:
            sink.report(diagnostic)


def _named(member: Member, outcome: Outcome, sink: Sink) -> list[LayerTable]:
    if isinstance(outcome, LayerTable):
        return [evolve(outcome, member=member.name)]
    for diagnostic in outcome:
        sink.report(evolve(diagnostic, span=member.span))
    return []


def _read(member: Member, data: DataFacts) -> Outcome:
    kept = cache.load(member.source, data)
    if kept is not None:
        return kept
    try:
        table = _examined(member, data)
    except DiagnosticError as error:
        return error.diagnostics
    cache.store(member.source, data, table)
    return table


def _examined(member: Member, data: DataFacts) -> LayerTable:
    from swc.frontend.examine import examine
    from swc_runtime.models import factory_path

    with factory_path(factory_folders(member)):
        return examine(member.source, data)


def folders_of(spec: Spec) -> tuple[Path, ...]:
    """Where the `python("module:factory")` members of a spec are looked for, as when they were compiled."""
    return tuple(dict.fromkeys(folder for member in spec.members for folder in factory_folders(member)))


def factory_folders(member: Member) -> tuple[Path, ...]:
    """Where a member's own factory is looked for before the installed packages: beside the spec, then here."""
    beside = Path(member.span.file).resolve().parent if member.span is not None else Path.cwd()
    return tuple(dict.fromkeys((beside, Path.cwd())))
