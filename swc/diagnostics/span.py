"""Places in `.sw` text, self-contained so that they survive being written into a build folder.

Takes nothing, gives `Span`. Guarantees: a span always knows its file, its line and the text of that line.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class Span:
    """A run of characters on one line of a file (a longer run is cut at the end of its first line)."""

    file: str
    line: int  # counted from 1
    column: int  # counted from 1
    length: int
    text: str  # the whole source line, without its end

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
