"""Tables of CSV and Parquet: read, divided, prepared by their training rows, or refused by file and column."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.program.data_parts import Portion
from swc.program.datasets import DATA, DataFacts
from swc.program.dividing import divided
from swc.program.inputs import InputFacts
from swc.program.task import Task

from swc_runtime.data import Dataset, open_data
from swc_runtime.data.place import DataPlace
from swc_runtime.data.tables import settle

HEADER = "age,town,has_car,left\n"
ROWS = [f"{20 + n},{'abc'[n % 3]},{n % 2 == 0},{'yes' if n % 4 == 0 else 'no'}\n" for n in range(40)]


def facts_of(path: Path, **given: Any) -> DataFacts:
    row = DATA["table"]
    said = {"path": str(path), "target": "left", "test": "25%", "numbers": "standard", "categories": "one_hot"} | given
    return row.facts_of(said)


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., DataFacts]:
    """Writes a table and gives its facts as they are when a spec has been compiled."""
    pytest.importorskip("pandas")

    def written(text: str = HEADER + "".join(ROWS), portion: Portion | None = None, **given: Any) -> DataFacts:
        path = tmp_path / "rows.csv"
        path.write_text(text, encoding="utf-8")
        facts = divided(facts_of(path, **given), None, portion)
        return settle(facts, DataPlace(None, True, print))[0]

    return written


def opened(facts: DataFacts) -> Dataset:
    return open_data(facts, None, True, lambda _: None)


def refusal(act: Callable[[], object]) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        act()
    return caught.value.diagnostics[0]


def test_what_members_take_is_seen_in_the_file(table: Callable[..., DataFacts]) -> None:
    facts = table()
    assert (facts.num_classes, facts.inputs, facts.kind) == (2, (InputFacts((6,)),), "features")
    assert table(categories="ordinal").inputs == (InputFacts((3,)),)
    assert table(without=("town",), categorical=("age",)).inputs == (InputFacts((42 - 10,)),)


def test_parts_are_drawn_and_prepared_by_the_training_rows(table: Callable[..., DataFacts]) -> None:
    found = opened(table(portion=Portion(count=8)))
    assert found.classes == ("no", "yes") and found.validation is not None
    assert [len(part) for part in (found.train, found.validation, found.test)] == [22, 8, 10]
    features = found.train.fetch(np.arange(22), None).numpy()  # type: ignore[union-attr]
    assert abs(features[:, 0].mean()) < 1e-6 and abs(features[:, 0].std() - 1) < 1e-6
    ages = [
        part.fetch(np.arange(len(part)), None).numpy()[:, 0] for part in (found.train, found.validation, found.test)
    ]  # type: ignore[union-attr]
    assert len(np.unique(np.concatenate(ages).round(5))) == 40  # no row is in two parts
    assert sum(int(part.labels.sum()) for _, part in found.parts) == 10


def test_the_test_rows_are_the_same_for_every_seed(table: Callable[..., DataFacts]) -> None:
    facts = table(portion=Portion(share=0.2), numbers="none")
    one, two = (opened(facts.drawn_by(seed)) for seed in (0, 1))
    rows = [found.test.fetch(np.arange(10), None).numpy().tolist() for found in (one, two)]  # type: ignore[union-attr]
    assert rows[0] == rows[1]
    assert one.digest() != two.digest()  # others are trained on


def test_a_test_file_and_a_compressed_table(table: Callable[..., DataFacts], tmp_path: Path) -> None:
    import pandas

    (tmp_path / "test.csv").write_text(HEADER + "99,z,True,no\n?,a,False,yes\n", encoding="utf-8")
    facts = table(test=str(tmp_path / "test.csv"), numbers="none")
    found = opened(facts)
    assert found.test.fetch(np.arange(2), None).tolist() == [[99, 0, 0, 0, 0, 1], [39.5, 1, 0, 0, 1, 0]]  # type: ignore[union-attr]
    (new,) = found.warnings
    assert new.code == "SW586" and "one row of test" in new.message() and "`town`" in new.message()
    frame = pandas.read_csv(tmp_path / "rows.csv")
    frame.to_csv(tmp_path / "rows.csv.xz", index=False)
    packed = settle(facts_of(tmp_path / "rows.csv.xz", numbers="none"), DataPlace(None, True, print))[0]
    assert opened(packed).digest() == opened(table(numbers="none")).digest()


def test_parquet_gives_the_same_rows(table: Callable[..., DataFacts], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pandas

    facts = table()
    pandas.read_csv(tmp_path / "rows.csv").to_parquet(tmp_path / "rows.parquet")
    other = settle(facts_of(tmp_path / "rows.parquet"), DataPlace(None, True, print))[0]
    assert opened(other).digest() == opened(facts).digest()


def test_missing_values_are_said(table: Callable[..., DataFacts]) -> None:
    said: list[str] = []
    open_data(table(HEADER + "".join(ROWS) + ",,True,no\n?,a,False,no\n"), None, True, said.append)
    assert "table(rows.csv): 31 training and 11 test rows, 1 columns of numbers, 2 of categories; 3 missing" in said[0]


def test_a_column_of_one_value_is_told(table: Callable[..., DataFacts]) -> None:
    text = HEADER.replace("age", "age,same") + "".join(row.replace(",", ",5,", 1) for row in ROWS)
    (told,) = opened(table(text)).warnings
    assert told.code == "SW585" and "`same`" in told.message()


@pytest.mark.parametrize("numbers", ["standard", "quantile", "noisy_quantile", "none"])
def test_a_column_of_one_value_and_gaps_is_told(table: Callable[..., DataFacts], numbers: str) -> None:
    gaps = [row.replace(",", ",," if place % 3 else ",5,", 1) for place, row in enumerate(ROWS)]
    (told,) = opened(table(HEADER.replace("age", "age,same") + "".join(gaps), numbers=numbers)).warnings
    assert told.code == "SW585" and "`same`" in told.message()
    empty = HEADER.replace("age", "age,empty") + "".join(row.replace(",", ",,", 1) for row in ROWS)
    (told,) = opened(table(empty, numbers=numbers)).warnings
    assert told.code == "SW585" and "`empty`" in told.message()


@pytest.mark.parametrize(
    ("numbers", "value", "is_told"),
    [
        ("quantile", lambda n: 1 + n * 1e-9, True),
        ("standard", lambda n: 1 + n * 1e-9, False),
        ("quantile", lambda n: 1e9 + n, False),
        ("none", lambda n: 1e9 + n / 2, True),
        ("standard", lambda n: 1e9 + n / 2, False),
    ],
)
def test_numbers_that_members_cannot_tell_apart_are_told(
    table: Callable[..., DataFacts], numbers: str, value: Callable[[int], float], is_told: bool
) -> None:
    text = HEADER.replace("age", "age,close") + "".join(
        row.replace(",", f",{value(place % 40)!r},", 1) for place, row in enumerate(ROWS)
    )
    told = opened(table(text, numbers=numbers)).warnings
    assert [one.code for one in told] == ["SW589"] * is_told
    assert all("a column of numbers too close together for members to tell apart: `close`" in x.message() for x in told)


def test_a_table_that_was_changed_since_is_refused(table: Callable[..., DataFacts], tmp_path: Path) -> None:
    facts = table()
    (tmp_path / "rows.csv").write_text(HEADER + "".join(ROWS).replace(",c,", ",d,", 3), encoding="utf-8")
    told = refusal(lambda: opened(facts))
    assert told.code == "SW587" and "float32 [7] and 2 classes" in told.message()


WRONG = {
    "SW582 has no column `lft`, but `age`, `town`, `has_car`, `left`": ({"target": "lft"}, None),
    "SW582 has no column `twn`": ({"without": ("twn",)}, None),
    "SW583 is `no` in every row": ({}, HEADER + "1,a,True,no\n" * 9),
    "SW583 is missing in 1 of 41 rows": ({}, HEADER + "".join(ROWS) + "3,a,True,\n"),
    "SW583 has 40 values in 40 rows, which are no classes": ({"target": "age"}, None),
    "SW584 holds infinite numbers": ({}, HEADER + "inf,a,True,no\n" + "".join(ROWS)),
    "SW588 has no columns beside its target": ({"without": ("age", "town", "has_car")}, None),
    "SW588 has 4 rows, too few for `test: 99%`": ({"test": "99%"}, HEADER + "1,a,True,no\n2,a,True,yes\n" * 2),
    "SW581 it has no rows": ({}, HEADER),
}


@pytest.mark.parametrize("words", WRONG)
def test_what_cannot_be_learned_from_is_refused(table: Callable[..., DataFacts], words: str) -> None:
    given, text = WRONG[words]
    told = refusal(lambda: table(*([] if text is None else [text]), **given))
    code, _, message = words.partition(" ")
    assert told.code == code and message in told.message()


def test_a_test_file_must_fit_the_training_file(table: Callable[..., DataFacts], tmp_path: Path) -> None:
    for text, code, words in (
        ("age,town,left\n1,a,no\n", "SW582", "has no column `has_car`"),
        (HEADER + "old,a,True,no\n", "SW584", "texts, such as `old`, where the training file has numbers"),
        (HEADER + "1,a,True,perhaps\n", "SW583", "is `perhaps` in 1 rows, and in no training row"),
    ):
        (tmp_path / "test.csv").write_text(text, encoding="utf-8")
        told = refusal(lambda: table(test=str(tmp_path / "test.csv")))
        assert (told.code, words in told.message()) == (code, True), told.message()


def test_dates_are_no_inputs(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"day": pandas.date_range("2026-01-01", periods=8), "left": ["yes", "no"] * 4})
    frame.to_parquet(tmp_path / "days.parquet")
    told = refusal(lambda: settle(facts_of(tmp_path / "days.parquet"), DataPlace(None, True, print)))
    assert told.code == "SW584" and "`day`" in told.message() and "datetime64" in told.message()


def test_a_table_needs_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    told = refusal(lambda: settle(facts_of(tmp_path / "rows.csv"), DataPlace(None, True, print)))
    assert told.code == "SW580" and "'.[tables]'" in told.help()


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    told = refusal(lambda: settle(facts_of(tmp_path / "nowhere.csv"), DataPlace(None, True, print)))
    assert told.code == "SW581" and "there is no such file" in told.message()
    (tmp_path / "bytes.parquet").write_bytes(b"\x00" * 40)
    pytest.importorskip("pyarrow")
    assert refusal(lambda: settle(facts_of(tmp_path / "bytes.parquet"), DataPlace(None, True, print))).code == "SW581"


def test_a_regression_takes_the_target_as_a_number(table: Callable[..., DataFacts], tmp_path: Path) -> None:
    table()
    facts = evolve(facts_of(tmp_path / "rows.csv", target="age"), task=Task.of("regression"))
    facts = settle(divided(facts, None, Portion(count=8)), DataPlace(None, True, print))[0]
    assert (facts.num_classes, facts.inputs) == (1, (InputFacts((7,)),))
    found = opened(facts)
    assert found.classes == () and found.scale is not None and found.train.labels.shape == (22, 1)
    assert found.outputs == ("age",)
    ages = torch.cat([part.labels for _, part in found.parts]) * found.scale.deviation[0] + found.scale.mean[0]
    assert sorted(ages.flatten().round().int().tolist()) == list(range(20, 60))
    several = evolve(facts_of(tmp_path / "rows.csv", target="age"), task=Task.of("regression", targets=2))
    texts = evolve(facts_of(tmp_path / "rows.csv", target="town"), task=Task.of("regression"))
    for wrong, words in ((several, "is one column"), (texts, "holds texts, and the task wants numbers")):
        told = refusal(lambda wrong=wrong: settle(wrong, DataPlace(None, True, print)))  # type: ignore[misc]
        assert told.code == "SW583" and words in told.message()


def test_nothing_is_said_of_inputs_before_the_file_is_read(tmp_path: Path) -> None:
    facts = facts_of(tmp_path / "rows.csv")
    assert not facts.is_settled and not facts.are_images
    assert evolve(facts, inputs=(InputFacts((3,)),)).is_settled
