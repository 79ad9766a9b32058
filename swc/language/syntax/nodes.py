"""Building syntax trees from values, for text that no author wrote.

Takes names and values of Python; gives nodes without a place. Guarantees: what they print as means the same value again
(`repr` of a float is read back to the same float).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from swc.diagnostics import Span
from swc.language.syntax import tree as t

NOWHERE = Span("<built>", 0, 0, 0, "")  # the place of nodes that nobody wrote


def name_node(text: str) -> t.Name:
    """A bare word."""
    return t.Name(text, NOWHERE)


def value_node(value: Any) -> t.Value:
    """A number, a text in quotes, `yes` or `no`, a list of such; a node stays as it is."""
    match value:
        case t.Number() | t.Text() | t.Name() | t.ListOf():
            return value
        case bool():
            return name_node("yes" if value else "no")
        case int() | float():
            return t.Number(repr(value), value, NOWHERE)
        case str():
            return t.Text(value, NOWHERE)
    return t.ListOf(tuple(map(value_node, value)), NOWHERE)


def call_node(name: str, named: Mapping[str, Any] | None = None, plain: Iterable[Any] = ()) -> t.Call:
    """A call of `name` with plain arguments and, after them, named ones."""
    arguments = [t.CallArgument(None, value_node(value), NOWHERE) for value in plain]
    arguments += [t.CallArgument(name_node(key), value_node(value), NOWHERE) for key, value in (named or {}).items()]
    return t.Call(name_node(name), tuple(arguments), NOWHERE)
