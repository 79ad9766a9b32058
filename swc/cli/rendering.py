"""Rich renderables on the output stream: in a terminal's width and colours, else as plain text of a fixed width."""

from __future__ import annotations

import os
import sys
from shutil import get_terminal_size
from typing import Literal

from rich.console import Console, RenderableType

from swc.cli.console import emit, has_colour, output_named
from swc.show.plain import WIDTH, Printable, plain, wide_enough

DEEP = ("truecolor", "24bit")


def terminal_width() -> int:
    """The width there is, in characters: the terminal's, or a fixed one where the output goes elsewhere."""
    return get_terminal_size().columns if sys.stdout.isatty() else WIDTH


def give(renderable: RenderableType) -> None:
    """Print a result to the output stream."""
    if not has_colour(sys.stdout):
        emit(plain(renderable, terminal_width()))
        return
    # with 16 colours several clusters would look alike, and every terminal of today has 256
    system: Literal["truecolor", "256"] = "truecolor" if os.environ.get("COLORTERM") in DEEP else "256"
    console = Console(file=sys.stdout, width=terminal_width(), force_terminal=True, color_system=system)
    console.width = wide_enough(renderable, console)
    with output_named():
        console.print(Printable(renderable), highlight=False, markup=False, emoji=False)
        sys.stdout.flush()
