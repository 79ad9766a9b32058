"""The LALR tables of the language, from the cache where they are there.

Takes the grammar, gives `ParseTables`. Guarantees: lark makes them once for a grammar and a version of lark; from then
on they come from the cache, and lark is not imported.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import asdict

from swc.language.syntax.lalr import GrammarRule, ParseTables
from swc.system import resources
from swc.system.cache import keep, kept

SOURCES = ("lalr.py", "generate.py", "tables.py")  # the modules here that the tables depend on


@cache
def tables() -> ParseTables:
    """The tables of this language."""
    grammar = resources.grammar().read_text(encoding="utf-8")
    key = json.dumps([grammar, *_generators()])
    text = kept("grammar", key)
    if text is None:
        text = json.dumps(asdict(_generate(grammar)), separators=(",", ":"))
        keep("grammar", key, text)
    return _read(json.loads(text))


def _generators() -> list[str]:
    """The code the tables depend on: ours, and the version of lark, which stands in its first module."""
    lark = find_spec("lark")  # finds the package without importing it
    assert lark is not None
    assert lark.origin is not None
    ours = (Path(__file__).with_name(name) for name in SOURCES)
    return [path.read_text(encoding="utf-8") for path in (*ours, Path(lark.origin))]


def _generate(grammar: str) -> ParseTables:
    from swc.language.syntax.generate import generate  # late: lark is a tenth of a second

    return generate(grammar)


def _read(plain: Any) -> ParseTables:
    rules = (GrammarRule(**{**rule, "children": tuple(map(tuple, rule["children"]))}) for rule in plain["rules"])
    return ParseTables(plain["terminals"], tuple(rules), tuple(plain["states"]), plain["start"])
