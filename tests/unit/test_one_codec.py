"""Files of ours are read and written in `swc/files` alone: no other module knows JSON, or how a file is replaced.

What is listed here is no file of ours: a cache that may be lost, what is made for other programs, and words of a text.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOM = ROOT / "swc/files"
SOURCES = sorted(path for top in ("swc", "runtime") for path in (ROOT / top).rglob("*.py") if ROOM not in path.parents)
JSON = {
    "swc/compiler/frontend/cache.py": "the cache of layer tables",
    "swc/language/syntax/tables.py": "the cache of the parser's tables",
    "swc/trust/code.py": "digests of code",
    "swc/program/words.py": "quoted words in the text of a graph",
    "swc/compiler/ir/text.py": "quoted words in the text of a graph",
    "swc/compiler/ir/tokens.py": "quoted words in the text of a graph",
    "swc/diagnostics/render.py": "diagnostics for other tools",
    "swc/show/exports.py": "a graph for other tools",
    "swc/report/gather.py": "data of an HTML page",
    "swc/export/card.py": "the model card of an export",
    "swc/export/job.py": "notes in exported models",
    "swc/export/column_files.py": "notes in exported models",
    "runtime/swc_runtime/data/array_files.py": "names of classes in the metadata of a file of tensors",
    "runtime/swc_runtime/data/columns.py": "part of exports, which reads what lies beside it",
    "swc/export/python_source.py": "exported Python",
    "runtime/swc_runtime/export/formats.py": "notes in exported models",
    "runtime/swc_runtime/records/weight_files.py": "what torch's reader of weights alone raises",
    "runtime/swc_runtime/data/cifar.py": "the published files of the data set, by an unpickler that runs no code",
}
MOVES = {
    "swc/system/cache.py": "the cache, which several processes fill at once",
    "swc/running/folder.py": "a whole run is set aside",
    "swc/export/staged.py": "a whole export takes its place",
    "runtime/swc_runtime/data/cifar.py": "an unpacked download",
    "runtime/swc_runtime/data/torchvision_sets.py": "the files of a download",
}
WRITES = {
    "swc/cli/output.py": "inside `whole`, or into a pipe",
    "swc/program/reference.py": "tables of the reference, by whoever adds a row",
    "swc/trust/consent.py": "inside `whole`",
    "runtime/swc_runtime/records/checkpoint.py": "inside `whole`",
    "runtime/swc_runtime/export/onnx_files.py": "inside `whole`",
    "swc/folders/preparation.py": "inside `whole`",
}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def knows_json(tree: ast.AST) -> bool:
    """Whether a module imports anything that reads or writes JSON."""
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return bool(modules & {"json", "orjson", "simplejson", "pickle"})


def calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The methods that are called, each with the number of its arguments."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, len(node.args) + len(node.keywords)


def moves_files(tree: ast.AST) -> bool:
    """Whether a module renames: `Path.replace` takes one argument where a text's takes two, `os.replace` is by name."""
    by_name = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("os", "shutil")
    }
    return bool(by_name & {"replace", "rename", "renames", "move"}) or any(
        (name, number) in (("replace", 1), ("rename", 1)) for name, number in calls(tree)
    )


def writes_files(tree: ast.AST) -> bool:
    return any(name in ("write_text", "write_bytes") for name, _ in calls(tree))


LISTS = [(knows_json, JSON), (moves_files, MOVES), (writes_files, WRITES)]


@pytest.mark.parametrize(("does", "allowed"), LISTS, ids=["json", "moves", "writes"])
def test_files_are_the_business_of_one_room(does: object, allowed: dict[str, str]) -> None:
    assert callable(does)
    found = {named(path) for path in SOURCES if does(ast.parse(path.read_text("utf-8")))}
    assert found - set(allowed) == set(), "read and write files by swc/files"
    assert set(allowed) - found == set(), "what is no exception any more goes from the list"


SEEN = [
    (knows_json, "import json"),
    (knows_json, "def f():\n    from json import loads"),
    (knows_json, "import pickle"),
    (moves_files, "import os\nos.replace(a, b)"),
    (moves_files, "partial.replace(path)"),
    (moves_files, "from pathlib import Path\nPath(a).rename(b)"),
    (writes_files, "path.write_text('x')"),
]


@pytest.mark.parametrize(("does", "source"), SEEN)
def test_the_walk_sees_what_it_looks_for(does: object, source: str) -> None:
    assert callable(does) and does(ast.parse(source))
    assert not does(ast.parse("text.replace('a', 'b')\nfrom swc.files.disk import load\n"))
