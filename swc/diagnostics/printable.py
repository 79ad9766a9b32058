"""Text on its way to a terminal, a page or a table: what it may hold there.

Takes any text, gives text of the same length. Guarantees: no control character (of C0 but for the line end and the tab,
of C1), no character that turns the direction of writing, none that cannot be encoded: each becomes a `?`.
"""

from __future__ import annotations

import re

# C0 and DEL, C1, marks of direction, line and paragraph separators, halves of characters
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with a `?` for every character that would steer a terminal; lines and tabs stay."""
    return _FORBIDDEN.sub("?", text)


def escaped(text: str) -> str:
    """JSON with such characters as escapes: they stand in its strings alone, and mean the same there."""
    return _FORBIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def on_one_line(text: str) -> str:
    """The text as part of a line: a `?` for line ends and tabs too."""
    return re.sub(r"[\n\t]", "?", printable(text))
