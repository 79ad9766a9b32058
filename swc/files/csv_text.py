"""Rows of plain values as CSV text that spreadsheets take as data.

Takes rows, gives text. Guarantees: a text that a spreadsheet would run as a formula begins with an apostrophe, which
spreadsheets hide; no control character is in it; numbers stand as they are.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO

from swc.diagnostics.printable import on_one_line

FORMULA = ("=", "+", "-", "@")


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """The rows, a line each."""
    stream = StringIO()
    csv.writer(stream, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def _cell(value: object) -> object:
    return plain_cell(value) if isinstance(value, str) else value


def plain_cell(value: str) -> str:
    """A text as it stands in a cell."""
    text = on_one_line(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
