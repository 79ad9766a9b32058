"""The rows of a sweep that are there before it runs: in its own table, and in those that it takes rows from.

Takes a `Sweep`, gives rows by its cells. Guarantees: nothing is written; a row of another table is taken for a cell
where it has the same hash, so that it was measured with the same spec, seed and scale, and the same storage, whatever
its columns are called; one of the same values by the same names, but of another spec, is a DiagnosticError.

A worked example. A sweep varies `ensemble` and stores in float32 and int8. A table with the columns `ensemble`, `seed`
has a row of `plain`, seed 0: it is that of the cell plain, float32, seed 0 if the hashes are equal; if they differ, the
spec was changed since, which is refused. A row of an ensemble that the sweep has not got is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.sweeps import RowOfAnotherSpec
from swc.diagnostics.sources import read_source
from swc.files.csv_text import plain_cell
from swc.sweep.cell_specs import Specs, checked_specs, hashes_of
from swc.sweep.plan import STORAGE, Cell, Setting, Sweep
from swc.sweep.row_table import MOST, RowTable
from swc.sweep.rows import CellRow, other_rows_in

RowNames = tuple[
    frozenset[tuple[str, str]], str, int
]  # the values by column but for the storage, the storage, the seed


def known_rows(sweep: Sweep) -> dict[Cell, CellRow]:
    """The rows of the sweep's table, of its cells and others, and for cells without one those of other tables."""
    others = other_rows(sweep, checked_specs(sweep)) if sweep.rows_from else {}
    return {**others, **own_rows(sweep)}


def own_rows(sweep: Sweep) -> dict[Cell, CellRow]:
    """The rows of the sweep's table, a cell's also where its values are written otherwise; none without a table yet."""
    rows = {} if sweep.table is None else RowTable(sweep.table, sweep).rows()
    cells = frozenset(sweep.cells)
    others = [row for cell, row in rows.items() if cell not in cells]
    if not others or cells <= rows.keys():
        return rows
    # `0.10` in the table is `0.1` here, which the hash of the spec says: a spreadsheet writes numbers in its own way
    hashes = hashes_of(sweep, checked_specs(sweep))
    known: dict[tuple[str, str], Cell] = {(hashes[cell], sweep.storage_of(cell)): cell for cell in hashes}
    same = [(known.get((row.spec_hash, _storage(row.cell))), row) for row in others]
    return {cell: evolve(row, cell=cell) for cell, row in same if cell is not None} | rows


def check_rows(sweep: Sweep, specs: Specs) -> None:
    """DiagnosticError where a table is missing or damaged, or has a row of a cell that is of another spec."""
    rows, hashes = own_rows(sweep), hashes_of(sweep, specs)
    for cell in (cell for cell in sweep.cells if cell in rows):
        if rows[cell].spec_hash != hashes.get(cell):
            raise DiagnosticError(RowOfAnotherSpec(path=str(sweep.table), cell=cell.title))
    other_rows(sweep, specs)


def other_rows(sweep: Sweep, specs: Specs) -> dict[Cell, CellRow]:
    """The rows of the sweep's cells in other tables; of several, that of the first table. DiagnosticError as above."""
    hashes = hashes_of(sweep, specs)
    cells: dict[tuple[str, str], list[Cell]] = {}
    for cell, spec_hash in hashes.items():
        cells.setdefault((spec_hash, sweep.storage_of(cell)), []).append(cell)
    names = {_names(cell.setting, sweep.storage_of(cell), cell.seed): cell for cell in sweep.cells}
    found: dict[Cell, CellRow] = {}
    for origin, row in _read(sweep):
        _check_names(origin, row, names, hashes)
        for cell in cells.get((row.spec_hash, _storage(row.cell)), ()):
            found.setdefault(cell, evolve(row, cell=cell))
    return found


def _read(sweep: Sweep) -> Iterator[tuple[str, CellRow]]:
    """Every row of other tables with the name of its table."""
    for path in sweep.rows_from:
        yield from ((str(path), row) for row in other_rows_in(read_source(path, most=MOST), str(path)))


def _check_names(origin: str, row: CellRow, names: Mapping[RowNames, Cell], hashes: Mapping[Cell, str]) -> None:
    cell = names.get(_names(row.cell.setting, _storage(row.cell), row.cell.seed))
    if cell is not None and row.spec_hash != hashes.get(cell):
        raise DiagnosticError(RowOfAnotherSpec(path=origin, cell=cell.title))


def _storage(cell: Cell) -> str:
    """The storage that a row of another table says; without such a column, float32."""
    return dict(cell.setting).get(STORAGE, "float32")


def _names(setting: Setting, storage: str, seed: int) -> RowNames:
    values = frozenset((name, plain_cell(value)) for name, value in setting if name != STORAGE)
    return values, storage, seed
