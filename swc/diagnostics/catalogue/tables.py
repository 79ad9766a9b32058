"""Diagnostics about tables: not there, not readable, or without what a spec asks of them (SW580 to SW589, SW592, 593).

Guarantees: `TABLES` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics import Diagnostic, Severity
from swc.diagnostics.installing import extra_words

FEW = 8  # names that are listed


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
    return ", ".join(f"`{name}`" for name in names[:FEW]) + more


@frozen(kw_only=True)
class TablesExtraMissing(Diagnostic):
    """A table cannot be read, because the package that reads tables is not installed.

    CSV is read by pandas, and Parquet by pandas with pyarrow. They are large, and nothing else needs them, so they are
    an extra of this project: whoever trains on tables installs them.
    """

    code: ClassVar[str] = "SW580"
    package: str
    file: str

    def message(self) -> str:
        return f"`{self.file}` is read by {self.package}, which is not installed"

    def help(self) -> str:
        return f"install the extra `tables`: {extra_words('tables')}"


@frozen(kw_only=True)
class TableUnreadable(Diagnostic):
    """The file that `data table(...)` names is not there, or is no table.

    A table is a CSV file with a header (also compressed: .gz, .bz2, .xz, .zip), or a Parquet file (.parquet). Its path
    counts from the current folder, or from the one named with `--data`. The test file must have the columns of the
    training file. No two columns may have one name, and no row more fields than the header, as nobody could say which
    of them is which; one comma at the end of every row does no harm. CSV files are UTF-8, and commas part their fields,
    unless `separator` says `semicolon`, `tab` or `pipe`.
    """

    code: ClassVar[str] = "SW581"
    file: str
    reason: str

    def message(self) -> str:
        return f"`{self.file}` cannot be read as a table: {self.reason}"

    def help(self) -> str:
        return "name a CSV file with a header or a Parquet file; its path counts from the current folder, or `--data`"


@frozen(kw_only=True)
class ColumnMissing(Diagnostic):
    """A table lacks a column that the spec, or the training file, names.

    The target, and the columns of `without` and `categorical`, must be there; and a test file must have all columns of
    the training file. Names are compared as they are written, spaces and capitals included.
    """

    code: ClassVar[str] = "SW582"
    file: str
    column: str
    found: tuple[str, ...]

    def message(self) -> str:
        return f"`{self.file}` has no column `{self.column}`, but {_listed(self.found)}"

    def help(self) -> str:
        return "write the name as it stands in the header"


@frozen(kw_only=True)
class TargetUnfit(Diagnostic):
    """The target column of a table is not what can be predicted.

    A target to classify has two values at least, and each of them often enough to be learned. Every row must have one,
    and the test part no value that the training part has not got.
    """

    code: ClassVar[str] = "SW583"
    file: str
    column: str
    reason: str

    def message(self) -> str:
        return f"the target `{self.column}` of `{self.file}` {self.reason}"

    def help(self) -> str:
        return "name another `target`, or mend the rows"


@frozen(kw_only=True)
class ColumnUnfit(Diagnostic):
    """A column of a table holds what members cannot be given.

    Columns hold numbers, texts, or yes and no. Dates, lists and infinite numbers have no one meaning as an input,
    numbers beyond 3.4e38 do not fit in float32, and a column of numbers in the training file must hold numbers in the
    test file. A CSV file has no dates: there they are texts, and so categories (SW592).
    """

    code: ClassVar[str] = "SW584"
    file: str
    column: str
    found: str

    def message(self) -> str:
        return f"the column `{self.column}` of `{self.file}` holds {self.found}"

    def help(self) -> str:
        return 'make numbers or texts of it, or leave it out: `without: "COLUMN"`'


@frozen(kw_only=True)
class OneValue(Diagnostic):
    """Columns of a table have one value alone in the training part, so that nothing can be learned of them.

    They stay inputs that are always zero, so that the number of inputs is what the table says. Leave them out.
    """

    code: ClassVar[str] = "SW585"
    severity: ClassVar[Severity] = Severity.WARNING
    file: str
    columns: tuple[str, ...]

    def message(self) -> str:
        are = "columns" if len(self.columns) > 1 else "a column"
        return f"`{self.file}` has {are} of one value in the training part: {_listed(self.columns)}"

    def help(self) -> str:
        return "leave out with `without` what says nothing"


@frozen(kw_only=True)
class NewCategories(Diagnostic):
    """Held-out rows have values of a category that the training part has not got.

    What is fitted is fitted on the training part alone, so that such a value has no input of its own. With one-hot
    inputs all of the column are zero, with ordinal ones it gets the number after the last. Where there are many such
    rows, the parts are not of one kind.
    """

    code: ClassVar[str] = "SW586"
    severity: ClassVar[Severity] = Severity.WARNING
    file: str
    part: str
    columns: tuple[str, ...]
    num_rows: int

    def message(self) -> str:
        rows = "one row" if self.num_rows == 1 else f"{self.num_rows:,} rows"
        return (
            f"{rows} of {self.part} of `{self.file}` have values that no training row has, in {_listed(self.columns)}"
        )

    def help(self) -> str:
        return "nothing need be done where they are few"


@frozen(kw_only=True)
class NearlyUnique(Diagnostic):
    """Columns of texts have nearly as many values as rows, so that members learn rows by heart.

    Such are dates, ids and free texts: each value becomes a category, with one-hot inputs an input of its own, and of
    new rows it says nothing. Make numbers of dates (the year, the day of the week), and leave ids out.
    """

    code: ClassVar[str] = "SW592"
    severity: ClassVar[Severity] = Severity.WARNING
    file: str
    columns: tuple[str, ...]
    num_rows: int

    def message(self) -> str:
        are = "columns" if len(self.columns) > 1 else "a column"
        listed = _listed(self.columns)
        return f"`{self.file}` has {are} of texts with more values than half of its {self.num_rows:,} rows: {listed}"

    def help(self) -> str:
        return "make numbers of dates, and leave out ids: `without: COLUMN`"


@frozen(kw_only=True)
class OtherDecimals(Diagnostic):
    """A column of a CSV file holds numbers whose decimals have another mark, so that they would be read as texts.

    Decimals have a point, unless `decimal: comma` says otherwise, which holds for all columns; fields must then be
    parted by something else. Thousands are written without a mark. Values that are no numbers though they look so are
    named in `categorical`.
    """

    code: ClassVar[str] = "SW593"
    file: str
    column: str
    written: str
    mark: str

    def message(self) -> str:
        called = {".": "points", ",": "commas"}[self.mark]
        return f"the column `{self.column}` of `{self.file}` holds numbers with {called}, such as `{self.written}`"

    def help(self) -> str:
        if self.mark == ".":
            return "leave `decimal: comma` out, or name the column in `categorical`"
        return "say `decimal: comma`, write thousands without a mark, or name the column in `categorical`"


@frozen(kw_only=True)
class TableChanged(Diagnostic):
    """A table gives other inputs or classes than when the spec was compiled.

    How many inputs members have follows from the columns of a table and the categories of its training part, and is
    read when the spec is compiled. A table that was changed since then may need members of another size. So may another
    seed, which draws other rows to train on: to change the seed of a table is to compile again.
    """

    code: ClassVar[str] = "SW587"
    file: str
    found: str
    compiled: str

    def message(self) -> str:
        return f"`{self.file}` gives {self.found}, and the spec was compiled for {self.compiled}"

    def help(self) -> str:
        return "compile the spec again, or bring the table back"


@frozen(kw_only=True)
class NothingToLearnFrom(Diagnostic):
    """A table has no columns beside its target, or too few rows for the parts that the spec asks for.

    Members need one input at least. The test part of `test: 20%` is drawn from all rows, and must leave two to train
    on.
    """

    code: ClassVar[str] = "SW588"
    file: str
    reason: str

    def message(self) -> str:
        return f"`{self.file}` {self.reason}"

    def help(self) -> str:
        return "take a table with more columns or rows, or leave out less of it"


@frozen(kw_only=True)
class ValuesTooClose(Diagnostic):
    """The numbers of a column lie so close together that members see one value.

    Quantiles take a number within 1e-7 of the smallest or the largest one for these, as scikit-learn does, so that
    a column whose numbers all lie closer has one value. Numbers that stay as they are (`numbers: none`) are float32:
    times in seconds since 1970 are told apart two minutes from each other. Standard scores keep what differs.
    """

    code: ClassVar[str] = "SW589"
    severity: ClassVar[Severity] = Severity.WARNING
    file: str
    columns: tuple[str, ...]

    def message(self) -> str:
        are = "columns" if len(self.columns) > 1 else "a column"
        return (
            f"`{self.file}` has {are} of numbers too close together for members to tell apart: {_listed(self.columns)}"
        )

    def help(self) -> str:
        return "take `numbers: standard`, or give the column in a smaller unit and from another zero"


TABLES = (
    TablesExtraMissing,
    TableUnreadable,
    ColumnMissing,
    TargetUnfit,
    ColumnUnfit,
    OneValue,
    NewCategories,
    NearlyUnique,
    OtherDecimals,
    TableChanged,
    NothingToLearnFrom,
    ValuesTooClose,
)
