"""The CSV file in which a sweep keeps the rows of its finished cells, so that it goes on on another machine.

Takes a path and a sweep; reads and writes rows. Guarantees: the file is replaced as a whole; no row is lost where cells
end at the same time, in this process or in others on this machine; rows of cells that the sweep has not got stay.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from attrs import field, frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.files import OutputUnwritable
from swc.diagnostics.sources import LARGEST, read_source, reason_of
from swc.files.whole import write_whole
from swc.sweep.plan import Cell, Sweep
from swc.sweep.rows import CellRow, rows_in, text_of_rows

MOST = 16 * LARGEST  # bytes of a table


@frozen(eq=False)
class RowTable:
    """A file of rows; there need not be one yet."""

    path: Path
    sweep: Sweep
    _lock: Lock = field(factory=Lock)

    def rows(self) -> dict[Cell, CellRow]:
        """The rows there are, those of the sweep's cells and of others; DiagnosticError where the file is damaged."""
        if not self.path.exists():
            return {}
        return rows_in(read_source(self.path, most=MOST), str(self.path), self.sweep)

    def add(self, *rows: CellRow) -> None:
        """Write rows beside those that are there now, whoever wrote them; DiagnosticError where that is refused."""
        with self._lock, _folder_locked(self.path.parent):
            write_whole(self.path, text_of_rows(self.sweep, self.rows() | {row.cell: row for row in rows}))


@contextmanager
def _folder_locked(folder: Path) -> Iterator[None]:
    """Inside, no other process has the lock of a folder; a file system without locks has none to wait for."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise DiagnosticError(OutputUnwritable(path=str(folder), reason=reason_of(error))) from error
    try:
        with suppress(OSError):  # the system lets go when the handle is closed
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
