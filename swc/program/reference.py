"""The tables of the language reference that rows are: `python -m swc.program.reference PAGE` writes them into a page.

A page says where a table stands by `<!-- rows of KIND -->` before it and `<!-- end of rows -->` after it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from swc.program.kinds import KINDS
from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, RegistryRow, shown_value

MARKED = re.compile(r"(<!-- rows of ([^>]+) -->\n).*?(<!-- end of rows -->)", re.DOTALL)


def filled(page: str) -> str:
    """A page with its tables as the rows have them now; KeyError for a kind that there is not."""
    return MARKED.sub(lambda found: f"{found[1]}\n{table(KINDS[found[2]])}\n{found[3]}", page)


def table(registry: Registry[Any]) -> str:
    """All of our rows as a Markdown table: the name, what it is, the arguments with their ranges, the defaults."""
    head = f"| {registry.kind} | what it is | arguments | defaults |\n|---|---|---|---|\n"
    return head + "".join(f"{_line(row)}\n" for row in registry.rows)


def _line(row: RegistryRow) -> str:
    said = [_argument(row, one) for one in row.arguments]
    return f"| `{row.name}` | {row.words} | {'; '.join(said) or 'none'} | {_defaults(row)} |"


def _argument(row: RegistryRow, one: ArgumentRow) -> str:
    bound = (f", above {c.above:g} with `{c.when}`" for c in row.conditions if c.argument == one.name)
    return f"`{one.name}` {one.described()}{''.join(bound)}"


def _defaults(row: RegistryRow) -> str:
    inner = ", ".join(f"{name}: {shown_value(value)}" for name, value in row.defaults().items())
    return f"`{row.name}({inner})`" if inner else ""


def main() -> None:
    """Write the tables into the pages named on the command line."""
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(filled(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
