"""Rows of a sweep with the scores of other tasks: written, read, chosen by."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest
from swc.diagnostics import DiagnosticError
from swc.files.scores import Scores
from swc.sweep.pairs import differences
from swc.sweep.plan import SettingPair, Sweep
from swc.sweep.rows import CellRow, PartScores, header_of, rows_in, scores_of, text_of_rows
from swc.sweep.runner import CellOutcome
from swc.sweep.summary import best_of, summaries

COSTS = {"stored": 1000, "templates": 800, "multiply_adds": 9_000_000, "train_seconds": 1.5}
SWEEP = Sweep("tiny", (Path("tiny.sw"),), (("rate", ("1", "2")),), "0-1")


def numbers(rmse: float, members: tuple[float, ...] = (5.0, 3.0)) -> Scores:
    return Scores(nan, -0.5, nan, 9, further={"rmse": rmse, "mae": rmse / 2, "r2": -0.25, "crps": nan})


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


def test_settings_are_chosen_by_the_lowest_validation_rmse() -> None:
    worse = {"1": 3.0, "2": 2.0}
    done = []
    for cell, row in ROWS.items():
        numbers = row.numbers | {"validation_rmse": worse[dict(cell.setting)["rate"]], "validation_nll": -9.0}
        done.append(CellOutcome(cell, CellRow(cell, "0" * 64, numbers), ""))
    best = best_of(summaries(SWEEP, done))
    assert best is not None and dict(best.setting)["rate"] == "2"


def test_differences_are_of_errors() -> None:
    from attrs import evolve

    sweep = evolve(SWEEP, compare=(SettingPair((("rate", "1"),), (("rate", "2"),)),))
    found = differences(sweep, ROWS)
    assert [one.metric for one in found] == ["rmse", "mae"] and found[0].mean == pytest.approx(-2.0)
