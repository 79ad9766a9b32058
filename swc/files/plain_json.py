"""JSON text from outside to plain data, within limits.

Takes text, gives what `json.loads` would. Guarantees: whatever is wrong with the text is a ValueError that says what;
time and memory are linear in the text. Refused are texts nested deeper than `LEVELS`, keys that stand twice, numbers
that are not finite or have more digits than Python reads, and characters that no UTF-8 text can hold.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any

LEVELS = 800  # of objects and lists in each other; the longest chain of shapes takes most of them
SHOWN = 60  # characters of a value that an error quotes
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)  # one that does not end takes the rest
_MARKS = re.compile(r"[\[\]{}]")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # the escape of half a character; two of them can be one


def read_json(text: str, *, finite: bool = True) -> Any:
    """The value of a JSON text; ValueError where it is none, or is refused. Without `finite`, NaN may stand in it."""
    _check_depth(text)
    strict: dict[str, Any] = {"parse_constant": _constant, "parse_float": _number} if finite else {}
    try:
        value = json.loads(text, object_pairs_hook=_object, **strict)
        if _HALF.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("it holds half a character, which is no text") from error
    return value


def compact(value: object) -> str:
    """A value in few words, for messages."""
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return json.dumps(value[:SHOWN] if isinstance(value, str) else value, ensure_ascii=False)[:SHOWN]


def _check_depth(text: str) -> None:
    """Refuse what is nested too deep before the reader, which calls itself, comes upon it."""
    depth = 0
    for mark in _MARKS.findall(_TEXT.sub("", text)):
        depth += 1 if mark in "[{" else -1
        if depth > LEVELS:
            raise ValueError(f"it is nested more than {LEVELS} levels deep")


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _number(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text[:SHOWN]} is too large")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key `{name[:SHOWN]}` stands twice")
        found[name] = value
    return found
