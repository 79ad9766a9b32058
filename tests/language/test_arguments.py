"""Arguments that rows declare, bound to calls: types, ranges, lists, defaults."""

from __future__ import annotations

from typing import Any

import pytest
from swc.diagnostics import Sink
from swc.language.semantics.calls import bind_declared, row_of
from swc.language.semantics.scope import Scope
from swc.language.syntax import tree
from swc.language.syntax.parser import parse_text
from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, RegistryRow, shown_value

DECLARED = (
    ArgumentRow("rate", "number", above=0, default=0.5, what="a rate"),
    ArgumentRow("pair", "numbers", least=0, below=1, length=2, default=(0.9, 0.99)),
    ArgumentRow("times", "numbers", above=0, rises=True, default=(1.0,)),
    ArgumentRow("on", "yes or no", default=True),
    ArgumentRow("count", "whole number", least=1, default=3),
    ArgumentRow("note", "text", default=""),
)
ROW = RegistryRow(name="thing", words="a thing", implementation="math:floor", arguments=DECLARED)
THINGS: Registry[RegistryRow] = Registry("thing", "swc.things", RegistryRow, (ROW,))


def call_of(text: str) -> tree.Call:
    (recipe,) = parse_text(f"recipe r {{ optimiser {text} }}", "test").definitions
    assert isinstance(recipe, tree.RecipeDefinition)
    (item,) = recipe.items
    assert isinstance(item, tree.OptimiserItem)
    return item.call


def bound(text: str) -> tuple[dict[str, Any], Scope]:
    scope = Scope(Sink())
    return bind_declared(call_of(text), scope, DECLARED, "here"), scope


def test_what_is_left_out_has_its_default_and_is_noted() -> None:
    found, scope = bound("thing(pair: [0, 0.5], on: no)")
    assert found == {"rate": 0.5, "pair": (0.0, 0.5), "times": (1.0,), "on": False, "count": 3}
    assert scope.defaults == ["here: rate 0.5", "here: times [1]", "here: count 3"]
    assert not scope.sink.diagnostics


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("thing(rate: 0)", "SW202", "a rate must be above 0, not 0"),
        ("thing(pair: [0.5])", "SW160", "`pair` of `thing` takes 2 values, not 1"),
        ("thing(pair: [0.5, 1])", "SW202", "a number in `pair` of `thing` must be at least 0 and below 1, not 1"),
        ("thing(pair: 0.5)", "SW201", "`pair` of `thing` is a list, not the number `0.5`"),
        ("thing(times: [2, 1])", "SW208", "milestones `[2, 1]` do not rise"),
        ("thing(count: 1.5)", "SW201", "`count` of `thing` is a whole number, not the number `1.5`"),
        ("thing(other: 1)", "SW106", "`thing` takes no argument `other`"),
    ],
)
def test_a_mistake_is_told_once(text: str, code: str, message: str) -> None:
    _, scope = bound(text)
    assert [(told.code, told.message()) for told in scope.sink.diagnostics] == [(code, message)]


def test_checking_goes_on_with_the_default() -> None:
    found, _ = bound("thing(rate: 0, pair: [1], count: 0)")
    assert found["rate"] == 0.5 and found["pair"] == (0.9, 0.99) and found["count"] == 3


def test_a_name_stands_for_its_row() -> None:
    scope = Scope(Sink())
    assert row_of(call_of("thing").name, THINGS, scope) is ROW
    assert row_of(call_of("thong").name, THINGS, scope) is None
    (told,) = scope.sink.diagnostics
    assert (told.code, told.help()) == ("SW108", "did you mean `thing`?")


@pytest.mark.parametrize(
    ("value", "text"), [(True, "yes"), (0.5, "0.5"), ((0.9, 1.0), "[0.9, 1]"), ("word", "word"), (5e-4, "0.0005")]
)
def test_a_value_is_shown_as_one_writes_it(value: Any, text: str) -> None:
    assert shown_value(value) == text
