"""The data set of an ensemble.

Takes the `data` item and its scope, gives `DataFacts`. Guarantees: the facts are those of a row of `DATA`, ours or a
plug-in's; any of them may be divided by `PORTIONS`, unless the row declares such an argument itself; nothing is opened
or called; after a mistake, which is reported, other facts stand in.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from swc.diagnostics import DiagnosticError, catalogue
from swc.language.semantics.calls import Signature, bind, read_declared
from swc.language.semantics.own_code import check_own_function, open_argument
from swc.language.semantics.scope import Scope, scalar
from swc.language.semantics.values import number, whole, word_of
from swc.language.syntax import tree
from swc.program.data_parts import GIVEN, Portion
from swc.program.datasets import DATA, DATASETS, DataFacts, DataRow
from swc.program.dividing import divided, fault_of_parts, num_drawable
from swc.program.task import Task
from swc.registry.ranges import Range
from swc.registry.row import shown_value

INSTEAD = evolve(DATASETS["cifar10"])  # an object of its own, with what checking goes on after a mistake
CLASSES = "classes"  # the argument that says how many outputs members have
PORTIONS = ("train", "validation")  # arguments of every data set: how many of its images are drawn for what
SHARE = Range(above=0, most=1)


def read_data(item: tree.DataItem, scope: Scope, task: Task) -> DataFacts:
    """The facts of what the item names, as targets of `task`; a param may stand for the name."""
    row = _row(item.source, scope)
    if row is None:
        return INSTEAD
    before = len(scope.sink.errors)
    if task.row.targets not in row.targets:
        fitting = tuple(one.name for one in DATA.rows if task.row.targets in one.targets)
        scope.sink.report(catalogue.DataWithoutTargets(span=item.span, data=row.name, task=task.name, fitting=fitting))
        return INSTEAD
    bound = _bound(item.source, row, scope, task)
    portions = {name: _portion(bound.pop(name), scope, name, row) for name in _portions_of(row) if name in bound}
    given = _given(bound, row, scope)
    _take_outputs(given, row, task, item, scope)
    if len(scope.sink.errors) > before:
        return INSTEAD
    try:
        whole_set = evolve(row.facts_of(given), task=task)
    except ValueError as error:
        scope.sink.report(catalogue.UnfitDataArguments(span=item.source.span, name=row.name, reason=str(error)))
        return INSTEAD
    scope.defaults.extend(f"data: {note}" for note in row.notes(given))
    facts = divided(whole_set, portions.get("train"), portions.get("validation"))
    wrong = fault_of_parts(facts, num_drawable(facts)) if portions else None
    if wrong is not None:
        scope.sink.report(evolve(wrong, span=item.source.span))
    return facts


def _portions_of(row: DataRow) -> tuple[str, ...]:
    """The portions that can be asked for; an argument of the row's own goes first."""
    return tuple(name for name in PORTIONS if all(one.name != name for one in row.arguments))


def _portion(value: tree.Value, scope: Scope, name: str, row: DataRow) -> Portion:
    """A number of images, or a share of those there are."""
    what, settled = f"`{name}` of `{row.name}`", scope.settle(value)
    if name == "validation" and row.may_validate and word_of(settled) == GIVEN:
        return Portion(is_given=True)
    if isinstance(settled, tree.Number) and settled.is_percent:
        return Portion(share=float(number(value, scope, what, SHARE)))
    return Portion(count=whole(value, scope, what))


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


def _bound(call: tree.Call, row: DataRow, scope: Scope, task: Task) -> dict[str, tree.Value]:
    """The arguments by name, as they were written; those that must be given are there, or it is reported."""
    names = tuple(one.name for one in row.arguments)
    settled = (CLASSES,) if task.outputs is not None else ()
    required = tuple(one.name for one in row.arguments if one.default is None and one.name not in settled)
    return bind(call, scope, Signature((*names, *_portions_of(row)), required, row.num_plain, row.is_open))


def _take_outputs(given: dict[str, Any], row: DataRow, task: Task, item: tree.DataItem, scope: Scope) -> None:
    """Where the task says how many outputs members have, the data need not, and cannot say another number."""
    if task.outputs is None or all(one.name != CLASSES for one in row.arguments):
        return
    if given.setdefault(CLASSES, task.outputs) != task.outputs:
        reason = f"`{CLASSES}` says {given[CLASSES]} outputs, where `task {task}` has {task.outputs}"
        scope.sink.report(catalogue.UnfitDataArguments(span=item.source.span, name=row.name, reason=reason))


def _given(bound: dict[str, tree.Value], row: DataRow, scope: Scope) -> dict[str, Any]:
    """The arguments of the row's own: those that are declared, with their defaults, and any others of an open row."""
    declared = {one.name: one for one in row.arguments}
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
