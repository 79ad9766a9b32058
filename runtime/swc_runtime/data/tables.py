"""Tables: `data table("train.csv", target: "price", test: 20%)`.

Takes the facts of the spec; gives a `Dataset` of rows of features, or the facts that follow from the file. Guarantees:
the test rows of `test: 20%` are the same for every seed; what is fitted is fitted on the rows that are trained on,
after parts are drawn; what was compiled is held against what the file gives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import evolve, frozen
from numpy.typing import NDArray
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.tables import (
    NearlyUnique,
    NewCategories,
    NothingToLearnFrom,
    OneValue,
    TableChanged,
    TargetUnfit,
    ValuesTooClose,
)
from swc.program.data_parts import Portion, portion_of
from swc.program.datasets import DataFacts
from swc.program.inputs import InputFacts

from swc_runtime.data.columns import codes_of
from swc_runtime.data.keys import TEST, base_of
from swc_runtime.data.listing import printable
from swc_runtime.data.parts import divided, in_proportion, strata_of
from swc_runtime.data.place import DataPlace
from swc_runtime.data.preparation import InputColumns, Preparation, constant, fitted
from swc_runtime.data.splits import Dataset, Split
from swc_runtime.data.table_files import TableFile, read_table
from swc_runtime.data.tensors import TensorSplit

TEXTS = "holds texts, and the task wants numbers"
FEWEST = 2  # rows to train on
MOST_CLASSES = 0.5  # of the rows: more values are no classes
FEW_VALUES = 10  # are categories, however few rows there are


@frozen(eq=False)
class Rows:
    """The rows of a table: the columns that are inputs, in order, and the class of each row or its number, [N, 1]."""

    file: str
    columns: InputColumns
    labels: NDArray[Any]

    def take(self, rows: NDArray[np.int64]) -> Rows:
        """Some of the rows."""
        return Rows(self.file, self.columns.take(rows), self.labels[rows])


@frozen(eq=False)
class Table:
    """Rows to train on and to test with, and what their columns are called."""

    train: Rows
    test: Rows
    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    classes: tuple[str, ...]
    missing: tuple[tuple[str, int], ...]


def settle(facts: DataFacts, place: DataPlace) -> tuple[DataFacts, tuple[Diagnostic, ...]]:
    """The facts that follow from the file, how many inputs there are and how many classes, and what is to be said."""
    dataset = _opened(facts, evolve(place, announce=lambda _: None))
    return dataset.facts, dataset.warnings


def read(facts: DataFacts, place: DataPlace) -> Dataset:
    """The rows, whose features are made once parts are drawn (`Dataset.finish`)."""
    table = _table(facts, place)
    return _numbered(facts, table, place)


def _opened(facts: DataFacts, place: DataPlace) -> Dataset:
    table = _table(facts, place)
    facts = evolve(facts, num_classes=_num_outputs(facts, table))
    dataset = divided(_numbered(facts.undivided, table, place), facts)
    assert dataset.finish is not None, "rows are numbered"
    return dataset.finish(dataset)


# --- from rows to features --------------------------------------------------------------------------------------------


def _numbered(facts: DataFacts, table: Table, place: DataPlace) -> Dataset:
    """Splits of the numbers of rows, of which parts can be drawn; the features follow from what is trained on."""
    train, test = (
        TensorSplit(facts, (torch.arange(len(rows.labels)),), torch.from_numpy(rows.labels))
        for rows in (table.train, table.test)
    )
    place.announce(_summary(facts, table))

    def finish(dataset: Dataset) -> Dataset:
        return _prepared(dataset, table)

    targets = () if table.classes else (facts.given()["target"],)
    return Dataset(facts, train, test, classes=table.classes, finish=finish, targets=targets)


def _prepared(dataset: Dataset, table: Table) -> Dataset:
    """The data set of features, by what is fitted on its training rows."""
    given, trained = dataset.facts.given(), table.train.columns.take(_rows_of(dataset.train))
    preparation = fitted(trained, table.numbers, table.categories, given["numbers"], given["categories"])
    inputs = (InputFacts((preparation.num_features,)),)
    facts = evolve(dataset.facts, num_classes=_num_outputs(dataset.facts, table), inputs=inputs)
    _check_compiled(dataset.facts, facts, table)
    parts = {"train": (dataset.train, table.train), "test": (dataset.test, table.test)}
    if dataset.validation is not None:
        parts["validation"] = (dataset.validation, table.train)
    chosen = {part: rows.columns.take(_rows_of(split)) for part, (split, rows) in parts.items()}
    unique = _nearly_unique(trained, table)
    new = [
        one for part in chosen for one in _new_categories(preparation, chosen[part], parts[part][1].file, part, unique)
    ]
    features = {part: preparation.features(columns) for part, columns in chosen.items()}
    splits = {
        part: TensorSplit(facts, (torch.from_numpy(made),), parts[part][0].labels) for part, made in features.items()
    }
    return evolve(
        dataset,
        facts=facts,
        train=splits["train"],
        test=splits["test"],
        validation=splits.get("validation"),
        warnings=(*dataset.warnings, *_told(trained, features["train"], table, unique), *new),
        preparation=preparation,
        finish=None,
    )


def _num_outputs(facts: DataFacts, table: Table) -> int:
    return facts.task.outputs or len(table.classes)


def _rows_of(split: Split) -> NDArray[np.int64]:
    assert isinstance(split, TensorSplit), "rows are numbered"
    numbers: NDArray[np.int64] = split.tensors[0].numpy()
    return numbers


def _check_compiled(compiled: DataFacts, found: DataFacts, table: Table) -> None:
    """DiagnosticError where the spec was compiled for other inputs or classes than the file gives."""
    if not compiled.is_settled or (compiled.inputs, compiled.num_classes) == (found.inputs, found.num_classes):
        return
    outputs = "targets" if compiled.task.outputs else "classes"
    said = [f"{facts.inputs_text} and {facts.num_classes} {outputs}" for facts in (found, compiled)]
    raise DiagnosticError(TableChanged(file=table.train.file, found=said[0], compiled=said[1]))


def _told(
    trained: InputColumns, features_NF: NDArray[np.float32], table: Table, unique: Sequence[str]
) -> list[Diagnostic]:
    """What is to be said of columns with one value, of those that have one when members see them, and of `unique`."""
    names, is_one = np.asarray(table.numbers, dtype=object), constant(trained.numbers)
    is_flat = constant(features_NF[:, : len(names)]) & ~is_one
    texts = [name for place, name in enumerate(table.categories) if len(set(trained.texts[:, place])) == 1]
    one, flat = (*names[is_one].tolist(), *texts), tuple(names[is_flat].tolist())
    told: list[Diagnostic] = [OneValue(file=table.train.file, columns=one)] if one else []
    if unique:
        told.append(NearlyUnique(file=table.train.file, columns=tuple(unique), num_rows=len(trained.texts)))
    return [*told, ValuesTooClose(file=table.train.file, columns=flat)] if flat else told


def _nearly_unique(trained: InputColumns, table: Table) -> tuple[str, ...]:
    """The columns of texts that are dates, ids or sentences rather than categories."""
    count, columns = len(trained.texts), enumerate(table.categories)
    most = max(FEW_VALUES, MOST_CLASSES * count)
    return tuple(name for place, name in columns if len({*trained.texts[:, place]} - {""}) > most)


def _new_categories(
    preparation: Preparation, columns: InputColumns, file: str, part: str, unique: Sequence[str]
) -> list[Diagnostic]:
    """What is to be said of values that no training row has, but for columns of which that follows (`unique`)."""
    is_new_NK = preparation.codes(columns) == np.asarray([len(values) for values in preparation.values], dtype=np.int64)
    is_new_NK &= ~np.isin(np.asarray(preparation.categories, dtype=object), np.asarray(unique, dtype=object))
    names = tuple(np.asarray(preparation.categories, dtype=object)[is_new_NK.any(axis=0)].tolist())
    count = int(is_new_NK.any(axis=1).sum())
    return [NewCategories(file=file, part=part, columns=names, num_rows=count)] if count else []


# --- from files to rows -----------------------------------------------------------------------------------------------


@frozen
class _Header:
    """What the columns of a training file are: inputs that are numbers, inputs that are categories, and the target.

    `classes` are the values of the target, () where it is a number.
    """

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    target: str
    classes: tuple[str, ...]

    def training_rows(self, file: TableFile) -> Rows:
        """The rows of the training file."""
        columns = file.named_columns(self.numbers, self.categories)
        return Rows(file.name, columns, self._labels(file, file.names) if self.classes else self._numbers(file))

    def test_rows(self, file: TableFile) -> Rows:
        """The rows of another file; DiagnosticError for one that lacks some columns, or has another class."""
        columns = file.columns(self.numbers, self.categories)
        return Rows(file.name, columns, self._labels(file, file.texts) if self.classes else self._numbers(file))

    def _numbers(self, file: TableFile) -> NDArray[np.float64]:
        return _numbers_of(file, self.target)[:, None]

    def _labels(self, file: TableFile, texts_of: Callable[[str], list[str]]) -> NDArray[np.int64]:
        file.check_target(self.target)
        texts = texts_of(self.target)
        labels = np.asarray(codes_of(texts, self.classes), dtype=np.int64)
        if unknown := [texts[row] for row in np.flatnonzero(labels == len(self.classes))]:
            reason = f"is `{printable(unknown[0])}` in {unknown.count(unknown[0]):,} rows, and in no training row"
            raise DiagnosticError(TargetUnfit(file=file.name, column=self.target, reason=reason))
        return labels


def _table(facts: DataFacts, place: DataPlace) -> Table:
    assert facts.folder is not None, "the spec names the file"
    given, is_number = facts.given(), facts.task.row.targets == "numbers"
    aside = () if is_number else (given["target"],)
    marks = {name: given[name] for name in ("separator", "decimal") if name in given}
    train = read_table(_path(facts.folder, place), (*given.get("categorical", ()), *aside), **marks)
    if facts.task.outputs not in (None, 1):
        reason = f"is one column, and `task {facts.task}` has {facts.task.outputs} targets"
        raise DiagnosticError(TargetUnfit(file=train.name, column=given["target"], reason=reason))
    header = _header(train, given, is_number=is_number)
    rows, drawn = header.training_rows(train), portion_of(given["test"])
    if drawn is None:
        test = header.test_rows(read_table(_path(given["test"], place), (*header.categories, *aside), **marks))
    else:
        rows, test = _parted(facts, rows, drawn, given["test"])
    inputs = (*header.numbers, *header.categories)
    missing = tuple((name, count) for name in inputs if (count := train.num_missing(name)))
    return Table(rows, test, header.numbers, header.categories, header.classes, missing)


def _header(train: TableFile, given: dict[str, Any], *, is_number: bool) -> _Header:
    """Numbers are inputs as numbers, but for those that are said to be categorical; anything else is a category."""
    target, categorical = given["target"], given.get("categorical", ())
    aside = (target, *given.get("without", ()))
    for name in (*aside, *categorical):
        train.column(name)
    inputs = [name for name in train.header if name not in aside]
    if not inputs:
        raise DiagnosticError(NothingToLearnFrom(file=train.name, reason="has no columns beside its target"))
    for name in (*inputs, *([target] if is_number else [])):
        if name not in categorical:
            train.check_decimals(name)
    numbers = tuple(name for name in inputs if train.is_numeric(name) and name not in categorical)
    classes = () if is_number else _classes(train, target)
    return _Header(numbers, tuple(name for name in inputs if name not in numbers), target, classes)


def _numbers_of(file: TableFile, target: str) -> NDArray[np.float64]:
    """The target of every row as a number."""
    file.check_target(target)
    if not file.is_numeric(target):
        raise DiagnosticError(TargetUnfit(file=file.name, column=target, reason=TEXTS))
    return file.numbers(target)


def _classes(train: TableFile, target: str) -> tuple[str, ...]:
    """The values of the target in order, numbers by size and texts by letters; each is a class."""
    train.check_target(target)
    values = train.names(target)
    found = sorted(set(values), key=_size if train.holds_numbers(target) else str)
    if len(found) == 1:
        reason = f"is `{printable(found[0])}` in every row"
        raise DiagnosticError(TargetUnfit(file=train.name, column=target, reason=reason))
    if len(found) > MOST_CLASSES * len(values):
        reason = f"has {len(found):,} values in {len(values):,} rows, which are no classes"
        raise DiagnosticError(TargetUnfit(file=train.name, column=target, reason=reason))
    return tuple(found)


def _size(number: str) -> int | float:
    """A number that is written plainly; whole ones have all their digits."""
    return int(number) if number.lstrip("-").isdecimal() else float(number)


def _parted(facts: DataFacts, rows: Rows, drawn: Portion, said: str) -> tuple[Rows, Rows]:
    """The rows to train on and to test with, each class or tenth of numbers in proportion, the same for every seed."""
    total = len(rows.labels)
    strata = strata_of(TensorSplit(facts, (), torch.from_numpy(rows.labels)))
    order = in_proportion(strata, np.arange(total, dtype=np.int64), base_of(0, 0, 0, TEST))
    count = drawn.of(total)
    if not 1 <= count <= total - FEWEST:
        reason = f"has {total:,} rows, too few for `test: {said}`"
        raise DiagnosticError(NothingToLearnFrom(file=rows.file, reason=reason))
    train, test = (rows.take(np.sort(one)) for one in (order[count:], order[:count]))
    return train, test


def _path(name: str, place: DataPlace) -> Path:
    """A file of the spec's, whose path counts from the current folder, or from the one named on the command line."""
    return Path(name) if place.named is None else place.named / name


def _summary(facts: DataFacts, table: Table) -> str:
    counts = f"{len(table.train.labels):,} training and {len(table.test.labels):,} test rows"
    kinds = f"{len(table.numbers)} columns of numbers, {len(table.categories)} of categories"
    gaps = sum(count for _, count in table.missing)
    told = f"; {gaps:,} missing values in {len(table.missing)} columns" if gaps else ""
    return f"{facts.title}: {counts}, {kinds}{told}"
