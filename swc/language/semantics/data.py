"""The data set of an ensemble.

Takes the `data` item and its scope, gives `DataFacts`. Guarantees: the facts are those of a row of `DATA`, ours or a
plug-in's; nothing is opened or called; after a mistake, which is reported, other facts stand in.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from swc.diagnostics import DiagnosticError, catalogue
from swc.language.semantics.calls import Signature, bind, read_declared
from swc.language.semantics.own_code import check_own_function, open_argument
from swc.language.semantics.scope import Scope, scalar
from swc.language.syntax import tree
from swc.program.datasets import DATA, DATASETS, DataFacts, DataRow
from swc.registry.row import shown_value

INSTEAD = DATASETS["cifar10"]  # with what checking goes on after a mistake


def read_data(item: tree.DataItem, scope: Scope) -> DataFacts:
    """The facts of what the item names; a param may stand for the name."""
    row = _row(item.source, scope)
    if row is None:
        return INSTEAD
    before = len(scope.sink.errors)
    given = _given(item.source, row, scope)
    if len(scope.sink.errors) > before:
        return INSTEAD
    try:
        facts = row.facts(given)
    except ValueError as error:
        scope.sink.report(catalogue.UnfitDataArguments(span=item.source.span, name=row.name, reason=str(error)))
        return INSTEAD
    scope.defaults.extend(f"data: {note}" for note in row.notes(given))
    kept = tuple(sorted((name, value) for name, value in given.items() if name not in row.in_facts))
    return evolve(facts, name=row.name, arguments=kept)


def _row(call: tree.Call, scope: Scope) -> DataRow | None:
    """The row of a name; None where there is none, or a plug-in that offers it is broken, which is reported."""
    found = scope.settle(call.name)
    name = scalar(found)
    word = name if isinstance(name, str) else ""
    try:
        row = DATA.find(word)
    except DiagnosticError as error:
        scope.sink.report(evolve(error.diagnostics[0], span=found.span))
        return None
    if row is None:
        scope.sink.report(catalogue.UnknownData(span=found.span, name=str(name), datasets=DATA.choices()))
    return row


def _given(call: tree.Call, row: DataRow, scope: Scope) -> dict[str, Any]:
    """The arguments by name: those that are declared, with their defaults, and any others of an open row."""
    declared = {one.name: one for one in row.arguments}
    required = tuple(one.name for one in row.arguments if one.default is None)
    bound = bind(call, scope, Signature(tuple(declared), required, row.num_plain, row.is_open))
    given = {one.name: one.default for one in row.arguments if one.default not in (None, "")}
    left = (one for one in row.arguments if one.name in given and one.name not in bound)
    scope.defaults.extend(f"data: {one.name} {shown_value(given[one.name])}" for one in left)
    for name, value in bound.items():
        is_declared = name in declared
        given[name] = (
            read_declared(value, scope, declared[name], row.name) if is_declared else open_argument(value, scope, name)
        )
    if row.code and row.code in bound and given[row.code]:
        check_own_function(str(given[row.code]), scope.settle(bound[row.code]).span, scope, "data sets")
    return given
