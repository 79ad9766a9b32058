"""One table for every benchmark: what was measured, the goal, what was found.

Takes rows; prints them with the machine, and writes them as text and JSON.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from attrs import asdict, frozen

from benchmarks.machine import machine_lines
from benchmarks.paired import Ratio


@frozen
class Row:
    """A measurement: `value` against the goal `at_most` (or `at_least`), and what was seen in words."""

    what: str
    value: float
    seen: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def goal(self) -> str:
        """The goal in words."""
        if self.at_most is not None:
            return f"<= {self.at_most:g}"
        return "-" if self.at_least is None else f">= {self.at_least:g}"

    @property
    def met(self) -> str:
        """Whether the goal is met; a dash where there is none."""
        if self.at_most is None and self.at_least is None:
            return "-"
        above = self.at_most is None or self.value <= self.at_most
        below = self.at_least is None or self.value >= self.at_least
        return "yes" if above and below else "no"


def table_text(rows: Sequence[Row]) -> str:
    """The rows under one another in columns, below the lines on the machine."""
    cells = [("what", "goal", "found", "met"), *((row.what, row.goal, row.seen, row.met) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join([*machine_lines(), "", *lines]) + "\n"


def give(rows: Sequence[Row], folder: Path | None, name: str) -> None:
    """Print the table, and keep it as `NAME.txt` and `NAME.json` where a folder is named."""
    text = table_text(rows)
    print(text, end="")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
        plain = {"machine": machine_lines(), "rows": [asdict(row) | {"met": row.met} for row in rows]}
        (folder / f"{name}.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def seen(found: Ratio) -> str:
    """A ratio with its interval, and both times."""
    interval = f"[{found.low:.3f}, {found.high:.3f}] ({found.confidence:.1%})"
    return f"{found.median:.3f} {interval}, {1000 * found.first:.1f} / {1000 * found.second:.1f} ms"


def arguments(doc: str | None, *more: str) -> argparse.Namespace:
    """What a benchmark is called with; `more` are hidden options of several words."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, help="folder for the table, as text and JSON")
    parser.add_argument("--rounds", type=int, default=11, help="of both by turns (11)")
    for name in more:
        parser.add_argument(name, nargs="+", help=argparse.SUPPRESS)
    return parser.parse_args()
