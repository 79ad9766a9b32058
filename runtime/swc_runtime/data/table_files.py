"""Files of tables: CSV and Parquet, read by pandas.

Takes a path; gives columns of numbers and texts by name, and the target. Guarantees: pandas is imported here alone, and
only when a table is read; every value is a number, a text or missing, or its column is refused by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.tables import (
    ColumnMissing,
    ColumnUnfit,
    TablesExtraMissing,
    TableUnreadable,
    TargetUnfit,
)

from swc_runtime.data.listing import printable
from swc_runtime.data.preparation import MISSING, InputColumns

UNKNOWN = "?"  # is missing too, as in the tables of the UCI repository


@frozen(eq=False)
class TableFile:
    """A file of a table as pandas has it; `name` is what messages call it."""

    name: str
    frame: Any

    @property
    def header(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(map(str, self.frame.columns))

    def column(self, name: str) -> Any:
        """A column as pandas has it; DiagnosticError where there is none."""
        if name not in self.header:
            raise DiagnosticError(ColumnMissing(file=self.name, column=name, found=self.header))
        return self.frame[name]

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds numbers; DiagnosticError for what is neither numbers nor texts."""
        kind = self.column(name).dtype.kind
        if kind not in "iufbOSUT" or _is_listed(self.column(name)):
            found = str(self.column(name).dtype) if kind not in "OSUT" else "lists or other objects"
            raise DiagnosticError(ColumnUnfit(file=self.name, column=name, found=found))
        return kind in "iuf"

    def columns(self, numbers: Sequence[str], categories: Sequence[str]) -> InputColumns:
        """These columns of all rows."""
        count = len(self.frame)
        given = [self._numbers(name) for name in numbers]
        texts = [self._texts(name) for name in categories]
        return InputColumns(
            np.stack(given, axis=1) if given else np.zeros((count, 0)),
            np.stack(texts, axis=1) if texts else np.zeros((count, 0), dtype=object),
        )

    def _numbers(self, name: str) -> NDArray[np.float64]:
        column = self.column(name)
        if not self.is_numeric(name) and not column.isna().all():
            found = f"texts, such as `{printable(str(column.dropna().iloc[0]))}`, where the training file has numbers"
            raise DiagnosticError(ColumnUnfit(file=self.name, column=name, found=found))
        numbers: NDArray[np.float64] = column.astype("float64").to_numpy(na_value=np.nan, copy=True)
        if np.isinf(numbers).any():
            raise DiagnosticError(ColumnUnfit(file=self.name, column=name, found="infinite numbers"))
        return numbers

    def _texts(self, name: str) -> NDArray[Any]:
        column = self.column(name)
        self.is_numeric(name)
        return np.array(
            [MISSING if gap else str(value) for value, gap in zip(column, column.isna(), strict=True)], object
        )

    def num_missing(self, name: str) -> int:
        """In how many rows a column has no value."""
        return int(self.column(name).isna().sum())

    def target(self, name: str) -> NDArray[Any]:
        """The target of every row, numbers or texts; DiagnosticError where one is missing."""
        column = self.column(name)
        gaps = self.num_missing(name)
        if gaps:
            reason = f"is missing in {gaps:,} of {len(column):,} rows"
            raise DiagnosticError(TargetUnfit(file=self.name, column=name, reason=reason))
        if self.is_numeric(name):
            return self._numbers(name)
        return self._texts(name)


def _is_listed(column: Any) -> bool:
    """Whether a column of objects holds something else than texts, truth values and numbers."""
    return column.dtype.kind == "O" and not all(
        isinstance(value, str | bool | int | float) for value in column.dropna()
    )


def read_table(path: Path) -> TableFile:
    """A CSV file with a header, or a Parquet file; DiagnosticError where it cannot be read."""
    name = printable(str(path))
    try:
        import pandas
    except ImportError as error:
        raise DiagnosticError(TablesExtraMissing(package="pandas", file=name)) from error
    if not path.is_file():
        raise DiagnosticError(TableUnreadable(file=name, reason="there is no such file"))
    try:
        frame = pandas.read_parquet(path) if path.suffix == ".parquet" else _csv(pandas, path)
    except ImportError as error:
        raise DiagnosticError(TablesExtraMissing(package="pyarrow", file=name)) from error
    except Exception as error:  # pandas and pyarrow raise errors of many kinds
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DiagnosticError(TableUnreadable(file=name, reason=first)) from error
    header = list(map(str, frame.columns))
    if len(set(header)) < len(header) or frame.empty:
        reason = "it has no rows" if frame.empty else "two of its columns have one name"
        raise DiagnosticError(TableUnreadable(file=name, reason=reason))
    frame.columns = header
    return TableFile(name, frame)


def _csv(pandas: Any, path: Path) -> Any:
    """Spaces after commas are no part of a value; what pandas calls missing is, and `?`."""
    return pandas.read_csv(path, na_values=[UNKNOWN], skipinitialspace=True)
