"""Scopes: what a bare name stands for at a place.

Takes params or parameters with their values, gives settled values. Guarantees: a settled value holds no name that is
a param; what was used is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from attrs import define, evolve, field

from swc.diagnostics import Sink, catalogue
from swc.language.semantics.extent import Extent
from swc.language.syntax.tree import Amount, Call, ListOf, Name, Number, Text, Value
from swc.language.syntax.walk import names_in
from swc.program.limits import LEVELS, LIST_VALUES

YES_NO = {"yes": True, "no": False}


@define
class Scope:
    """The params that may be named, with settled values; `defaults` collects what is left to the compiler."""

    sink: Sink
    values: Mapping[str, Value | Amount] = field(factory=dict)
    defaults: list[str] = field(factory=list)
    used: set[str] = field(factory=set)
    extent: Extent = field(factory=Extent)
    _names: tuple[str, ...] | None = field(default=None, init=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that may stand for a value."""
        if self._names is None:
            self._names = tuple(sorted(self.values))
        return self._names

    def settle(self, value: Value) -> Value | Amount:
        """The value a name stands for; other values as they are, with the items of lists settled.

        DiagnosticError with all that was found where a list grows beyond its limits.
        """
        if isinstance(value, ListOf):
            self._check_size(value)
            settled = evolve(value, items=tuple(self._plain(item) for item in value.items))
            self._check_size(settled)
            return settled
        if not isinstance(value, Name) or value.text not in self.values:
            return value
        self.used.add(value.text)
        return self.values[value.text]

    def called(self, call: Call) -> Call:
        """The call of what a param of the call's name stands for, where that is a word; else the call as it is."""
        match self.settle(call.name):
            case Name() as name:
                return evolve(call, name=name)
            case _:  # a number: `low_rank(rank: low_rank)`, say
                return call

    def _plain(self, value: Value) -> Value:
        settled = self.settle(value)
        return value if isinstance(settled, Amount) else settled

    def inner(self, values: Mapping[str, Value | Amount]) -> Scope:
        """A scope of its own for a recipe or policy, sharing the sink and the defaults."""
        return Scope(self.sink, values, self.defaults, extent=self.extent)

    def _check_size(self, value: ListOf) -> None:
        if value.size > LIST_VALUES:
            self.sink.report(catalogue.ListTooLong(span=value.span, most=LIST_VALUES))
        elif value.depth > LEVELS:
            self.sink.report(catalogue.TooDeep(span=value.span, what="lists", most=LEVELS))
        else:
            self.extent.take(len(value.items), value.span, self.sink)
            return
        self.sink.raise_errors()


def settle_params(params: Mapping[str, Value | Amount], sink: Sink, extent: Extent) -> Scope:
    """A scope in which every param has its value, whichever order they are declared in.

    DiagnosticError for circles, and for lists that grow beyond their limits.
    """
    leads = {name: [other for other in names_in(value) if other in params] for name, value in params.items()}
    try:
        order = tuple(TopologicalSorter(leads).static_order())
    except CycleError:
        _report_circles(params, leads, sink)
        order = ()
    sink.raise_errors()
    settled: dict[str, Value | Amount] = {}
    scope = Scope(sink, settled, used={other for others in leads.values() for other in others}, extent=extent)
    for name in order:
        settled[name] = _settled(params[name], scope)
    return evolve(scope, values={name: settled[name] for name in params})


def _settled(value: Value | Amount, scope: Scope) -> Value | Amount:
    """A value without the names of params that were settled before; an amount of an amount is left as it is."""
    if not isinstance(value, Amount):
        return scope.settle(value)
    found = None if value.value is None else scope.settle(value.value)
    return value if isinstance(found, Amount) else evolve(value, value=found)


def _report_circles(params: Mapping[str, Value | Amount], leads: Mapping[str, Sequence[str]], sink: Sink) -> None:
    """Report each circle, from its first name by the alphabet on."""
    import networkx as nx  # only where there is one

    graph = nx.DiGraph(leads)
    for knot in nx.strongly_connected_components(graph):
        if len(knot) > 1 or graph.has_edge(*knot, *knot):
            circle = [one for one, _ in nx.find_cycle(graph.subgraph(knot), min(knot))]
            first = circle.index(min(circle))
            told = (*circle[first:], *circle[: first + 1])
            sink.report(catalogue.ParamCycle(span=params[told[-2]].span, chain=told))


def show(value: Value | Amount) -> str:
    """A value as one writes it."""
    match value:
        case Amount(kind, inner):
            amount = show(inner) if inner is not None else ""
            return {"unlimited": "unlimited", "native": f"{amount} of native"}.get(kind, f"{amount} {kind}")
        case ListOf(items):
            return f"[{', '.join(show(item) for item in items)}]"
        case Text(text):
            return f'"{text}"'
        case _:
            return value.text


def scalar(value: Value | Amount) -> int | float | str | bool:
    """A value as plain data: numbers, texts and words as such, the rest as written."""
    match value:
        case Number():
            return value.value
        case Text(text):
            return text
        case Name(text):
            return YES_NO.get(text, text)
        case _:
            return show(value)
