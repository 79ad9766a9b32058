"""The glossary: every word once, each with a place in the code that exists, and a link from the README."""

from __future__ import annotations

import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (\*\*.+?) \| (.+) \| `([\w.]+)` \|$", (ROOT / "docs/reference/glossary.md").read_text("utf-8"), re.M
)
WORDS = [word for words, _, _ in ROWS for word in re.findall(r"\*\*(.+?)\*\*", words)]


def stands(place: str) -> bool:
    """Whether a module, or a name in one, is there."""
    try:
        import_module(place)
    except ModuleNotFoundError:
        module, _, name = place.rpartition(".")
        return hasattr(import_module(module), name)
    return True


def test_every_word_stands_once() -> None:
    assert len(WORDS) >= 60
    assert [word for word, times in Counter(word.lower() for word in WORDS).items() if times > 1] == []


@pytest.mark.parametrize(("word", "meaning", "place"), ROWS, ids=[row[0] for row in ROWS])
def test_a_word_has_a_meaning_and_a_place_in_the_code(word: str, meaning: str, place: str) -> None:
    assert len(meaning.split()) >= 4
    assert stands(place), f"{word}: {place} is not there"


def test_a_place_that_is_not_there_shows() -> None:
    assert stands("swc.program.spec") and stands("swc.program.spec.Spec")
    assert not stands("swc.program.spec.Nothing")


def test_every_line_of_a_table_is_read() -> None:
    text = (ROOT / "docs/reference/glossary.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| **")]
    assert len(lines) == len(ROWS)


def test_the_readme_leads_to_the_glossary() -> None:
    assert "(docs/reference/glossary.md)" in (ROOT / "README.md").read_text("utf-8")
