"""The examples of docs/reference/language.md: all are right, but for those headed by the codes they get."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from swc.cli.check import check_one
from swc.diagnostics import Sink
from swc.diagnostics.render import render
from swc.language.syntax.printer import format_text
from swc.program import vocabulary
from swc.program.datasets import DATASETS
from swc.program.reference import filled
from swc.registry.families import FAMILIES
from swc.registry.policies import POLICIES

PAGE = (Path(__file__).parents[2] / "docs/reference/language.md").read_text(encoding="utf-8")
FENCED = re.findall(r"^```sw(?P<codes>(?: SW\d{3})*)\n(?P<text>.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = [pytest.param(codes.split(), text, id=f"example_{n}") for n, (codes, text) in enumerate(FENCED, start=1)]


@pytest.mark.parametrize(("codes", "text"), EXAMPLES)
def test_an_example_is_right_or_wrong_as_it_says(
    codes: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("example.sw")
    path.write_text(text, encoding="utf-8")
    sink = Sink()
    check_one(path, None, {}, sink)
    assert [d.code for d in sink.diagnostics] == codes, render(sink.diagnostics)


@pytest.mark.parametrize(("codes", "text"), EXAMPLES)
def test_an_example_is_laid_out_as_the_formatter_does(codes: list[str], text: str) -> None:
    if not any(code.startswith("SW0") for code in codes) and "is usual, but not needed" not in text:
        assert format_text(text, file="example.sw") == text


def test_every_fence_of_the_language_is_an_example() -> None:
    assert len(re.findall(r"^```sw", PAGE, re.MULTILINE)) == len(EXAMPLES) > 15


def test_every_word_of_the_vocabulary_is_documented() -> None:
    words = {
        *(name for registry in (FAMILIES, POLICIES) for name in registry.names),
        *(one.name for registry in (FAMILIES, POLICIES) for row in registry.rows for one in row.arguments),
        *vocabulary.STEPS,
        *(argument.name for arguments in vocabulary.STEPS.values() for argument in arguments),
        *vocabulary.COEFFICIENTS,
        *vocabulary.BLOCKS,
        *vocabulary.OBJECTIVES,
        *vocabulary.LINKAGES,
        *vocabulary.ACROSS,
        *vocabulary.INITIALISATIONS,
        *vocabulary.SELECTORS,
        *vocabulary.PRECISIONS,
        *vocabulary.NO_DECAY,
        *DATASETS,
    }
    quoted = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", PAGE))))
    assert not words - quoted


def test_the_words_of_the_grammar_are_documented() -> None:
    grammar = (Path(__file__).parents[2] / "grammars/sw.lark").read_text(encoding="utf-8")
    rules = "\n".join(line.partition("//")[0] for line in grammar.splitlines())
    words = set(re.findall(r'"(\w+)"', rules))
    _, _, summary = PAGE.partition("## Grammar")
    assert words == set(re.findall(r'"(\w+)"', summary))


def test_the_tables_of_rows_are_up_to_date() -> None:
    assert filled(PAGE) == PAGE, "run: python -m swc.program.reference docs/reference/language.md"
    assert set(re.findall(r"<!-- rows of ([^>]+) -->", PAGE)) == {
        "augmentation",
        "average",
        "loss",
        "optimiser",
        "schedule",
        "task",
    }
