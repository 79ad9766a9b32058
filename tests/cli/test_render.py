from __future__ import annotations

import json
from typing import ClassVar

import pytest
from attrs import frozen
from swc.diagnostics import Diagnostic, Severity, Span
from swc.diagnostics.render import render, render_json, render_one, summary, underlined
from swc.diagnostics.suggest import closest


@frozen(kw_only=True)
class Wrong(Diagnostic):
    """For these tests."""

    code: ClassVar[str] = "SW999"
    name: str = "x"

    def message(self) -> str:
        return f"`{self.name}` is wrong"

    def help(self) -> str:
        return "write it right"

    def notes(self) -> tuple[str, ...]:
        return ("first fact", "second fact\nin two lines")


@frozen(kw_only=True)
class Odd(Diagnostic):
    """For these tests."""

    code: ClassVar[str] = "SW998"
    severity: ClassVar[Severity] = Severity.WARNING

    def message(self) -> str:
        return "this is odd"


def span(text: str, marked: str, line: int = 3) -> Span:
    return Span("a.sw", line, text.index(marked) + 1, len(marked), text)


def under(text: str, marked: str) -> str:
    source, start, width = underlined(span(text, marked))
    assert len(source) >= 0
    return " " * start + "^" * width


def test_a_diagnostic_shows_the_place_the_facts_and_the_way_out() -> None:
    text = render_one(Wrong(span=span("  member deep = wrn(dept: 28)", "dept", line=12)))
    assert text == (
        "error[SW999]: `x` is wrong\n"
        "  --> a.sw:12:21\n"
        "   |\n"
        "12 |   member deep = wrn(dept: 28)\n"
        "   |                     ^^^^\n"
        "   = note: first fact\n"
        "   = note: second fact\n"
        "           in two lines\n"
        "   = help: write it right"
    )


def test_a_diagnostic_without_a_place_has_no_source_line() -> None:
    assert render_one(Odd()) == "warning[SW998]: this is odd"


def test_tabs_are_shown_as_spaces_and_the_underline_follows() -> None:
    source, start, width = underlined(span("\tbatch\t12", "12"))
    assert source == "    batch   12"
    assert source[start : start + width] == "12"


def test_wide_characters_take_two_cells_and_combining_ones_none() -> None:
    assert under('import "漢字.sw" x', "x") == " " * 17 + "^"
    assert under('"漢字"', "漢字") == " ^^^^"
    assert under("e\u0301 = x", "x") == "    ^"


def test_control_characters_of_a_source_line_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in render_one(Wrong(span=span("a \x1b[31m b", "b")))


@pytest.mark.parametrize(("column", "length", "expected"), [(4, 0, (3, 1)), (1, 0, (0, 1)), (6, 1, (5, 1))])
def test_an_empty_span_or_one_past_the_line_still_has_a_caret(column: int, length: int, expected: object) -> None:
    assert underlined(Span("a.sw", 1, column, length, "abc"))[1:] == expected


def test_several_stand_in_the_order_of_their_places_with_a_summary() -> None:
    late, early = Wrong(span=span("late", "late", line=9)), Odd(span=span("early", "early", line=2))
    text = render([Wrong(name="nowhere"), late, early])
    order = [text.index(part) for part in ("early", "late", "nowhere")]
    assert order == sorted(order)
    assert text.endswith("\n\n2 errors, 1 warning\n")


def test_nothing_renders_as_nothing() -> None:
    assert render([]) == ""
    assert summary([Wrong()]) == "1 error"


def test_colour_changes_nothing_but_escape_sequences() -> None:
    import re

    found = [Wrong(span=span("batch 1", "1")), Odd()]
    coloured = render(found, colour=True)
    assert "\x1b[1;31m" in coloured and "\x1b[1;33m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render(found)


def test_json_has_the_stable_keys() -> None:
    document = json.loads(render_json([Odd(), Wrong(span=span("batch 1", "1"))]))
    assert (document["errors"], document["warnings"]) == (1, 1)
    assert document["diagnostics"][0] == {
        "code": "SW999",
        "severity": "error",
        "message": "`x` is wrong",
        "file": "a.sw",
        "line": 3,
        "column": 7,
        "length": 1,
        "help": "write it right",
        "notes": ["first fact", "second fact\nin two lines"],
    }
    assert document["diagnostics"][1]["file"] is None
    assert document["diagnostics"][1]["notes"] == []


def test_did_you_mean() -> None:
    assert closest("dept", ["depth", "width"]) == "depth"
    assert closest("Depth", {"depth", "width"}) == "depth"
    assert closest("zebra", ["depth", "width"]) is None
    assert closest("depth", []) is None
