"""Typed readers: a value of the syntax tree as a number, a word, a text, in its range and unit.

Takes a value and the scope it stands in, gives plain data. Guarantees: a mistake is reported to the scope's sink, at
the place where the value was written, and the fallback is given, so that checking goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from swc.diagnostics import Diagnostic, catalogue
from swc.language.semantics.scope import YES_NO, Scope, show
from swc.language.syntax.tree import Amount, ListOf, Name, Number, Text, Value
from swc.program import limits as most
from swc.registry.ranges import Range

T = TypeVar("T")

ANY = Range()
COUNT = Range(least=1)
FEW = Range(least=1, most=10_000)  # members of an array, bins
SOME = Range(least=1, most=most.TEMPLATES)
EPOCHS = Range(least=1, most=most.EPOCHS)
NOT_NEGATIVE = Range(least=0)
POSITIVE = Range(above=0)
COSINE = Range(least=-1, most=1)
SKETCH = Range(least=64, most=1 << 20)  # from an error of 0.125 to one of 0.001


def number(value: Value, scope: Scope, what: str, limits: Range = ANY, *, fallback: float = 1) -> float:
    """A number within its range; per cent only where the value is a share."""
    found = scope.settle(value)
    if not isinstance(found, Number):
        return _refuse(scope, _no_number(value, found, scope, what, "a number"), fallback)
    if not limits.holds(found.value):
        wanted = limits.in_per_cent if found.is_percent else str(limits)
        return _refuse(
            scope, catalogue.OutOfRange(span=found.span, what=what, wanted=wanted, found=found.text), fallback
        )
    return found.value


def whole(value: Value, scope: Scope, what: str, limits: Range = COUNT, *, fallback: int = 1) -> int:
    """A whole number within its range."""
    found = scope.settle(value)
    if isinstance(found, Number) and found.is_percent:
        advice = f"{what} is a count: write it without `%`"
        return _refuse(
            scope, catalogue.WrongUnit(span=found.span, what=what, found=found.text, advice=advice), fallback
        )
    if not isinstance(found, Number) or not isinstance(found.value, int):
        return _refuse(scope, _no_number(value, found, scope, what, "a whole number"), fallback)
    return int(number(value, scope, what, limits, fallback=fallback))


def _no_number(value: Value, found: Value | Amount, scope: Scope, what: str, wanted: str) -> Diagnostic:
    if isinstance(found, Name) and found is value:
        return catalogue.UnknownParam(span=found.span, name=found.text, params=scope.names)
    return catalogue.WrongType(span=found.span, what=what, wanted=wanted, found=kind_of(found))


def _refuse(scope: Scope, diagnostic: Diagnostic, fallback: T) -> T:
    scope.sink.report(diagnostic)
    return fallback


def text(value: Value, scope: Scope, what: str) -> str:
    """A text in quotes."""
    found = scope.settle(value)
    if isinstance(found, Text):
        return found.value
    return _refuse(
        scope, catalogue.WrongType(span=found.span, what=what, wanted="a text in quotes", found=kind_of(found)), ""
    )


def yes_no(value: Value, scope: Scope, what: str) -> bool:
    """`yes` or `no`."""
    found = scope.settle(value)
    if isinstance(found, Name) and found.text in YES_NO:
        return YES_NO[found.text]
    wrong = catalogue.WrongType(span=found.span, what=what, wanted="`yes` or `no`", found=kind_of(found))
    return _refuse(scope, wrong, False)


def choice(value: Value, scope: Scope, what: str, choices: Sequence[str], *, fallback: str | None = None) -> str:
    """One of a few words; the fallback is the first of them."""
    found = scope.settle(value)
    word = word_of(found)
    if word is not None and word in choices:
        return word
    fallback = choices[0] if fallback is None else fallback
    if word is None:
        wanted = f"one of {', '.join(choices)}"
        return _refuse(
            scope, catalogue.WrongType(span=found.span, what=what, wanted=wanted, found=kind_of(found)), fallback
        )
    return _refuse(
        scope, catalogue.UnknownChoice(span=found.span, name=word, what=what, choices=tuple(choices)), fallback
    )


def is_choice(value: Value, scope: Scope, choices: Sequence[str]) -> bool:
    """Whether a value is one of a few words."""
    return word_of(scope.settle(value)) in choices


def word_of(value: Value | Amount) -> str | None:
    """The word or text that a settled value is; None for any other."""
    match value:
        case Name(word) | Text(word):
            return word
        case _:
            return None


def items(value: Value, scope: Scope, what: str) -> tuple[Value, ...]:
    """The items of a list."""
    found = scope.settle(value)
    if isinstance(found, ListOf):
        return found.items
    return _refuse(scope, catalogue.WrongType(span=found.span, what=what, wanted="a list", found=kind_of(found)), ())


def kind_of(value: Value | Amount) -> str:
    """What a value is, for messages."""
    match value:
        case Number():
            return f"the number `{value.text}`"
        case Text():
            return f"the text `{show(value)}`"
        case Name():
            return f"the word `{value.text}`"
        case ListOf():
            return "a list"
        case Amount():
            return f"the amount `{show(value)}`"
