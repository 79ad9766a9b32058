"""Values of tables are read as they are written: the same in every file, whatever else stands in their column."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.folders.preparation import check_preparation, write_preparation
from swc.program.datasets import DATA
from swc.program.task import Task

from swc_runtime.data import Dataset, open_data
from swc_runtime.data.columns import MISSING_TEXTS, codes_of, names_of, plain_number, raw_inputs, text_of
from swc_runtime.data.place import DataPlace
from swc_runtime.data.table_files import read_table
from swc_runtime.data.tables import settle

pandas = pytest.importorskip("pandas")


def opened(path: Path, task: str = "classification", **given: Any) -> Dataset:
    said = {"path": str(path), "target": "left", "test": "25%", "numbers": "none", "categories": "ordinal"} | given
    facts = evolve(DATA["table"].facts_of(said), task=Task.of(task))
    return open_data(settle(facts, DataPlace(None, True, print))[0], None, True, lambda _: None)


def of_files(folder: Path, train: str, test: str, **given: Any) -> Dataset:
    """The data set of two CSV files."""
    (folder / "train.csv").write_text(train, encoding="utf-8")
    (folder / "test.csv").write_text(test, encoding="utf-8")
    return opened(folder / "train.csv", test=str(folder / "test.csv"), **given)


def features(found: Dataset, part: str = "test") -> list[list[float]]:
    rows: list[list[float]] = getattr(found, part).fetch(np.arange(len(getattr(found, part))), None).tolist()
    return rows


def refusal(folder: Path, text: str, **given: Any) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        of_files(folder, text, text, **given)
    return caught.value.diagnostics[0]


# --- categories -------------------------------------------------------------------------------------------------------

WHOLE = "rank,left\n1,n\n2,y\n1,y\n2,n\n"


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        (WHOLE, "rank,left\n1,n\n,y\n2,y\n", [0, 2, 1]),  # a gap in the test file alone
        (WHOLE + ",n\n", "rank,left\n1,n\n2,y\n", [1, 2]),  # a gap in the training file alone
        (WHOLE, "rank,left\n1.0,n\n02,y\n2.5,y\n", [0, 1, 2]),
        ("rank,left\n007,n\nA1,y\n007,y\nA1,n\n", "rank,left\n007,n\n7,y\n", [0, 2]),
        ("rank,left\n7,n\nA1,y\n7,y\nA1,n\n", "rank,left\n7,n\n007,y\n7.0,y\n", [0, 2, 2]),
        ("rank,left\nyes,n\nTrue,y\nyes,y\nTrue,n\n", "rank,left\nTrue,n\nTRUE,y\n", [0, 2]),
        ("rank,left\nTrue,n\nFalse,y\n,y\nTrue,n\n", "rank,left\nTRUE,n\nFalse,y\n,n\nno,n\n", [2, 1, 0, 3]),
    ],
)
def test_a_category_is_the_same_in_both_files(tmp_path: Path, train: str, test: str, expected: list[int]) -> None:
    is_text = not train.startswith(WHOLE)  # and a category without being named
    for categorical in (("rank",), ())[: 1 + is_text]:
        found = of_files(tmp_path, train, test, categorical=categorical)
        assert features(found) == [[code] for code in expected]


def test_whole_numbers_of_any_length_are_different_categories(tmp_path: Path) -> None:
    ids = ("1234567890123456788", "1234567890123456789")
    rows = "".join(f"{ids[row % 2]},{'ny'[row % 2]}\n" for row in range(4))
    found = of_files(tmp_path, "id,left\n" + rows, "id,left\n,n\n" + rows, categorical=("id",))
    assert found.preparation is not None and found.preparation.values == (ids,)
    assert features(found) == [[2], [0], [1], [0], [1]]


def test_a_long_column_has_one_type(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    """pandas by itself guesses one for each part of a long file: `0` in one, `0.0` where a value is missing."""
    codes = [str(row % 90) for row in range(1200)]
    codes[10], codes[20], codes[-10] = "none of these", "", ""
    path, others = tmp_path / "long.csv", 600  # a part has some 2^19 values
    head = ",".join(["code", *map(str, range(others))])
    path.write_text(head + "\n" + "".join(code + "," * others + "\n" for code in codes), encoding="utf-8")
    assert len(set(read_table(path).texts("code"))) == 92
    assert not list(recwarn)


def test_parquet_is_read_as_csv_is(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    ids = [2**60 + 1, 2**60 + 2] * 4
    frame = pandas.DataFrame({"id": ids, "name": ["007", "7"] * 4, "x": [0.5] * 8, "left": [0, 1] * 4})
    frame.to_parquet(tmp_path / "train.parquet")
    test = frame.iloc[:3].assign(id=pandas.array([2**60 + 2, None, 2**60 + 1], dtype="Int64"))
    test.to_parquet(tmp_path / "test.parquet")
    test.to_csv(tmp_path / "test.csv", index=False)
    given = {"categorical": ("id",), "without": ("x",)}
    for name in ("test.parquet", "test.csv"):
        found = opened(tmp_path / "train.parquet", test=str(tmp_path / name), **given)
        assert features(found) == [[1, 0], [2, 1], [0, 0]]
    assert [warning.code for warning in found.warnings] == ["SW586"]


def test_a_run_that_called_numbers_otherwise_goes_on(tmp_path: Path) -> None:
    """Runs of before had `1.0` for `1` where a row lacked a value; what members take is the same."""
    found = of_files(tmp_path, WHOLE + ",n\n", WHOLE, categorical=("rank",))
    assert found.preparation is not None and found.preparation.values == (("", "1", "2"),)
    for values, is_known in ((("", "1.0", "2.0"), True), (("", "1.0", "3.0"), False), (("1.0", "2.0"), False)):
        folder = tmp_path / "-".join(values)
        folder.mkdir()
        write_preparation(folder, evolve(found, preparation=evolve(found.preparation, values=(values,))))
        with nullcontext() if is_known else pytest.raises(DiagnosticError, match="other fitted columns"):
            check_preparation(folder, found)


# --- targets ----------------------------------------------------------------------------------------------------------


def test_classes_of_sixteen_digits_are_told_apart(tmp_path: Path) -> None:
    names = ("1234567890123456", "1234567890123457", "12345678901234567890")
    rows = "".join(f"{row},{names[row % 3]}\n" for row in range(9))
    found = of_files(tmp_path, "x,left\n" + rows, "x,left\n" + rows)
    assert found.classes == names
    assert found.test.labels.tolist() == [0, 1, 2] * 3


@pytest.mark.parametrize(
    ("texts", "test", "classes", "labels"),
    [
        (["10", "9"], ["9.0", "10"], ("9", "10"), [0, 1]),
        (["0.1", "0.10000000000000002"], ["0.10", "0.1"], ("0.1", "0.10000000000000002"), [0, 0]),
        (["007", "A1"], ["007", "007"], ("007", "A1"), [0, 0]),
        (["true", "false"], ["True", "FALSE"], ("False", "True"), [1, 0]),
    ],
)
def test_classes_of_a_test_file_are_those_of_the_training_file(
    tmp_path: Path, texts: list[str], test: list[str], classes: tuple[str, ...], labels: list[int]
) -> None:
    rows = "".join(f"{row},{texts[row % 2]}\n" for row in range(8))
    found = of_files(tmp_path, "x,left\n" + rows, "x,left\n" + "".join(f"1,{text}\n" for text in test))
    assert (found.classes, found.test.labels.tolist()) == (classes, labels)


# --- rows and header --------------------------------------------------------------------------------------------------


def test_a_comma_at_the_end_of_rows_shifts_no_column(tmp_path: Path) -> None:
    rows = "".join(f"{row},{row % 2},{row % 3},\n" for row in range(8))
    found = of_files(tmp_path, "x,left,town\n" + rows, "x,left,town\n" + rows)
    assert features(found) == [[row, row % 3] for row in range(8)]
    assert found.test.labels.tolist() == [0, 1] * 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x,left\n" + "1,0,7\n2,1,8\n" * 4, "its rows have more fields than the 2 of its header"),
        ("x,left\n" + "1,0,,\n2,1,,\n" * 4, "its rows have more fields than the 2 of its header"),
        ("x,left\n" + "1,0\n2,1,8\n" * 4, "Expected 2 fields in line 3, saw 3"),
        ("x,left,x\n" + "1,0,7\n2,1,8\n" * 4, "two of its columns have one name, `x`"),
        (
            "x;left\n" + "1;0\n2;1\n" * 4,
            "its header is one field, `x;left`, where `separator: semicolon` would part it",
        ),
        ("x\tleft\n" + "1\t0\n2\t1\n" * 4, "where `separator: tab` would part it, not comma"),
    ],
)
def test_rows_and_headers_that_say_no_one_thing_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    told = refusal(tmp_path, text)
    assert told.code == "SW581" and reason in told.message()


@pytest.mark.parametrize(("separator", "mark"), [("semicolon", ";"), ("tab", "\t"), ("pipe", "|")])
@pytest.mark.parametrize("decimal", ["point", "comma"])
def test_fields_and_decimals_are_parted_as_the_spec_says(
    tmp_path: Path, separator: str, mark: str, decimal: str
) -> None:
    rows = "".join(f"{row}.5,{row},a {row % 2},{row % 2}\n" for row in range(8))
    plain = "x,n,town,left\n" + rows
    other = plain.replace(",", mark).replace(".", "," if decimal == "comma" else ".")
    expected = of_files(tmp_path, plain, plain)
    found = of_files(tmp_path, other, other, separator=separator, decimal=decimal)
    assert features(found) == features(expected) == [[row + 0.5, row, row % 2] for row in range(8)]
    assert found.classes == expected.classes and found.test.labels.tolist() == [0, 1] * 4


def test_quoted_numbers_with_commas_are_no_categories(tmp_path: Path) -> None:
    text = "x,left\n" + "".join(f'"{row},5",{row % 2}\n' for row in range(8))
    assert refusal(tmp_path, text).code == "SW593"


@pytest.mark.parametrize(
    ("values", "given", "task", "named"),
    [
        (["1,5", "2", "", "3,25e-1"], {}, "classification", "numbers with commas, such as `1,5`"),
        (["1.5", "2"], {"decimal": "comma"}, "classification", "numbers with points, such as `1.5`"),
        (["-1,5", ",5"], {}, "regression", "numbers with commas, such as `-1,5`"),
    ],
)
def test_numbers_whose_decimals_have_another_mark_are_no_categories(
    tmp_path: Path, values: list[str], given: dict[str, str], task: str, named: str
) -> None:
    rows = "".join(f"{values[row % len(values)]};{row}\n" for row in range(8))
    header = "x;left\n" if task == "classification" else "left;x\n"
    told = refusal(tmp_path, header + rows, separator="semicolon", task=task, **given)
    assert told.code == "SW593" and named in told.message()


def test_what_only_looks_like_numbers_can_be_categories(tmp_path: Path) -> None:
    rows = "".join(f"{'1,5' if row % 2 else '2'};{row % 2}\n" for row in range(8))
    found = of_files(tmp_path, "x;left\n" + rows, "x;left\n" + rows, separator="semicolon", categorical=("x",))
    assert found.preparation is not None and found.preparation.values == (("1,5", "2"),)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"decimal": "comma"}, "a comma cannot part fields and be the mark of a decimal too"),
        ({"path": "rows.parquet", "separator": "tab"}, "`separator` is for CSV"),
        ({"path": "rows.parquet", "test": "test.parquet", "decimal": "point"}, "`decimal` is for CSV"),
    ],
)
def test_marks_that_cannot_be_are_refused(given: dict[str, str], reason: str) -> None:
    said = {"path": "rows.csv", "target": "left", "test": "25%", "numbers": "none", "categories": "ordinal"} | given
    with pytest.raises(ValueError, match=reason):
        DATA["table"].facts_of(said)


def test_a_mark_may_be_that_of_the_test_file_alone(tmp_path: Path) -> None:
    pandas.DataFrame({"x": range(8), "left": [0, 1] * 4}).to_parquet(tmp_path / "train.parquet")
    (tmp_path / "test.csv").write_text("x\tleft\n7\t0\n", encoding="utf-8")
    found = opened(tmp_path / "train.parquet", test=str(tmp_path / "test.csv"), separator="tab")
    assert features(found) == [[7]]


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes("größe,left\n1,0\n2,1\n".encode("latin-1"))
    with pytest.raises(DiagnosticError, match=r"SW581.*it is not UTF-8.*convert it"):
        read_table(tmp_path / "rows.csv")


def test_numbers_that_float32_does_not_hold_are_refused(tmp_path: Path) -> None:
    told = refusal(tmp_path, "x,left\n" + "1,0\n-1e300,1\n" * 4)
    assert told.code == "SW584" and "numbers that float32 does not, such as -1e+300" in told.message()


def test_columns_of_dates_and_ids_are_told(tmp_path: Path) -> None:
    rows = [f"2026-01-{row:02},{'ab'[row % 2]},{row % 2}\n" for row in range(1, 25)]
    for number, is_told in ((11, True), (9, False)):  # so few may be categories
        found = of_files(tmp_path, "day,town,left\n" + "".join(rows[:number]), "day,town,left\n" + "".join(rows[:2]))
        assert [(one.code, "`day`" in one.message()) for one in found.warnings] == [("SW592", True)] * is_told


def test_columns_without_a_name_are_read(tmp_path: Path) -> None:
    text = ",left,\n" + "".join(f"{row},{row % 2},{row}\n" for row in range(8))
    assert features(of_files(tmp_path, text, text, without=("Unnamed: 0",))) == [[row] for row in range(8)]


# --- the same of raw columns ------------------------------------------------------------------------------------------


def test_what_is_missing_is_the_same_in_training_and_in_exports(tmp_path: Path) -> None:
    said = {"numbers": ["age"], "categories": [{"column": "town", "values": ["", "a"]}]}
    (tmp_path / "preparation.json").write_text(json.dumps(said), encoding="utf-8")
    texts = [*MISSING_TEXTS, "1"]
    path = tmp_path / "rows.csv"
    path.write_text("age,town,x\n" + "".join(f"{text},{text},0\n" for text in texts), encoding="utf-8")
    file = read_table(path, ("town",))
    numbers, codes = raw_inputs({"age": texts, "town": [*texts[:-1], "a"]}, tmp_path)
    np.testing.assert_array_equal(numbers[:, 0], file.numbers("age"))
    assert codes[:, 0].tolist() == [0] * len(MISSING_TEXTS) + [1]
    assert file.texts("town") == [""] * len(MISSING_TEXTS) + ["1"]


def test_pandas_calls_no_less_missing(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,x\n" + "".join(f"{text},0\n" for text in MISSING_TEXTS if text != "?"), encoding="utf-8")
    assert pandas.read_csv(path)["a"].isna().all()


def test_raw_values_are_found_as_they_were_named() -> None:
    assert codes_of([1, 2.0, np.int64(2), "02", "2.0", "3", None], ("1", "2")) == [0, 1, 1, 1, 1, 2, 2]
    assert codes_of([1, "1"], ("1.0", "2.0")) == [0, 0]  # as runs of before called them
    assert codes_of(["7", 7, "007 ", "A1"], ("007", "7")) == [1, 1, 0, 2]
    assert codes_of(["NA", "?", "nan"], ("", "NA")) == [1, 0, 0]  # a text of a Parquet file
    assert codes_of([np.float32(0.1), 0.1, "1e-1"], ("0.1", "2")) == [0, 0, 0]
    assert codes_of([True, "TRUE", np.bool_(False), "yes"], ("False", "True")) == [1, 1, 0, 2]


@pytest.mark.parametrize(
    ("text", "plain"),
    [("007", "7"), ("-0.0", "0"), ("+.50", "0.5"), ("1e3", "1000"), (" 2 ", "2"), ("1_000", None), ("1e999", None)],
)
def test_a_number_is_written_one_way(text: str, plain: str | None) -> None:
    assert plain_number(text) == plain


def test_names_are_those_of_numbers_only_where_all_are() -> None:
    assert names_of(["007", "7.0", ""]) == ["7", "7", ""]
    assert names_of(["007", "7.0", "x"]) == ["007", "7.0", "x"]
    assert names_of(["true", "FALSE"]) == ["True", "False"] and names_of(["true", "no"]) == ["true", "no"]
    assert names_of(["", ""]) == ["", ""]
    assert [text_of(value) for value in (2**70, 1e30, 2.0, True, float("nan"))] == [
        str(2**70),
        "1e+30",
        "2",
        "True",
        "",
    ]
