"""Places in `.sw` text, self-contained so that they survive being written into a build folder.

Takes nothing, gives `Span`. Guarantees: a span always knows its file, its line and the text around it, and is small
however long the line is.
"""

from __future__ import annotations

from attrs import frozen

WIDEST = 400  # characters of a line that a span keeps
BEFORE = 100  # of them, those before the span where the line is longer
CUT = "..."  # stands where the rest of a long line was


@frozen
class Span:
    """A run of characters on one line of a file (a longer run is cut at the end of its first line)."""

    file: str
    line: int  # counted from 1
    column: int  # counted from 1
    length: int
    text: str  # the source line, without its end; of a long line the part around the span
    begin: int = 1  # the column at which `text` begins

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def span_on(file: str, line: int, text: str, start: int, length: int) -> Span:
    """The span on a line whose whole text is at hand; `start` counts from 0."""
    if len(text) <= WIDEST:
        return Span(file, line, start + 1, length, text)
    first = max(0, start - BEFORE)
    before, behind = CUT * (first > 0), CUT * (first + WIDEST < len(text))
    part = f"{before}{text[first : first + WIDEST]}{behind}"
    return Span(file, line, start + 1, length, part, first + 1 - len(before))
