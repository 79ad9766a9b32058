"""The code of the families of members, to be carried away.

Takes a family's name or several; gives its file, or code that stands in one file with other code. Guarantees: what is
given imports nothing of this project.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from attrs import frozen

from swc.program.model_source import ModelSource
from swc.registry.families import FAMILIES

PACKAGE = r"swc_runtime\.models"
NOQA = re.compile(r"  # noqa: .*$", re.MULTILINE)  # words to this project's own checks


def families_of(sources: Iterable[ModelSource]) -> tuple[str, ...]:
    """The families of ours among some sources, sorted; those of plug-ins are imported from where they are installed."""
    return tuple(sorted({one.name for one in sources if one.kind == "family" and one.name in FAMILIES.names}))


def family_file(name: str) -> Path:
    """The file that holds a family."""
    module = FAMILIES[name].implementation.partition(":")[0] if name in FAMILIES.names else f"swc_runtime.models.{name}"
    found = find_spec(module)
    assert found is not None and found.origin is not None
    return Path(found.origin)


def family_files(name: str) -> dict[str, str]:
    """A family's file and those it imports of this project's families, by name, made to import each other alone."""
    text = family_file(name).read_text("utf-8")
    found = {f"{name}.py": re.sub(rf"^from {PACKAGE}\.", "from ", text, flags=re.MULTILINE)}
    for other in re.findall(rf"^from {PACKAGE}\.(\w+) import", text, flags=re.MULTILINE):
        found |= family_files(other)
    return found


@frozen
class ModuleCode:
    """A module taken apart: the first line of its docstring, its imports (module, name, alias), and all that follows.

    In an `import module` the name is empty.
    """

    title: str
    imports: frozenset[tuple[str, str, str]]
    body: str


def family_code(name: str) -> ModuleCode:
    """A family's code without its docstring and imports."""
    return module_code(family_file(name))


def module_code(path: Path) -> ModuleCode:
    """A module's code without its docstring and imports."""
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    title = (ast.get_docstring(tree) or "").partition("\n")[0]
    body = NOQA.sub("", "\n".join(text.splitlines()[imports[-1].end_lineno :]))
    return ModuleCode(title, frozenset(found for node in imports for found in _names(node)), body.strip("\n"))


def _names(node: ast.Import | ast.ImportFrom) -> Iterable[tuple[str, str, str]]:
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield (alias.name, "", alias.asname or "")
        elif node.module != "__future__":
            yield (node.module or "", alias.name, alias.asname or "")


def import_lines(imports: Iterable[tuple[str, str, str]], standard: frozenset[str]) -> str:
    """Import statements, those of the standard library first, sorted as formatters sort them."""
    wanted = sorted(set(imports))
    groups = [[one for one in wanted if (_root(one[0]) in standard) is own] for own in (True, False)]
    return "\n\n".join("\n".join(_statements(group)) for group in groups if group)


def _root(module: str) -> str:
    return module.partition(".")[0]


def _statements(imports: list[tuple[str, str, str]]) -> Iterable[str]:
    """`import a` before `from a import b`; an alias has a line of its own, as has everything but plain names."""
    for module, _, alias in [one for one in imports if not one[1]]:
        yield f"import {module}" + (f" as {alias}" if alias else "")
    for module in dict.fromkeys(one[0] for one in imports if one[1]):
        plain = [name for found, name, alias in imports if found == module and name and not alias]
        renamed = [f"{name} as {alias}" for found, name, alias in imports if found == module and name and alias]
        lines = [", ".join(sorted(plain, key=_case))] if plain else []
        yield from (f"from {module} import {line}" for line in [*lines, *renamed])


def _case(name: str) -> tuple[int, str]:
    """Constants, classes, then functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2, name)
