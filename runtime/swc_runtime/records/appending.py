"""Writing at the end of a file that stays open, with the file's name in what the system refuses.

An `OSError` of a write has no name: nobody would know which disk is full.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.run import RecordNotWritten
from swc.diagnostics.sources import reason_of


@contextmanager
def appending(path: Path) -> Iterator[None]:
    """Inside, a file is written to; DiagnosticError that names it where the system refuses."""
    try:
        yield
    except OSError as error:
        raise DiagnosticError(RecordNotWritten(path=str(path), reason=reason_of(error))) from error
