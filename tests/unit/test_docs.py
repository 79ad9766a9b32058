"""What the documents show of Python, recipes and diagnostics: it runs, it is right, and it exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from swc.cli.check import check_one
from swc.compiler.driver import compile_file
from swc.diagnostics import Sink
from swc.diagnostics.codes import CATALOGUE

ROOT = Path(__file__).parents[2]
PAGES = sorted(ROOT.glob("docs/how-to/*.md"))
DOCUMENTS = (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
SPEC = re.compile(r"^```sw\n(.*?)^```", re.M | re.S)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.M | re.S)
SHOWN = re.compile(r"^```text\n(.*?)^```", re.M | re.S)


def specs() -> list[tuple[str, str]]:
    return [(page.stem, text) for page in PAGES for text in SPEC.findall(page.read_text("utf-8"))]


@pytest.mark.parametrize(("page", "text"), specs(), ids=[f"{page}-{n}" for n, (page, _) in enumerate(specs())])
def test_whole_files_in_the_guides_check_without_a_warning(page: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"{page}.sw"
    path.write_text(text, encoding="utf-8")
    sink = Sink()
    check_one(path, None, {}, sink)
    assert sink.diagnostics == []


@pytest.mark.slow
def test_the_guide_to_python_runs_and_prints_what_it_says(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/use_from_python.md").read_text("utf-8")
    (tmp_path / "small.sw").write_text(SPEC.findall(page)[0], encoding="utf-8")
    program = "import torch\n\ntorch.set_num_threads(1)\n" + "\n".join(PYTHON.findall(page))
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [shown for shown in SHOWN.findall(page) if shown not in done.stdout] == []


def test_the_guide_to_own_models_compiles(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/own_model.md").read_text("utf-8")
    (tmp_path / "net.py").write_text(PYTHON.findall(page)[0], encoding="utf-8")
    (tmp_path / "mine.sw").write_text(SPEC.findall(page)[0], encoding="utf-8")
    command = [sys.executable, "-m", "swc", "compile", "--quiet", "mine.sw"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_first_spec_of_the_readme_compiles(tmp_path: Path) -> None:
    path = tmp_path / "mine.sw"
    path.write_text(SPEC.findall((ROOT / "README.md").read_text("utf-8"))[0], encoding="utf-8")
    assert compile_file(path).warnings == ()


def test_diagnostics_named_in_documents_exist() -> None:
    named = {code for page in DOCUMENTS for code in re.findall(r"\bSW\d{3}\b", page.read_text("utf-8"))}
    assert named - set(CATALOGUE) == set()


def test_options_named_in_documents_exist() -> None:
    sources = "".join(path.read_text("utf-8") for path in ROOT.glob("swc/cli/*.py"))
    pages = [page for page in DOCUMENTS if page.parent.name in ("how-to", "tutorial") or page.parent == ROOT]
    used = {
        option
        for page in pages
        for line in re.findall(
            r"swc (?:check|fmt|compile|train|show|diff|plot|eval|export|slim|explain)\b[^\n`]*", page.read_text("utf-8")
        )
        for option in re.findall(r"(?<!\S)--[a-z-]+", line)
    }
    assert used
    assert sorted(option for option in used if f'"{option}"' not in sources) == []
