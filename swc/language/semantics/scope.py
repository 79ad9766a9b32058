"""Scopes: what a bare name stands for at a place.

Takes params or parameters with their values, gives settled values. Guarantees: a settled value holds no name that is
a param; what was used is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, evolve, field

from swc.diagnostics import Sink, catalogue
from swc.language.semantics.extent import Extent
from swc.language.syntax.tree import Amount, ListOf, Name, Number, Text, Value
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
    """A scope in which every param has its value, whichever order they are declared in; cycles are reported."""
    scope = Scope(sink, dict(params), extent=extent)
    settled: dict[str, Value | Amount] = {}
    for name in params:
        _follow(name, params, settled, scope)
    sink.raise_errors()  # a param without a value would seem to have a wrong one wherever it is used
    inner = {name: _inner(settled[name], settled, scope) for name in params}
    return evolve(scope, values=inner)


def _follow(name: str, params: Mapping[str, Value | Amount], settled: dict[str, Value | Amount], scope: Scope) -> None:
    """Settle a param and all that it leads to, each once."""
    chain: dict[str, None] = {}
    while name not in settled and name not in chain:
        chain[name] = None
        value = params[name]
        if not isinstance(value, Name) or value.text not in params:
            settled[name] = value
            break
        scope.used.add(value.text)
        name = value.text
    if name not in settled:
        settled[name] = _circle(name, tuple(chain), params, scope.sink)
    for link in chain:
        settled[link] = settled[name]


def _circle(name: str, chain: tuple[str, ...], params: Mapping[str, Value | Amount], sink: Sink) -> Number:
    """Report a circle, from its first name by the alphabet on; gives a value to go on with."""
    circle = chain[chain.index(name) :]
    first = circle.index(min(circle))
    told = (*circle[first:], *circle[: first + 1])
    span = params[told[-2]].span
    sink.report(catalogue.ParamCycle(span=span, chain=told))
    return Number("1", 1, span)


def _inner(value: Value | Amount, settled: Mapping[str, Value | Amount], scope: Scope) -> Value | Amount:
    """Settle the names inside an amount or a list."""
    if isinstance(value, Amount) and isinstance(value.value, Name) and value.value.text in settled:
        scope.used.add(value.value.text)
        found = settled[value.value.text]
        return value if isinstance(found, Amount) else evolve(value, value=found)
    if isinstance(value, ListOf):
        names = {item.text for item in value.items if isinstance(item, Name)}
        scope.used.update(name for name in names if name in settled)
        plain = Scope(scope.sink, settled, extent=scope.extent)
        return plain.settle(value) if not any(isinstance(settled.get(n), ListOf) for n in names) else value
    return value


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
