"""Every diagnostic has a code of its own, an explanation of substance, a place in the reference, and a test."""

from __future__ import annotations

import re
from inspect import cleandoc
from pathlib import Path

import pytest
from swc.diagnostics import catalogue
from swc.diagnostics.codes import AREAS, CATALOGUE
from swc.diagnostics.diagnostic import Diagnostic
from swc.diagnostics.reference import reference

from support.triggers import triggers

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"


def every_class() -> set[type[Diagnostic]]:
    """All subclasses that the modules of the catalogue define."""
    assert catalogue.__file__ is not None
    modules = {f"swc.diagnostics.catalogue.{path.stem}" for path in Path(catalogue.__file__).parent.glob("*.py")}
    return {found for found in _below(Diagnostic) if found.__module__ in modules}


def _below(parent: type[Diagnostic]) -> set[type[Diagnostic]]:
    children = set(parent.__subclasses__())
    return children.union(*(_below(child) for child in children)) if children else children


def test_codes_are_unique_and_well_formed() -> None:
    codes = [found.code for _, classes in AREAS for found in classes]
    assert sorted(codes) == sorted(set(codes))
    assert all(re.fullmatch(r"SW\d{3}", code) for code in codes)
    assert list(CATALOGUE) == sorted(codes)


def test_the_catalogue_is_complete() -> None:
    # attrs makes a class twice to give it slots, so classes are compared by name
    defined = {(found.__module__, found.__qualname__) for found in every_class() if "code" in vars(found)}
    assert defined == {(found.__module__, found.__qualname__) for found in CATALOGUE.values()}


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_code_is_explained(code: str) -> None:
    explanation = cleandoc(CATALOGUE[code].__doc__ or "")
    first, _, rest = explanation.partition("\n\n")
    assert first.endswith("."), "the first paragraph says what happened, as a sentence"
    assert len(re.findall(r"[.?](?:\s|$)", rest)) >= 2, "the rest says why, and what to do"


def test_the_reference_is_up_to_date() -> None:
    page = (ROOT / "docs/reference/diagnostics.md").read_text(encoding="utf-8")
    assert page == reference(), "run: python -m swc.diagnostics.reference > docs/reference/diagnostics.md"


WHERE = triggers(TESTS, {found.__name__: code for code, found in CATALOGUE.items()})
MADE_UP = {"SW991", "SW992", "SW993", "SW998", "SW999"}  # of diagnostics that tests define


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_code_is_tested(code: str) -> None:
    """By a program in tests/language/mistakes, or by a test that names the code or the class."""
    assert WHERE.get(code), f"no test triggers {code}, {CATALOGUE[code].__name__}"


def test_tests_name_no_code_that_is_gone() -> None:
    assert set(WHERE) - MADE_UP <= set(CATALOGUE)


def test_what_only_mentions_a_code_does_not_count(tmp_path: Path) -> None:
    """An import, a docstring, a comment and `swc explain` are no tests of a diagnostic; a class or a code is one."""
    (tmp_path / "test_any.py").write_text(
        'from a import First\n\ndef test_any():\n    """About SW991."""\n    run("explain", "SW991")  # SW991\n'
    )
    classes = {"First": "SW991", "Second": "SW992"}
    assert triggers(tmp_path, classes) == {}
    (tmp_path / "test_more.py").write_text("assert isinstance(told, Second)\nassert '[SW991]' in shown\n")
    (tmp_path / "one.expected").write_text("error[SW993]: a mistake\n")
    expected = {"SW991": ["test_more.py"], "SW992": ["test_more.py"], "SW993": ["one.expected"]}
    assert triggers(tmp_path, classes) == expected
