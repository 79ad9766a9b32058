"""Reading members: from the sources a spec names to the layer tables the compiler works on.

Takes a `Spec`, gives a `LayerTable` for each member. Guarantees: tables stand in the order of the members; each
distinct source is built once; torch is imported only where a table is not in the cache. Whoever reads a spec to look at
it runs no code of `python(...)` members: their tables are those kept when the spec was compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import evolve

from swc.diagnostics import Diagnostic, DiagnosticError, Sink
from swc.diagnostics.catalogue.trust import ModuleHidden, NotCompiledYet
from swc.frontend import cache
from swc.frontend.table import LayerTable
from swc.program.datasets import DataFacts
from swc.program.model_source import ModelSource
from swc.semantics.spec import Member, Spec
from swc.trust.code import Code, code_of, shown, sources_of
from swc.trust.importing import importable

Outcome = LayerTable | tuple[Diagnostic, ...]
Announce = Callable[[Code], None]
Outcomes = Mapping[ModelSource, Outcome]


def unannounced(code: Code) -> None:
    """A caller from Python consents to the code by calling."""


def read_members(spec: Spec, sink: Sink, announce: Announce | None = unannounced) -> tuple[LayerTable, ...]:
    """The layer table of every member, in order.

    `announce` is told what code is about to run, before any of it is imported; None: none may run. A member whose
    model cannot be built or does not fit the data is reported to `sink`, at the member's line, and has no table: call
    `sink.raise_errors()` before relying on the number of tables.
    """
    own = _own_outcomes(spec, sink, announce)
    outcomes: dict[ModelSource, Outcome] = {}
    tables: list[LayerTable] = []
    for member in spec.members:
        if member.host:  # its host's module serves it: it owns nothing
            tables.append(LayerTable(member.name, (), ()))
            continue
        if member.source not in outcomes:
            outcomes[member.source] = own[member.source] if member.source in own else _read(member.source, spec.data)
        tables += _named(member, outcomes[member.source], sink)
    return tuple(tables)


def _named(member: Member, outcome: Outcome, sink: Sink) -> list[LayerTable]:
    if isinstance(outcome, LayerTable):
        return [evolve(outcome, member=member.name)]
    for diagnostic in outcome:
        sink.report(evolve(diagnostic, span=diagnostic.span or member.span))
    return []


def _read(source: ModelSource, data: DataFacts) -> Outcome:
    kept = cache.load(source, data)
    if kept is not None:
        return kept
    found = _examined(source, data)
    if isinstance(found, LayerTable):
        cache.store(source, data, found)
    return found


def _examined(source: ModelSource, data: DataFacts) -> Outcome:
    from swc.frontend.examine import examine

    try:
        return examine(source, data)
    except DiagnosticError as error:
        return error.diagnostics


# --- members whose code is not ours -----------------------------------------------------------------------------------


def _own_outcomes(spec: Spec, sink: Sink, announce: Announce | None) -> Outcomes:
    """The tables of `python(...)` sources, or what is wrong with them."""
    try:
        code = code_of(spec)
    except DiagnosticError as error:
        return _refused(spec, error)
    if not code.sources:
        return {}
    for file in code.hidden:
        sink.report(ModuleHidden(file=shown(file, code.folders)))
    if announce is None:
        return _kept(spec, code)
    announce(code)
    with importable(code):
        return {source: _run(source, spec, code) for source in code.sources}


def _refused(spec: Spec, error: DiagnosticError) -> Outcomes:
    """The diagnostics of a spec's code, at the first member whose code is not ours where they have no place."""
    return {source: () if number else error.diagnostics for number, source in enumerate(sources_of(spec))}


def _run(source: ModelSource, spec: Spec, code: Code) -> Outcome:
    """The table of a source, whose code runs; it is kept for those who only look at the spec."""
    from swc.frontend.costs import multiply_adds_of

    found = _examined(source, spec.data)
    if isinstance(found, LayerTable):
        found = evolve(found, multiply_adds=multiply_adds_of(source, spec.data))
        cache.store(source, spec.data, found, code.digest)
    return found


def _kept(spec: Spec, code: Code) -> Outcomes:
    """The tables that were kept; for the first source without one, what must be compiled."""
    found = {source: cache.load(source, spec.data, code.digest) for source in code.sources}
    unknown = [source for source in code.sources if found[source] is None]
    told: Outcome = ()
    if unknown:
        members = [member for member in spec.members if member.source in unknown]
        file = members[0].span.file if members[0].span else "SPEC"
        told = (NotCompiledYet(span=members[0].span, file=file, members=tuple(member.name for member in members)),)
    return {source: table or (told if source == unknown[0] else ()) for source, table in found.items()}
