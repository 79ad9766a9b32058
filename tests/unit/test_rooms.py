"""Where modules lie and what they import: no circle, few loose modules, packages that say what is in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from tokenize import COMMENT, generate_tokens

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


ALGORITHMS = (
    "swc/compiler/ir",
    "swc/compiler/passes",
    "swc/compiler/solvers",
    "runtime/swc_runtime/weights",
    "runtime/swc_runtime/carry",
)
ORDERS = ("noqa", "type: ignore", "pragma")  # what is told to a tool and not to a reader


def comments(text: str) -> int:
    tokens = generate_tokens(StringIO(text).readline)
    return sum(token.type == COMMENT and not any(order in token.string for order in ORDERS) for token in tokens)


@pytest.mark.parametrize("folder", ALGORITHMS)
def test_algorithms_are_explained_where_they_stand(folder: str) -> None:
    """Three comments in a hundred lines at least: a worked example, a proof, a unit."""
    texts = [path.read_text("utf-8") for path in sorted((ROOT / folder).rglob("*.py"))]
    assert 100 * sum(map(comments, texts)) >= 3 * sum(text.count("\n") for text in texts)


def test_an_order_to_a_tool_is_no_comment() -> None:
    assert comments("a = 1  # scalars\nimport b  # noqa: E402\nc = '# no comment'\n") == 1


PARTICIPLES = {
    "Asked",
    "Found",
    "Given",
    "Kept",
    "Seen",
    "Told",
    "Tried",
    "Wanted",
    "Written",
}  # which say nothing as names


def public_types(text: str) -> Iterator[tuple[str, bool]]:
    """The classes of a module, and its names for types; whether each is a class."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, True
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
            yield from ((name.id, False) for name in node.targets if isinstance(name, ast.Name) and name.id.istitle())


def meanings(texts: dict[str, str]) -> dict[str, list[str]]:
    """The modules in which a name of a class has another meaning: a second class, or a name for other types."""
    where: dict[str, list[str]] = {}
    classes: set[str] = set()
    for module, text in texts.items():
        for name, is_class in public_types(text):
            where.setdefault(name, []).append(module)
            classes |= {name} if is_class else set()
    return {name: modules for name, modules in where.items() if name in classes and len(modules) > 1}


def test_a_class_name_has_one_meaning() -> None:
    assert meanings({name: path.read_text("utf-8") for name, path in MODULES.items()}) == {}


def test_a_second_meaning_shows() -> None:
    texts = {
        "a": "class Batch: ...\n",
        "b": "Batch = tuple[int, int]\n",
        "c": "class _Own: ...\n",
        "d": "class _Own: ...\n",
    }
    assert meanings(texts) == {"Batch": ["a", "b"]}


def test_classes_are_named_by_nouns() -> None:
    named = {name for path in MODULES.values() for name, _ in public_types(path.read_text("utf-8"))}
    assert named & PARTICIPLES == set()
