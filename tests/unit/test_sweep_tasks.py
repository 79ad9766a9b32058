"""Rows of a sweep with the scores of other tasks: written, read, chosen by."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest
from attrs import evolve
from swc.diagnostics import DiagnosticError
from swc.files.scores import Scores
from swc.sweep.cell_specs import example_of_sweep
from swc.sweep.figure import figure
from swc.sweep.markdown import as_markdown
from swc.sweep.pairs import differences
from swc.sweep.plan import SettingPair, Sweep
from swc.sweep.rows import CellRow, PartScores, header_of, rows_in, scores_of, text_of_rows
from swc.sweep.runner import CellOutcome
from swc.sweep.summary import best_of, summaries

COSTS = {"stored": 1000, "templates": 800, "multiply_adds": 9_000_000, "train_seconds": 1.5}
SWEEP = Sweep("tiny", (Path("tiny.sw"),), (("rate", ("1", "2")),), "0-1")


def numbers(rmse: float, members: tuple[float, ...] = (5.0, 3.0)) -> Scores:
    return Scores(
        nan, -0.5, nan, 9, further={"rmse": rmse, "nrmse": rmse / 10, "mae": rmse / 2, "r2": -0.25, "crps": nan}
    )


def part(rmse: float, *members: float) -> PartScores:
    return PartScores([numbers(one) for one in members], numbers(rmse))


FOUND = scores_of(part(2.0, 5.0, 3.0), part(2.5, 1.0, 4.0), "regression")
ROWS = {cell: CellRow(cell, "0" * 64, FOUND | COSTS | {"rmse": 2.0 + n}) for n, cell in enumerate(SWEEP.cells)}


def test_members_are_told_by_the_score_of_the_task() -> None:
    assert (FOUND["mean_member_rmse"], FOUND["best_member_rmse"]) == (4.0, 3.0)
    assert FOUND["chosen_member_rmse"] == 5.0  # the first is better on the validation part
    assert FOUND["validation_rmse"] == 2.5 and "crps" not in FOUND and "top1" not in FOUND


def test_rows_come_back_and_columns_of_classes_stay_as_they_were() -> None:
    text = text_of_rows(SWEEP, ROWS)
    assert {cell: row.numbers["rmse"] for cell, row in rows_in(text, "x", SWEEP).items()} == {
        cell: row.numbers["rmse"] for cell, row in ROWS.items()
    }
    assert "rmse" in text.splitlines()[0] and "rmse" not in ",".join(header_of(SWEEP))
    with pytest.raises(DiagnosticError, match="is below 0"):
        rows_in(text.replace(",2.0,", ",-2.0,"), "x", SWEEP)


def test_settings_are_chosen_by_the_lowest_validation_nrmse() -> None:
    worse = {"1": 3.0, "2": 2.0}
    done = []
    for cell, row in ROWS.items():
        numbers = row.numbers | {"validation_nrmse": worse[dict(cell.setting)["rate"]], "validation_nll": -9.0}
        numbers["validation_rmse"] = -worse[dict(cell.setting)["rate"]]
        done.append(CellOutcome(cell, CellRow(cell, "0" * 64, numbers), ""))
    best = best_of(summaries(SWEEP, done))
    assert best is not None and dict(best.setting)["rate"] == "2"


def test_differences_are_of_errors() -> None:
    sweep = evolve(SWEEP, compare=(SettingPair((("rate", "1"),), (("rate", "2"),)),))
    found = differences(sweep, ROWS)
    assert [one.metric for one in found] == ["rmse", "mae"] and found[0].mean == pytest.approx(-2.0)


def test_a_page_and_a_figure_have_the_scores_and_the_words_that_fit() -> None:
    done = [CellOutcome(cell, row, "") for cell, row in ROWS.items()]
    sweep = evolve(SWEEP, compare=(SettingPair((("rate", "1"),), (("rate", "2"),)),))
    page = as_markdown(sweep, summaries(sweep, done), differences(sweep, ROWS), "example")
    assert "Differences by seed, on the test examples" in page and "RMSE, MAE as they are (less is better)" in page
    assert "image" not in page
    assert [axes.get_ylabel() for axes in figure(sweep, summaries(sweep, done)).axes] == ["RMSE, test", "MAE, test"]


SPEC = """
ensemble rows {
  data table("rows.csv", target: "price", test: 20%)
  task regression
  member a = mlp(depth: 1, width: 4)
  budget unlimited
  share linear as none
  train { phase main: 1 epochs }
}
"""


def test_a_sweep_on_a_table_scores_examples(tmp_path: Path) -> None:
    (tmp_path / "rows.sw").write_text(SPEC, encoding="utf-8")
    assert example_of_sweep(Sweep("rows", (tmp_path / "rows.sw",), ())) == "example"
    images = SPEC.replace('table("rows.csv", target: "price", test: 20%)\n  task regression', "digits")
    (tmp_path / "rows.sw").write_text(images.replace("mlp(depth: 1, width: 4)", "wrn(depth: 10, width: 1)"), "utf-8")
    assert example_of_sweep(Sweep("rows", (tmp_path / "rows.sw",), ())) == "image"
