"""Members and budget: what is trained, in how many scalars.

Takes items of an ensemble and its scope, gives the types of the spec. Guarantees: member names are unique.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from swc.diagnostics import Diagnostic, Span, catalogue
from swc.language.semantics import values
from swc.language.semantics.calls import Signature, bind, bind_declared, row_named
from swc.language.semantics.own_code import check_own_function, open_argument
from swc.language.semantics.scope import Scope
from swc.language.syntax import tree
from swc.program.limits import MEMBERS
from swc.program.model_source import ModelSource
from swc.program.spec import Budget, Member
from swc.program.steps import StepPlan
from swc.program.vocabulary import STEPS, WEIGHTS
from swc.registry.families import FAMILIES
from swc.registry.model_libraries import LIBRARIES

TOGETHER = "ensemble"  # what tables and records call all members together


def read_members(items: tuple[tree.MemberItem, ...], scope: Scope) -> tuple[Member, ...]:
    """All members, arrays spelled out; names that stand twice are reported."""
    first: dict[str, Span] = {}
    members: list[Member] = []
    for item in items:
        name = item.name.text
        if name == TOGETHER:
            scope.sink.report(catalogue.ReservedName(span=item.name.span, name=name))
        if name in first:
            what = f"member `{name}`"
            scope.sink.report(catalogue.DuplicateItem(span=item.name.span, what=what, first=str(first[name])))
            continue
        first[name] = item.name.span
        members += _members(item, scope, MEMBERS - len(members))
    return tuple(members)


def _members(item: tree.MemberItem, scope: Scope, left: int) -> Iterator[Member]:
    source = _source(item.source, scope, f"member {item.name.text}")
    weights = _weights(item, scope)
    is_joint = source.kind == "family" and FAMILIES[source.name].is_joint
    count = 1 if item.count is None else values.whole(item.count, scope, "a number of members", values.FEW)
    scope.extent.take(count, item.span, scope.sink)
    if count > left:
        scope.sink.report(catalogue.TooManyMembers(span=item.span, most=MEMBERS))
        scope.sink.raise_errors()
    if item.count is None:
        yield Member(item.name.text, _giving(source, 1) if is_joint else source, span=item.span, weights=weights)
        return
    if is_joint:
        source = _giving(source, count)
    for number in range(count):
        host = f"{item.name.text}[0]" if is_joint and number else ""
        yield Member(f"{item.name.text}[{number}]", source, item.span, host, "" if host else weights)


def _weights(item: tree.MemberItem, scope: Scope) -> str:
    """The file of the weights that a member begins with; "" where it begins with fresh ones."""
    if item.weights is None:
        return ""
    found = values.text(item.weights, scope, "a file of weights")
    if not found.endswith(WEIGHTS):
        span = scope.settle(item.weights).span
        scope.sink.report(catalogue.NoFileOfWeights(span=span, found=found))
    return found


def _giving(source: ModelSource, outputs: int) -> ModelSource:
    """A joint family's network with as many predictions as the array has members."""
    return evolve(source, arguments=tuple(sorted((*source.arguments, ("outputs", outputs)))))


def read_step(item: tree.StepItem, scope: Scope) -> StepPlan:
    """The step strategy that an ensemble states; an unknown one is reported."""
    call = scope.called(item.call)
    name = call.name.text
    if name not in STEPS:
        scope.sink.report(catalogue.UnknownStep(span=call.name.span, name=name, steps=tuple(STEPS)))
        return StepPlan()
    return StepPlan(name, tuple(sorted(bind_declared(call, scope, STEPS[name], f"step {name}").items())))


def _source(stated: tree.Call, scope: Scope, where: str) -> ModelSource:
    call = scope.called(stated)
    name = call.name.text
    if name in LIBRARIES:
        return _named_model(call, scope, name, "name")
    if name == "python":
        return _named_model(call, scope, "python", "factory")
    row = row_named(name, FAMILIES, call.name.span, scope, lambda: _unknown_family(call, scope))
    if row is None:
        return ModelSource("family", "wrn")
    arguments = bind_declared(call, scope, row.arguments, where)
    return ModelSource("family", name, tuple(sorted(arguments.items())))


def _unknown_family(call: tree.Call, scope: Scope) -> None:
    families = (*FAMILIES.choices(), "python", *LIBRARIES)
    scope.sink.report(catalogue.UnknownFamily(span=call.name.span, name=call.name.text, families=families))


def _named_model(call: tree.Call, scope: Scope, kind: str, key: str) -> ModelSource:
    given = bind(call, scope, Signature((key,), required=(key,), num_plain=1, is_open=True))
    named = given.pop(key, None)
    name = values.text(named, scope, f"the model of `{kind}`") if named is not None else ""
    arguments = tuple(sorted((k, open_argument(value, scope, k)) for k, value in given.items()))
    if kind in LIBRARIES:
        return ModelSource(kind, name, arguments)  # type: ignore[arg-type]  # a row's name is a kind
    if named is not None and name:
        check_own_function(name, scope.settle(named).span, scope)
    return ModelSource("python", name, arguments)


def read_budget(item: tree.BudgetItem, scope: Scope) -> Budget:
    """The budget, stated in place or held by a param."""
    amount = scope.settle(item.amount) if isinstance(item.amount, tree.Name) else item.amount
    if isinstance(amount, tree.Amount):
        return _amount(amount, scope, item.span)
    if isinstance(amount, tree.Number) and amount.is_percent:
        return _amount(tree.Amount("native", amount, amount.span), scope, item.span)
    scope.sink.report(_no_amount(item, amount, scope))
    return Budget("unlimited", span=item.span)


def _no_amount(item: tree.BudgetItem, found: tree.Value, scope: Scope) -> Diagnostic:
    if isinstance(found, tree.Number):
        name = item.amount.text if isinstance(item.amount, tree.Name) else found.text
        return catalogue.BudgetWithoutUnit(span=item.span, found=name)
    if found is item.amount and isinstance(found, tree.Name):
        return catalogue.UnknownParam(span=found.span, name=found.text, params=scope.names)
    return catalogue.WrongType(span=found.span, what="a budget", wanted="an amount", found=values.kind_of(found))


def _amount(amount: tree.Amount, scope: Scope, span: Span) -> Budget:
    if amount.value is None:
        return Budget("unlimited", span=span)
    if amount.kind == "native":
        return Budget("native", _share_of_native(amount.value, scope), span)
    advice_for = scope.settle(amount.value)
    if isinstance(advice_for, tree.Number) and advice_for.is_percent:
        advice = f"a share of the native size is written `{advice_for.text} of native`"
        scope.sink.report(
            catalogue.WrongUnit(span=advice_for.span, what=amount.kind, found=advice_for.text, advice=advice)
        )
        return Budget(amount.kind, 1, span)
    return Budget(amount.kind, values.whole(amount.value, scope, "a budget"), span)


def _in_per_cent(found: tree.Number) -> str:
    """The number as a share: 0.5 was most likely meant as a half."""
    return f"`{100 * found.value:g}% of native`" if 0 < found.value <= 2 else "`50% of native`"


def _share_of_native(value: tree.Value, scope: Scope) -> float:
    found = scope.settle(value)
    if isinstance(found, tree.Number) and not found.is_percent:
        count = f", or say `{found.text} templates`" if found.value >= 1 else ""
        advice = f"write it in per cent: {_in_per_cent(found)}{count}"
        what = "a share of the native size"
        scope.sink.report(catalogue.WrongUnit(span=found.span, what=what, found=found.text, advice=advice))
        return 1
    return values.number(value, scope, "a budget", values.POSITIVE)
