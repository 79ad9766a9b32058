"""Which diagnostics are tested, and where: derived from the tests themselves.

A diagnostic is tested where a snapshot of `language/mistakes` shows its code, or where a test module names its code in
a text or its class in an expression. An import, a comment, a docstring and the text of `swc explain` test nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

CODE = re.compile(r"\bSW\d{3}\b")


def triggers(tests: Path, classes: Mapping[str, str]) -> dict[str, list[str]]:
    """The files below `tests` that test each code; `classes` has the code of each class name."""
    where: dict[str, list[str]] = {}
    for path, codes in _by_file(tests, classes):
        for code in codes:
            where.setdefault(code, []).append(path.relative_to(tests).as_posix())
    return where


def _by_file(tests: Path, classes: Mapping[str, str]) -> Iterator[tuple[Path, set[str]]]:
    for path in sorted(tests.rglob("*.expected")):
        yield path, set(re.findall(r"\[(SW\d{3})\]", path.read_text("utf-8")))
    for path in sorted(tests.rglob("test_*.py")):
        yield path, set(_named(ast.parse(path.read_text("utf-8")), classes))


def _named(tree: ast.Module, classes: Mapping[str, str]) -> Iterator[str]:
    docstrings = {id(value) for value in _docstrings(tree)}
    for node in _without_explain(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield from CODE.findall(node.value)
        name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        if name in classes:
            yield classes[name]


def _docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            first = node.body[0]
            assert isinstance(first, ast.Expr)
            yield first.value


def _without_explain(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a tree but calls with the argument "explain"."""
    if isinstance(node, ast.Call) and _has_explain(node.args):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _without_explain(child)


def _has_explain(arguments: Iterable[ast.expr]) -> bool:
    return any(isinstance(each, ast.Constant) and each.value == "explain" for each in arguments)
