"""The lines of `metrics.jsonl`, each with a checksum over all that stands before it.

Takes rows, gives lines; takes the bytes of the file, gives its rows. Guarantees: a line that was changed, lost, moved
or doubled is a DiagnosticError with its number; lines of early versions have no checksum, and only until the first
that has one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from attrs import evolve

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.files.kind_codec import content_of_document, text_of_kind
from swc.files.kinds import FILE_KINDS
from swc.files.metrics import MetricRow
from swc.files.plain_json import read_json

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

WAY = "put the file back as it was; a run goes on without its numbers by `swc train --new-metrics`"
CHECKED = re.compile(rb'(\{.*), "check": "([0-9a-f]{16})"\}')


def line_of(row: MetricRow, seen: Hash) -> str:
    """The line of a row, with its end; `seen` is the digest of all lines before it."""
    body = text_of_kind(FILE_KINDS["metrics"], row)
    return f'{body[:-1]}, "check": "{_check(seen, body.encode())}"}}\n'


def rows_of(written: bytes, origin: str) -> list[MetricRow]:
    """The rows of a file; a last line without its end is left out. `origin` names the file in errors."""
    lines = written[: written.rfind(b"\n") + 1].split(b"\n")[:-1]
    _check_lines(origin, lines)
    return [_row(origin, number, line) for number, line in enumerate(lines, 1)]


def _check(seen: Hash, body: bytes) -> str:
    """What a line says of itself: a checksum over all that stands before it in the file, and over its own entries."""
    digest = seen.copy()
    digest.update(body)
    return digest.hexdigest()[:16]


def _check_lines(origin: str, lines: Sequence[bytes]) -> None:
    """DiagnosticError where a line has another checksum than it was written with, lost it, or stands twice."""
    seen, is_checked, known = sha256(), False, set[bytes]()
    for number, line in enumerate(lines, 1):
        found = CHECKED.fullmatch(line)
        if found is None and is_checked:
            raise _damaged(origin, number, "has lost its checksum")
        if found is not None and _check(seen, found[1] + b"}") != found[2].decode():
            raise _damaged(origin, number, "is not as it was written")
        if line in known:
            raise _damaged(origin, number, "stands there twice")
        is_checked = found is not None
        seen.update(line + b"\n")
        known.add(line)


def _row(origin: str, number: int, line: bytes) -> MetricRow:
    try:
        document = read_json(line.decode("utf-8"))
    except ValueError as error:
        raise _damaged(origin, number, "is no JSON") from error
    if not isinstance(document, dict) or "kind" not in document:
        raise _damaged(origin, number, "has no `kind`")
    kind = evolve(FILE_KINDS["metrics"], fault=f"line {number} is no row of metrics")
    row: MetricRow = content_of_document(kind, _unchecked(document), origin)
    return row


def _unchecked(document: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in document.items() if key != "check"}


def _damaged(origin: str, number: int, what: str) -> DiagnosticError:
    return DiagnosticError(DamagedFile(origin=origin, detail=f"line {number} {what}", way=WAY))
