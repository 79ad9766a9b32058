"""Reading members: from the sources a spec names to the layer tables the compiler works on.

Takes a `Spec`, gives a `LayerTable` for each member. Guarantees: tables stand in the order of the members; each
distinct source is built once; torch is imported only where a table is not in the cache. Whoever reads a spec to look at
it runs no code of `python(...)` members: their tables are those kept when the spec was compiled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from attrs import evolve

from swc.compiler.frontend import cache
from swc.compiler.frontend.data_code import check_data_code
from swc.diagnostics import Diagnostic, DiagnosticError, Sink
from swc.diagnostics.catalogue.limits import TooManyParameters
from swc.diagnostics.catalogue.trust import ModuleHidden, NotCompiledYet
from swc.program.layer_table import LayerTable
from swc.program.limits import LAYERS, SCALARS
from swc.program.model_source import ModelSource
from swc.program.spec import Member, Spec
from swc.trust.code import Code, code_of, shown
from swc.trust.importing import importable

_Outcome = LayerTable | tuple[Diagnostic, ...]
AnnounceCode = Callable[[Code], None]
_Outcomes = Mapping[ModelSource, _Outcome]


def unannounced(code: Code) -> None:
    """A caller from Python consents to the code by calling."""


def read_members(spec: Spec, sink: Sink, announce: AnnounceCode | None = unannounced) -> tuple[LayerTable, ...]:
    """The layer table of every member, in order.

    `announce` is called with the code that is about to run, before any of it is imported; None: none may run. A member
    whose model cannot be built or does not fit the data is reported to `sink`, at the member's line, and has no table:
    call `sink.raise_errors()` before relying on the number of tables.
    """
    own = _own_outcomes(spec, sink, announce)
    outcomes: dict[ModelSource, _Outcome] = {}
    tables: list[LayerTable] = []
    for member in spec.members:
        if member.host:  # its host's module serves it: it owns nothing
            tables.append(LayerTable(member.name, ()))
            continue
        if member.source not in outcomes:
            outcomes[member.source] = own[member.source] if member.source in own else _read(member, spec, sink)
        tables += _named(member, outcomes[member.source], sink)
    _check_size(spec, tables, sink)
    return tuple(tables)


def _check_size(spec: Spec, tables: list[LayerTable], sink: Sink) -> None:
    """Refuse members that are too large together, as they are known now and nothing has been built of them."""
    scalars = layers = 0
    sizes: dict[int, int] = {}  # of the rows that members of one source have in common
    for table in tables:
        if id(table.parameters) not in sizes:
            sizes[id(table.parameters)] = sum(prod(row.shape) for row in table.parameters)
        scalars += sizes[id(table.parameters)]
        layers += len({row.owner for row in table.parameters})
    if scalars > SCALARS:
        sink.report(TooManyParameters(span=spec.span, what="the members together have", most=SCALARS))
    if layers > LAYERS:
        sink.report(TooManyParameters(span=spec.span, what="the members together have", most=LAYERS, unit="layers"))


def _named(member: Member, outcome: _Outcome, sink: Sink) -> list[LayerTable]:
    if isinstance(outcome, LayerTable):
        return [evolve(outcome, member=member.name)]
    for diagnostic in outcome:
        sink.report(evolve(diagnostic, span=diagnostic.span or member.span))
    return []


def _read(member: Member, spec: Spec, sink: Sink) -> _Outcome:
    kept = cache.load(member.source, spec.data)
    if kept is not None:
        return kept
    found = _examined(member, spec, sink)
    if isinstance(found, LayerTable):
        cache.store(member.source, spec.data, found)
    return found


def _examined(member: Member, spec: Spec, sink: Sink) -> _Outcome:
    from swc.compiler.frontend.examine import examine

    def warn(diagnostic: Diagnostic) -> None:
        sink.report(evolve(diagnostic, span=member.span))

    try:
        recipe = spec.training.recipe if spec.training else None
        return examine(member.source, spec.data, recipe, warn, is_measured=_is_measured(spec))
    except DiagnosticError as error:
        return error.diagnostics


def _is_measured(spec: Spec) -> bool:
    """Whether a split or an untying will ask for gradients."""
    phases = spec.training.phases if spec.training else ()
    return any(phase.is_search or phase.untie for phase in phases)


# --- members whose code is not ours -----------------------------------------------------------------------------------


def _own_outcomes(spec: Spec, sink: Sink, announce: AnnounceCode | None) -> _Outcomes:
    """The tables of members' `python(...)` sources, or what is wrong with them; the data's code is looked at too."""
    try:
        code = code_of(spec)
    except DiagnosticError as error:
        return _refused(spec, error, sink)
    if not code.sources:
        return {}
    for file in code.hidden:
        sink.report(ModuleHidden(file=shown(file, code.folders)))
    if announce is None:
        return _kept(spec, code)
    announce(code)
    with importable(code):
        check_data_code(spec, sink)
        found = {source: _run(_first(source, spec), spec, code, sink) for source in _own_sources(spec)}
        if all(isinstance(outcome, LayerTable) for outcome in found.values()):
            _check_apart(spec, sink)
    return found


def _check_apart(spec: Spec, sink: Sink) -> None:
    """Report members whose code shares tensors between them, at the line of the second; only factories can do so."""
    from swc.compiler.frontend.shared_state import check_builds_apart

    own = [member for member in spec.members if member.source.kind == "python" and not member.host]
    try:
        check_builds_apart(own, spec.data)
    except DiagnosticError as error:
        for diagnostic in error.diagnostics:
            sink.report(diagnostic)


def _own_sources(spec: Spec) -> tuple[ModelSource, ...]:
    """The `python(...)` sources of members, each once."""
    return tuple(dict.fromkeys(member.source for member in spec.members if member.source.kind == "python"))


def _first(source: ModelSource, spec: Spec) -> Member:
    return next(member for member in spec.members if member.source == source)


def _refused(spec: Spec, error: DiagnosticError, sink: Sink) -> _Outcomes:
    """The diagnostics of a spec's code, at the first member whose code is not ours where they have no place.

    Where only the data have such code they are reported at the line of the data.
    """
    own = _own_sources(spec)
    for diagnostic in () if own else error.diagnostics:
        sink.report(evolve(diagnostic, span=diagnostic.span or spec.data_span))
    return {source: () if number else error.diagnostics for number, source in enumerate(own)}


def _run(member: Member, spec: Spec, code: Code, sink: Sink) -> _Outcome:
    """The table of a source, whose code runs; it is kept for those who only look at the spec."""
    from swc.compiler.frontend.costs import multiply_adds_of

    found = _examined(member, spec, sink)
    if isinstance(found, LayerTable):
        found = evolve(found, multiply_adds=multiply_adds_of(member.source, spec.data))
        cache.store(member.source, spec.data, found, code.digest)
    return found


def _kept(spec: Spec, code: Code) -> _Outcomes:
    """The tables that were kept; for the first source without one, what must be compiled."""
    own = _own_sources(spec)
    found = {source: cache.load(source, spec.data, code.digest) for source in own}
    unknown = [source for source in own if found[source] is None]
    told: _Outcome = ()
    if unknown:
        members = [member for member in spec.members if member.source in unknown]
        file = members[0].span.file if members[0].span else "SPEC"
        told = (NotCompiledYet(span=members[0].span, file=file, members=tuple(member.name for member in members)),)
    return {source: table or (told if source == unknown[0] else ()) for source, table in found.items()}
