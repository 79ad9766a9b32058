"""The LALR tables of the language as plain data: what the scanner and the parser run from.

Takes the grammar, gives `Tables`. Guarantees: lark makes them once for a grammar and a version of lark; from then on
they come from the cache, and lark is not imported.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from swc.system import resources
from swc.system.cache import keep, kept

END = "$END"  # the terminal after the last token


@frozen
class Rule:
    """What a reduction does: take `size` values off the stack, put a node with some of them as children there.

    `kept` names the values that become children: the place, whether it is a helper whose children are taken over in
    its stead, and how many absent optional parts (None) come before it; `absent` is how many come last. A `transparent`
    rule leaves no node where it has one child.
    """

    origin: str
    kind: str
    size: int
    transparent: bool
    kept: tuple[tuple[int, bool, int], ...]
    absent: int


@frozen
class Tables:
    """The terminals with their patterns, the rules, and for each state what each symbol does there.

    An action is the state to shift to, or `-1 - r` to reduce by rule r.
    """

    terminals: dict[str, str]
    rules: tuple[Rule, ...]
    states: tuple[dict[str, int], ...]
    start: int


@cache
def tables() -> Tables:
    """The tables of this language."""
    grammar = resources.grammar().read_text(encoding="utf-8")
    key = json.dumps([grammar, *_makers()])
    text = kept("grammar", key)
    if text is None:
        text = json.dumps(asdict(_made(grammar)), separators=(",", ":"))
        keep("grammar", key, text)
    return _read(json.loads(text))


def _makers() -> list[str]:
    """The code the tables depend on: ours, and the version of lark, which stands in its first module."""
    found = find_spec("lark")  # finds the package without importing it
    assert found is not None
    assert found.origin is not None
    ours = (Path(__file__), Path(__file__).with_name("generate.py"))
    return [path.read_text(encoding="utf-8") for path in (*ours, Path(found.origin))]


def _made(grammar: str) -> Tables:
    from swc.language.syntax.generate import generate  # late: lark is a tenth of a second

    return generate(grammar)


def _read(plain: Any) -> Tables:
    rules = (Rule(**{**rule, "kept": tuple(map(tuple, rule["kept"]))}) for rule in plain["rules"])
    return Tables(plain["terminals"], tuple(rules), tuple(plain["states"]), plain["start"])
