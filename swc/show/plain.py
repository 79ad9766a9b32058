"""Rich renderables as plain text, for pipes, files and tests.

Guarantees: no escape codes, no trailing blanks, the same text for the same renderable and width.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

from attrs import frozen
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table

from swc.diagnostics.printable import printable

MOST = 1_000  # characters of a table, whatever is in it
WIDTH = 110  # characters where there is no terminal to ask


@frozen
class Printable:
    """A renderable whose text holds no character that would steer a terminal; styles stay what they are."""

    inner: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Its segments, each with its text made printable."""
        for segment in console.render(self.inner, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """As wide as what it holds."""
        return Measurement.get(console, options, self.inner)


def plain(renderable: RenderableType, width: int = WIDTH) -> str:
    """The text of a renderable, `width` characters wide, ending with a line end."""
    stream = StringIO()
    console = Console(file=stream, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    console.width = wide_enough(renderable, console)
    console.print(Printable(renderable), highlight=False, markup=False, emoji=False)
    return "\n".join(line.rstrip() for line in stream.getvalue().rstrip().splitlines()) + "\n"


def wide_enough(renderable: RenderableType, console: Console) -> int:
    """The console's width, or what the tables need at least: a number is never cut."""
    parts = list(_parts(renderable))
    tables = [part for part in parts if isinstance(part, Table)]
    roomy = console.options.update(width=MOST)
    for column in (column for part in tables for column in part.columns if column.no_wrap):
        cells = (column.header, *column.cells)
        column.min_width = max(Measurement.get(console, roomy, cell).maximum for cell in cells)  # rich takes a word's
    return max([console.width, *(Measurement.get(console, roomy, part).minimum for part in tables)])


def _parts(renderable: RenderableType) -> Iterator[RenderableType]:
    """What a group holds, and what the groups in it hold; of anything else itself."""
    if not isinstance(renderable, Group):
        yield renderable
        return
    for part in renderable.renderables:
        yield from _parts(part)


def table(*columns: str, title: str = "") -> Table:
    """A table in the one style of the views: columns named `>name` hold numbers and stand right."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title=title or None, title_justify="left")
    made.title_style = "bold"
    for column in columns:
        right = column.startswith(">")
        made.add_column(column.removeprefix(">"), justify="right" if right else "left", no_wrap=right)
    return made
