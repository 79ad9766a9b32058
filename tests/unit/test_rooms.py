"""Where modules lie and what they import: no circle, few loose modules, packages that say what is in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parents[2]
TOPS = (ROOT / "swc", ROOT / "runtime/swc_runtime")
MODULES = {
    ".".join(path.relative_to(top.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for top in TOPS
    for path in sorted(top.rglob("*.py"))
}


def imported(text: str) -> Iterator[str]:
    """The modules that a text imports, at once, late or for types alone."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in MODULES else str(node.module) for name in names)


def circles(texts: dict[str, str]) -> list[list[str]]:
    edges = ((name, other) for name, text in texts.items() for other in imported(text) if other in texts)
    graph = nx.DiGraph((name, other) for name, other in edges if name != other)
    return sorted(sorted(part) for part in nx.strongly_connected_components(graph) if len(part) > 1)


def test_modules_import_each_other_in_no_circle() -> None:
    assert circles({name: path.read_text("utf-8") for name, path in MODULES.items()}) == []


def test_a_circle_of_late_imports_is_one() -> None:
    names = sorted(MODULES)[:3]
    late = [f"def late():\n    import {name}\n" for name in names]
    assert circles({names[0]: late[1], names[1]: late[2], names[2]: late[0]}) == [names]


@pytest.mark.parametrize("top", TOPS, ids=lambda top: top.name)
def test_few_modules_lie_loose_at_the_top(top: Path) -> None:
    assert len([path for path in top.glob("*.py") if not path.name.startswith("__")]) <= 4


PACKAGES = [name for name, path in MODULES.items() if path.name == "__init__.py"]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_says_what_is_in_it(name: str) -> None:
    text = ast.get_docstring(ast.parse(MODULES[name].read_text("utf-8")))
    assert text is not None
    assert len(text.split()) >= 6, f"{name}: {text}"


@pytest.mark.parametrize("name", PACKAGES)
def test_the_modules_that_a_package_names_are_in_it(name: str) -> None:
    text = ast.get_docstring(ast.parse(MODULES[name].read_text("utf-8"))) or ""
    named = re.findall(r"^- `([a-z_]+)`", text, re.M)
    assert [module for module in named if f"{name}.{module}" not in MODULES] == []


@pytest.mark.parametrize("name", MODULES)
def test_a_module_stays_short(name: str) -> None:
    assert MODULES[name].read_text("utf-8").count("\n") < 400
