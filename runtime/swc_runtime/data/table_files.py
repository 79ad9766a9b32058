"""Files of tables: CSV and Parquet, read by pandas.

Takes a path; gives columns of numbers and texts by name, and the target. Guarantees: pandas is imported here alone, and
only when a table is read; every value is a number, a text or missing, or its column is refused by name.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
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
    OtherDecimals,
    TablesExtraMissing,
    TableUnreadable,
    TargetUnfit,
)
from swc.program.data_arguments import DECIMALS, SEPARATORS

from swc_runtime.data.columns import MISSING_TEXTS, names_of, plain_number, text_of
from swc_runtime.data.listing import printable
from swc_runtime.data.preparation import InputColumns

PLAIN = (str, bool, int, float)
LARGEST = float(np.finfo(np.float32).max)
MARKED = re.compile(r"[+-]?\d*(?:([.,])\d+)?(?:[eE][+-]?\d+)?")  # a number in some way of writing decimals


@frozen(eq=False)
class TableFile:
    """A file of a table as pandas has it; `name` is what messages call it.

    `is_text` says that the file has no types of columns (CSV), so that what a column is follows from its values.
    """

    name: str
    frame: Any
    is_text: bool = False

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
            found = str(self.column(name).dtype) if kind not in "OSUT" else _kinds_of(self.column(name))
            raise DiagnosticError(ColumnUnfit(file=self.name, column=name, found=found))
        return kind in "iuf"

    def columns(self, numbers: Sequence[str], categories: Sequence[str]) -> InputColumns:
        """These columns of all rows, the values of categories as they are written."""
        return self._columns(numbers, [self.texts(name) for name in categories])

    def named_columns(self, numbers: Sequence[str], categories: Sequence[str]) -> InputColumns:
        """The same with one name for each value of a category: what other files' values are compared with."""
        return self._columns(numbers, [self.names(name) for name in categories])

    def _columns(self, numbers: Sequence[str], texts: Sequence[Sequence[str]]) -> InputColumns:
        count = len(self.frame)
        given = [self.numbers(name) for name in numbers]
        return InputColumns(
            np.stack(given, axis=1) if given else np.zeros((count, 0)),
            np.array(texts, dtype=object).T if texts else np.zeros((count, 0), dtype=object),
        )

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column of numbers, nan where one is missing; DiagnosticError for texts and for infinite ones."""
        column = self.column(name)
        if not self.is_numeric(name) and not column.isna().all():
            found = f"texts, such as `{printable(str(column.dropna().iloc[0]))}`, where the training file has numbers"
            raise DiagnosticError(ColumnUnfit(file=self.name, column=name, found=found))
        numbers: NDArray[np.float64] = column.to_numpy(dtype="float64", na_value=np.nan, copy=True)
        if np.isinf(numbers).any():
            raise DiagnosticError(ColumnUnfit(file=self.name, column=name, found="infinite numbers"))
        if (is_huge := np.abs(numbers) > LARGEST).any():
            found = f"numbers that float32 does not, such as {numbers[is_huge][0]:g}"
            raise DiagnosticError(ColumnUnfit(file=self.name, column=name, found=found))
        return numbers

    def texts(self, name: str) -> list[str]:
        """A column as texts, as they are written, "" where one is missing."""
        column = self.column(name)
        self.is_numeric(name)
        return [text_of(value) for value in column.tolist()]

    def names(self, name: str) -> list[str]:
        """A column as texts, one for each value: in a file of texts `7`, `7.0` and `007` are one where all are numbers.

        In a file with types a number has one text already, and texts are what they are.
        """
        return names_of(self.texts(name)) if self.is_text else self.texts(name)

    def holds_numbers(self, name: str) -> bool:
        """Whether a column is of numbers, be they read as such or as texts."""
        texts = self.column(name).dropna().unique() if self.is_text and not self.is_numeric(name) else ()
        return self.is_numeric(name) or (len(texts) > 0 and all(plain_number(text_of(text)) for text in texts))

    def check_decimals(self, name: str) -> None:
        """DiagnosticError for texts of CSV that all are numbers but for the mark of their decimals."""
        if not self.is_text or self.is_numeric(name):
            return
        found = [MARKED.fullmatch(text_of(value).strip()) for value in self.column(name).dropna().unique()]
        marked = [one for one in found if one is not None and one[1]]
        if None not in found and len({one[1] for one in marked}) == 1:
            raise DiagnosticError(OtherDecimals(file=self.name, column=name, written=marked[0][0], mark=marked[0][1]))

    def num_missing(self, name: str) -> int:
        """In how many rows a column has no value."""
        return int(self.column(name).isna().sum())

    def check_target(self, name: str) -> None:
        """DiagnosticError where a row has no target."""
        if gaps := self.num_missing(name):
            reason = f"is missing in {gaps:,} of {len(self.frame):,} rows"
            raise DiagnosticError(TargetUnfit(file=self.name, column=name, reason=reason))


def _is_listed(column: Any) -> bool:
    """Whether a column of objects holds something else than texts, truth values and numbers."""
    return column.dtype.kind == "O" and not all(isinstance(value, PLAIN) for value in column.dropna())


def _kinds_of(column: Any) -> str:
    """What a column of objects holds beside those."""
    kinds = {type(value).__name__: None for value in column.dropna() if not isinstance(value, PLAIN)}
    return f"values of the type {' and '.join(kinds)}"


def read_table(path: Path, texts: Sequence[str] = (), separator: str = "comma", decimal: str = "point") -> TableFile:
    """A CSV file with a header, or a Parquet file; DiagnosticError where it cannot be read.

    `texts` are columns that are read as they are written: in CSV a type is guessed for all others, by all rows at once.
    `separator` and `decimal` are words of `SEPARATORS` and `DECIMALS`, and say how CSV is written.
    """
    name = printable(str(path))
    try:
        import pandas
    except ImportError as error:
        raise DiagnosticError(TablesExtraMissing(package="pandas", file=name)) from error
    if not path.is_file():
        raise DiagnosticError(TableUnreadable(file=name, reason="there is no such file"))
    is_text = path.suffix != ".parquet"
    try:
        frame = _csv(pandas, path, texts, separator, decimal) if is_text else _parquet(pandas, path)
    except ImportError as error:
        raise DiagnosticError(TablesExtraMissing(package="pyarrow", file=name)) from error
    except Exception as error:  # pandas and pyarrow raise errors of many kinds
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DiagnosticError(TableUnreadable(file=name, reason=first)) from error
    if frame.empty:
        raise DiagnosticError(TableUnreadable(file=name, reason="it has no rows"))
    return TableFile(name, frame, is_text)


def _csv(pandas: Any, path: Path, texts: Sequence[str], separator: str, decimal: str) -> Any:
    """Spaces after separators are no part of values. The header is read by itself: pandas renames repeated columns."""
    way = {"sep": SEPARATORS[separator], "keep_default_na": False, "skipinitialspace": True}
    try:
        head = pandas.read_csv(path, header=None, nrows=1, dtype=str, **way)
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 ({error.reason}): convert it, or save it as UTF-8") from error
    header = [name for name in head.iloc[0] if name]  # columns without a name get numbers
    _check_unique(header)
    _check_separated(header, separator)
    with warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)  # that more fields than the header has are cut off
        try:
            return pandas.read_csv(
                path,
                dtype={name: str for name in texts if name in header},
                index_col=False,  # else a comma at the end of rows makes an index of the first column
                low_memory=False,  # else types are guessed by parts of the file
                na_values=list(MISSING_TEXTS),
                decimal=DECIMALS[decimal],
                **way,
            )
        except pandas.errors.ParserWarning as error:
            raise ValueError(f"its rows have more fields than the {len(head.columns)} of its header") from error


def _parquet(pandas: Any, path: Path) -> Any:
    """Whole numbers stay whole where some are missing: pandas by itself makes floats of them."""
    frame = pandas.read_parquet(path)
    frame.columns = list(map(str, frame.columns))
    _check_unique(frame.columns)
    from pyarrow import types
    from pyarrow.parquet import read_schema

    whole = [field.name for field in read_schema(path) if types.is_integer(field.type)]
    if rounded := [name for name in whole if name in frame and frame[name].dtype.kind == "f"]:
        frame[rounded] = pandas.read_parquet(path, columns=rounded, dtype_backend="numpy_nullable")[rounded]
    return frame


def _check_separated(header: Sequence[str], separator: str) -> None:
    """ValueError for one column alone whose name holds what parts fields elsewhere."""
    other = next((word for word, mark in SEPARATORS.items() if len(header) == 1 and mark in header[0]), None)
    if other is not None:
        said = f"where `separator: {other}` would part it, not {separator}"
        raise ValueError(f"its header is one field, `{printable(header[0])}`, {said}")


def _check_unique(header: Sequence[str]) -> None:
    """ValueError for a column that is there twice."""
    if twice := [name for name, count in Counter(header).items() if count > 1]:
        raise ValueError(f"two of its columns have one name, `{printable(twice[0])}`")
