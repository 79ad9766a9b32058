"""Differences of a sweep by seed, its tables as Markdown, and its estimate."""

from __future__ import annotations

from pathlib import Path

import pytest
from swc.running.options import Options
from swc.sweep.estimate import SettingCost, costs_shown, estimated
from swc.sweep.markdown import as_markdown
from swc.sweep.pairs import differences, half_width
from swc.sweep.plan import Cell, SettingPair, Sweep
from swc.sweep.row_table import RowTable
from swc.sweep.rows import CellRow
from swc.sweep.runner import CellOutcome
from swc.sweep.summary import summaries
from swc.sweep.sweep_file import read_sweep

from support.runs import spec_text

NAMES = ("shared", "narrow")
PAIR = SettingPair((("ensemble", "shared"),), (("ensemble", "narrow"),))
SWEEP = Sweep(
    "s", (Path("a.sw"),), (("budget", ("12%", "25%")),), "100-102", NAMES, compare=(PAIR,),
)  # fmt: skip


def a_row(cell: Cell, top1: float, nll: float = 1.0) -> CellRow:
    scores = {"top1": top1, "nll": nll, "ece": 0.1, "mean_member_top1": 0.2, "best_member_top1": 0.3}
    return CellRow(cell, "0" * 64, scores | {"stored": 57_344, "multiply_adds": 2_000_000}, "1-1-3")


def a_setting(ensemble: str, budget: str) -> tuple[tuple[str, str], ...]:
    return (("ensemble", ensemble), ("budget", budget))


def rows(shared: list[float], narrow: list[float], budget: str = "12%") -> dict[Cell, CellRow]:
    """Rows of the seeds from 100 on; those of nan are left out."""
    found = {}
    for ensemble, values in zip(NAMES, (shared, narrow), strict=True):
        for seed, value in enumerate(values, 100):
            cell = Cell(a_setting(ensemble, budget), seed)
            found[cell] = a_row(cell, value)
    return {cell: row for cell, row in found.items() if row.numbers["top1"] == row.numbers["top1"]}


def test_half_the_width_is_that_of_students_t() -> None:
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.30265 / 3**0.5, rel=1e-5)
    assert half_width([1.0]) is None and half_width([]) is None and half_width([2.0, 2.0]) == 0


@pytest.mark.parametrize(
    ("shared", "narrow", "num_seeds", "verdict"),
    [
        ([0.31, 0.32, 0.33], [0.29, 0.30, 0.311], 3, "above"),
        ([0.31, 0.32, 0.33], [0.33, 0.34, 0.351], 3, "below"),
        ([0.31, 0.32, 0.33], [0.30, 0.33, 0.321], 3, "not told apart"),
        ([0.31, float("nan"), 0.33], [0.30, 0.33, float("nan")], 1, "one seed"),
        ([float("nan"), 0.32], [0.30, float("nan")], 0, "not measured"),
    ],
)
def test_differences_are_by_seed(shared: list[float], narrow: list[float], num_seeds: int, verdict: str) -> None:
    first, nll, *others = differences(SWEEP, rows(shared, narrow))
    assert (first.of, first.against) == (a_setting("shared", "12%"), a_setting("narrow", "12%"))
    assert (first.metric, nll.metric) == ("top1", "nll")
    assert (first.num_seeds, first.verdict) == (num_seeds, verdict)
    if num_seeds == 3:
        assert first.mean == pytest.approx(sum(shared) / 3 - sum(narrow) / 3)
    assert [one.verdict for one in others] == ["not measured"] * 2  # at the other budget


def test_a_page_has_the_settings_and_the_differences() -> None:
    found = rows([0.31, 0.32, 0.33], [0.29, 0.30, 0.311])
    done = [CellOutcome(cell, found.get(cell), "" if cell in found else "broken") for cell in SWEEP.cells]
    lines = as_markdown(SWEEP, summaries(SWEEP, done), differences(SWEEP, found)).splitlines()
    (shared,) = [line for line in lines if line.startswith("| shared | 12% |")]
    assert shared.startswith("| shared | 12% | 3 of 3 | 32.00% ± 0.58 | 1.0000 ± 0.0000 |") and "57.34k" in shared
    assert shared.endswith("| 1-1-3 |")
    assert "| narrow | 25% | 0 of 3 | failed |" in "\n".join(lines)
    assert "| shared, budget 12% | narrow | 3 | +1.97 ± 0.14, above | +0.0000 ± 0.0000, not told apart |" in lines
    tables = [line.count("|") for line in lines if line.startswith("|")]
    assert len(set(tables[:6])) == 1 and len(set(tables[6:])) == 1


def test_a_value_cannot_end_a_cell() -> None:
    sweep = Sweep("s", (Path("a.sw"),), (("p", ("a|b", "c")),))
    done = [CellOutcome(cell, a_row(cell, 0.5)) for cell in sweep.cells]
    assert "| a\\|b | 1 of 1 |" in as_markdown(sweep, summaries(sweep, done), ())


def test_a_sweep_file_may_compare(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    vary = 'spec = "a.sw"\n[vary]\ntau = [0.1, 0.2]\nbeta = [1, 2]\n'
    path.write_text(vary + "[[compare]]\nof = {tau = 0.1, beta = 2}\nagainst = {beta = 1, tau = 0.2}\n")
    (pair,) = read_sweep(path).compare
    assert pair == SettingPair((("tau", "0.1"), ("beta", "2")), (("tau", "0.2"), ("beta", "1")))
    (one, _) = differences(read_sweep(path), {})
    assert one.against == (("tau", "0.2"), ("beta", "1"))


def test_an_estimate_times_batches_and_leaves_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.sw").write_text(spec_text(batch=256), encoding="utf-8")
    vary = (("amount", ("50%", "1%")),)
    sweep = Sweep("tiny", (Path("tiny.sw"),), vary, "5-8", epochs_scale=2.0, table=Path("rows.csv"))
    RowTable(Path("rows.csv"), sweep).add(a_row(sweep.cells[0], 0.5))
    before = sorted(tmp_path.rglob("*"))
    first, second = estimated(sweep, tmp_path / "runs", Options(device="cpu", threads=1))
    assert first.num_batches == 6 * (2 + 4) and first.num_left == 3  # six batches of 1,437 images; one row is there
    assert 0 < first.batch_seconds < 60
    assert "below the minimum" in second.reason and second.left_hours == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_an_estimate_adds_up_what_is_left() -> None:
    from swc.show.plain import plain

    sweep = Sweep("s", (Path("a.sw"),), (("p", ("1", "2")),))
    found = [SettingCost(sweep.settings[0], 3, 2.0, 3600), SettingCost(sweep.settings[1], 0, 1.0, 36_000)]
    text = plain(costs_shown(sweep, found, 2))
    assert "6.00 hours of training are left, 3.00 with 2 jobs" in text and "36,000" in text
