"""The CSV file in which a sweep keeps the rows of its finished cells, so that it goes on on another machine.

Takes a path and a sweep; reads and writes rows. Guarantees: the file is replaced as a whole; no row is lost where cells
end at the same time, in this process or in others on this machine, nor where the system refuses one, which is written
with the next; rows of cells that the sweep has not got stay.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from attrs import field, frozen

from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.sources import LARGEST, read_source
from swc.files.whole import turn_to_write, write_whole
from swc.sweep.plan import Cell, Sweep
from swc.sweep.rows import CellRow, rows_in, text_of_rows

MOST = 16 * LARGEST  # bytes of a table


@frozen(eq=False)
class RowTable:
    """A file of rows; there need not be one yet."""

    path: Path
    sweep: Sweep
    _lock: Lock = field(factory=Lock)
    _waiting: dict[Cell, CellRow] = field(factory=dict)  # that were refused

    def rows(self) -> dict[Cell, CellRow]:
        """The rows there are, those of the sweep's cells and of others; DiagnosticError where the file is damaged."""
        if not self.path.exists():
            return {}
        return rows_in(read_source(self.path, most=MOST), str(self.path), self.sweep)

    def add(self, *rows: CellRow) -> None:
        """Write rows, and those that wait, beside those that are there now, whoever wrote them.

        DiagnosticError where that is refused: then they wait.
        """
        place = self.path.resolve()  # through a link, so that the link stays one
        with self._lock:
            self._waiting.update({row.cell: row for row in rows})
            with turn_to_write(place):
                write_whole(place, text_of_rows(self.sweep, self.rows() | self._waiting))
            self._waiting.clear()

    def settle(self) -> tuple[Diagnostic, ...]:
        """Try once more to write the rows that wait; why they are not in the table, or nothing."""
        try:
            if self._waiting:
                self.add()
        except DiagnosticError as error:
            return error.diagnostics
        return ()
