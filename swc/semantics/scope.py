"""Scopes: what a bare name stands for at a place.

Takes params or parameters with their values, gives settled values. Guarantees: a settled value holds no name that is
a param; what was used is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, evolve, field

from swc.diagnostics import Sink, catalogue
from swc.syntax.tree import Amount, ListOf, Name, Number, Text, Value

YES_NO = {"yes": True, "no": False}


@define
class Scope:
    """The params that may be named, with settled values; `defaults` collects what is left to the compiler."""

    sink: Sink
    values: Mapping[str, Value | Amount] = field(factory=dict)
    defaults: list[str] = field(factory=list)
    used: set[str] = field(factory=set)

    @property
    def names(self) -> tuple[str, ...]:
        """The names that may stand for a value."""
        return tuple(sorted(self.values))

    def settle(self, value: Value) -> Value | Amount:
        """The value a name stands for; other values as they are, with the items of lists settled."""
        if isinstance(value, ListOf):
            return evolve(value, items=tuple(self._plain(item) for item in value.items))
        if not isinstance(value, Name) or value.text not in self.values:
            return value
        self.used.add(value.text)
        return self.values[value.text]

    def _plain(self, value: Value) -> Value:
        settled = self.settle(value)
        return value if isinstance(settled, Amount) else settled

    def inner(self, values: Mapping[str, Value | Amount]) -> Scope:
        """A scope of its own for a recipe or policy, sharing the sink and the defaults."""
        return Scope(self.sink, values, self.defaults)


def settle_params(params: Mapping[str, Value | Amount], sink: Sink) -> Scope:
    """A scope in which every param has its value, whichever order they are declared in; cycles are reported."""
    scope = Scope(sink, dict(params))
    settled = {name: _follow(name, params, sink, scope.used) for name in params}
    sink.raise_errors()  # a param without a value would seem to have a wrong one wherever it is used
    inner = {name: _inner(value, settled, scope.used) for name, value in settled.items()}
    return evolve(scope, values=inner)


def _follow(name: str, params: Mapping[str, Value | Amount], sink: Sink, used: set[str]) -> Value | Amount:
    chain = [name]
    value = params[name]
    while isinstance(value, Name) and value.text in params:
        if value.text in chain:
            circle = chain[chain.index(value.text) :]
            if name == min(circle):  # each circle is told once
                sink.report(catalogue.ParamCycle(span=value.span, chain=(*circle, value.text)))
            return Number("1", 1, value.span)
        used.add(value.text)
        chain.append(value.text)
        value = params[value.text]
    return value


def _inner(value: Value | Amount, settled: Mapping[str, Value | Amount], used: set[str]) -> Value | Amount:
    """Settle the names inside an amount or a list."""
    if isinstance(value, Amount) and isinstance(value.value, Name) and value.value.text in settled:
        used.add(value.value.text)
        found = settled[value.value.text]
        return value if isinstance(found, Amount) else evolve(value, value=found)
    if isinstance(value, ListOf):
        names = {item.text for item in value.items if isinstance(item, Name)}
        used.update(names & set(settled))
        scope = Scope(Sink(), settled)
        return scope.settle(value) if not any(isinstance(settled.get(n), ListOf) for n in names) else value
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
