"""Registries: ours first, then what installed packages offer; what is broken there is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from attrs import evolve
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.plugins import AmbiguousPlugIn, BrokenPlugIn
from swc.registry.offers import PlugIn
from swc.registry.optimisers import OPTIMISERS
from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, RegistryRow

from support.plug_ins import install

ROWS = (
    RegistryRow(name="first", words="the first", implementation="math:floor"),
    RegistryRow(name="second", words="the second", implementation="math:ceil"),
)
THINGS: Registry[RegistryRow] = Registry("thing", "swc.things", RegistryRow, ROWS)
TEXT = """
    from swc.registry.row import RegistryRow
    row = RegistryRow(name="third", words="the third", implementation="math:trunc")
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("thing_third", "thing_else"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def offer(folder: Path, text: str = TEXT, name: str = "third", value: str = "thing_third:row") -> None:
    install(folder, "things-more", {"swc.things": {name: value}}, {value.partition(":")[0]: text})


def test_a_name_of_ours_has_its_row_and_is_imported_late() -> None:
    assert THINGS["second"] is ROWS[1]
    assert "third" not in THINGS
    assert THINGS.load("second")(1.5) == 2
    assert THINGS.origin("first") is None


def test_a_plug_in_offers_a_row(packages: Path) -> None:
    offer(packages)
    assert THINGS["third"].words == "the third"
    assert THINGS.load("third")(-1.5) == -1
    assert THINGS.origin("third") == PlugIn("thing", "third", "things-more", "1.2")
    assert THINGS.choices() == ("first", "second", "third")
    assert THINGS.names == ("first", "second")


def test_our_names_cannot_be_replaced(packages: Path) -> None:
    offer(packages, "raise RuntimeError('was imported')", name="first")
    assert THINGS["first"] is ROWS[0]
    assert THINGS.origin("first") is None
    assert THINGS.choices() == ("first", "second")


def test_nothing_is_imported_that_is_not_named(packages: Path) -> None:
    offer(packages, "raise RuntimeError('was imported')")
    assert THINGS.find("fourth") is None
    assert THINGS.choices() == ("first", "second", "third")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError('not today')", "RuntimeError: not today"),
        ("row = 3", "`thing_third:row` is a int, not a RegistryRow"),
        ("other = 3", "AttributeError: module 'thing_third' has no attribute 'row'"),
        (TEXT.replace('name="third"', 'name="other"'), "its row calls itself `other`"),
        (TEXT.replace("math:trunc", "math.trunc"), "its implementation 'math.trunc' is not of the form"),
        (TEXT.replace("the third", " "), "its `words` are empty"),
    ],
)
def test_a_broken_plug_in_is_told_with_its_fault(packages: Path, text: str, reason: str) -> None:
    offer(packages, text)
    with pytest.raises(DiagnosticError) as caught:
        THINGS.find("third")
    (told,) = caught.value.diagnostics
    assert isinstance(told, BrokenPlugIn)
    assert (told.distribution, told.version) == ("things-more", "1.2")
    assert told.reason.startswith(reason)


def test_an_implementation_that_is_not_there_is_the_plug_ins_fault(packages: Path) -> None:
    offer(packages, TEXT.replace("math:trunc", "math:nothing"))
    with pytest.raises(DiagnosticError) as caught:
        THINGS.load("third")
    (told,) = caught.value.diagnostics
    assert isinstance(told, BrokenPlugIn)
    assert "`math:nothing`: AttributeError" in told.reason


def test_two_plug_ins_with_one_name_are_told(packages: Path) -> None:
    offer(packages)
    install(packages, "things-else", {"swc.things": {"third": "thing_else:row"}}, {"thing_else": TEXT})
    with pytest.raises(DiagnosticError) as caught:
        THINGS.find("third")
    (told,) = caught.value.diagnostics
    assert isinstance(told, AmbiguousPlugIn)
    assert told.distributions == ("things-else", "things-more")


RATE = ArgumentRow("rate", "number", above=0, below=1, default=0.5)


@pytest.mark.parametrize(
    ("argument", "fault"),
    [
        (RATE, ""),
        (evolve(RATE, default=None), ""),
        (evolve(RATE, default=1), "the default 1 of `rate` is no number in its range"),
        (evolve(RATE, default=True), "the default True of `rate` is no number in its range"),
        (evolve(RATE, name="a rate"), "the argument 'a rate' has no plain name"),
        (ArgumentRow("pair", "numbers", least=0, length=2, default=(0.5, 1)), ""),
        (ArgumentRow("pair", "numbers", least=0, length=2, default=(1,)), "the default (1,) of `pair` is no numbers"),
        (ArgumentRow("count", "whole number", default=1.5), "the default 1.5 of `count` is no whole number"),
        (ArgumentRow("way", "text", words=("a", "b"), default="c"), "the default 'c' of `way` is no text"),
    ],
)
def test_a_declaration_is_checked(argument: ArgumentRow, fault: str) -> None:
    row = RegistryRow(name="r", words="a row", implementation="a:b", arguments=(argument,))
    assert row.fault().startswith(fault) and bool(row.fault()) == bool(fault)
    assert evolve(row, arguments=(argument, argument)).fault()


@pytest.mark.parametrize("name", ["state", "tally", "best", "average", "best_average"])
def test_the_state_of_an_optimiser_is_not_called_as_something_else_in_checkpoints(name: str) -> None:
    adamw = OPTIMISERS["adamw"]
    assert not adamw.fault()
    taken = evolve(adamw.state[0], name=name)
    assert evolve(adamw, state=(taken, *adamw.state[1:])).fault() == f"its state may not be called `{name}`"
