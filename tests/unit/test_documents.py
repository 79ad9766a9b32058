"""The documents: links lead somewhere, specs in them are right, and commands named in the README exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from swc.cli.main import COMMANDS
from swc.diagnostics import Sink
from swc.language.semantics.check import check_text
from swc.language.syntax.printer import format_text

ROOT = Path(__file__).parents[2]
DOCUMENTS = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
SPEC = re.compile(r"^```sw\n(.*?)^```", re.M | re.S)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    targets = [found for found in LINK.findall(document.read_text("utf-8")) if "://" not in found]
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert missing == []


WITH_SPECS = [path for path in DOCUMENTS if "reference" not in path.parts and SPEC.search(path.read_text("utf-8"))]


@pytest.mark.parametrize("document", WITH_SPECS, ids=named)
def test_ensembles_in_documents_check_without_a_warning(document: Path) -> None:
    for text in SPEC.findall(document.read_text("utf-8")):
        assert format_text(text) == text
        if "ensemble" in text:
            sink = Sink()
            check_text(text, named(document), sink=sink)
            assert sink.diagnostics == []


def test_the_readme_and_the_tutorial_show_specs() -> None:
    assert {"README.md", "docs/tutorial/first_ensemble.md"} <= {named(path) for path in WITH_SPECS}


def test_commands_named_in_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    found = set(re.findall(r"(?:`|^)swc ([a-z]+)\b", text, re.M))
    assert found == set(COMMANDS)
