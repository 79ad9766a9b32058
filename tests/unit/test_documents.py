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


ENSEMBLE = re.compile(r"^ensemble (\w+)", re.M)
WITH_SPECS = [path for path in DOCUMENTS if "reference" not in path.parts and SPEC.search(path.read_text("utf-8"))]


@pytest.mark.parametrize("document", WITH_SPECS, ids=named)
def test_ensembles_in_documents_check_without_a_warning(document: Path) -> None:
    for text in SPEC.findall(document.read_text("utf-8")):
        assert format_text(text) == text
        for ensemble in ENSEMBLE.findall(text):
            sink = Sink()
            check_text(text, named(document), ensemble, sink=sink)
            assert sink.diagnostics == []


def test_the_readme_and_the_tutorial_show_specs() -> None:
    assert {"README.md", "docs/tutorial/first_ensemble.md"} <= {named(path) for path in WITH_SPECS}


def commands_in(document: str) -> set[str]:
    return set(re.findall(r"(?:`|^)swc ([a-z]+)\b", (ROOT / document).read_text("utf-8"), re.M))


def test_the_page_of_commands_names_all_of_them() -> None:
    assert commands_in("docs/reference/commands.md") == set(COMMANDS)


def test_commands_named_in_the_readme_exist() -> None:
    assert {"compile", "train", "show"} <= commands_in("README.md") <= set(COMMANDS)


def test_every_document_is_in_the_list() -> None:
    text = (ROOT / "docs/README.md").read_text("utf-8")
    listed = {(ROOT / "docs" / target).resolve() for target in LINK.findall(text) if "://" not in target}
    pages = {path for path in DOCUMENTS if "docs" in path.parts and "adr" not in path.parts}
    pages -= {path for path in pages if "results" in path.parts and path.name != "README.md"}  # parts of other pages
    assert sorted(named(path) for path in pages - listed - {ROOT / "docs/README.md"}) == []
