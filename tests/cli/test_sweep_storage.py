"""Sweeps that score a run as it would be stored, and that take rows from other tables."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Thread

import pytest
from attrs import evolve
from swc.diagnostics import DiagnosticError
from swc.sweep import runner
from swc.sweep.cell_specs import checked_specs, hashes_of
from swc.sweep.children import Ended, Processes
from swc.sweep.estimate import _runs_left
from swc.sweep.known_rows import check_rows, known_rows
from swc.sweep.plan import Cell, Sweep
from swc.sweep.rounded import NotScoredError, RoundedRun
from swc.sweep.row_table import RowTable
from swc.sweep.rows import CellRow, text_of_rows
from swc.sweep.sweep_file import read_sweep

from support.runs import Place, spec_text

FAST = ("--device", "cpu", "--threads", "1", "--epochs-scale", "0.5", "--jobs", "2")
SCORES = {"top1": 0.5, "nll": 1.0, "ece": 0.125, "mean_member_top1": 0.25, "best_member_top1": 0.375, "stored": 1000}


def a_sweep(folder: Path, **more: object) -> Sweep:
    vary = (("amount", ("50%", "60%")),)
    asked = {"seeds": "100-101", "storage": ("float32", "int8")} | more
    return Sweep("tiny", (folder / "tiny.sw",), vary, **asked)  # type: ignore[arg-type]


def test_cells_that_differ_in_storage_are_of_one_run(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path, by_seed=True)
    assert sweep.columns == (("amount", ("50%", "60%")), ("storage", ("float32", "int8")))
    assert len(sweep.cells) == 8 and len(sweep.runs) == 4 == len(sweep.trained.cells)
    assert [run.name for run in sweep.runs] == [
        "amount=50%25,seed=100", "amount=60%25,seed=100", "amount=50%25,seed=101", "amount=60%25,seed=101",
    ]  # fmt: skip
    cells = next(iter(sweep.runs.values()))
    assert [sweep.storage_of(cell) for cell in cells] == ["float32", "int8"]
    assert {sweep.run_of(cell) for cell in cells} == {sweep.trained.cells[0]}
    assert sweep.spec_of(cells[1].setting) == (tmp_path / "tiny.sw", {"amount": "50%"}, None)
    plain = evolve(sweep, storage=())
    assert plain.runs == {cell: (cell,) for cell in plain.running_order}


VARIED = 'spec = "a.sw"\n{}\n[vary]\nbeta = [1, 2]\n'


def test_a_sweep_file_names_storages_and_other_tables(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(VARIED.format('storage = ["float32", "int4"]\nrows_from = ["a.csv", "../b.csv"]'))
    found = read_sweep(path)
    assert found.storage == ("float32", "int4")
    assert found.rows_from == (tmp_path / "a.csv", tmp_path / "../b.csv")
    path.write_text('spec = "a.sw"\nstorage = ["int4"]\nrows_from = "a.csv"\n')
    only = read_sweep(path)
    assert [cell.setting for cell in only.cells] == [(("storage", "int4"),)] and only.rows_from == (tmp_path / "a.csv",)
    assert [run.name for run in only.runs] == ["seed=0"]


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ('storage = ["float32", "int2"]', 'must be a list of float32, int8, int4, not "int2"'),
        ("storage = [8]", "must be a list of float32, int8, int4, not 8"),
        ('storage = ["int8", "int8"]', "`storage` has the value int8 twice"),
        ("storage = []", "must be a list of float32, int8, int4, and not empty"),
        ('storage = "int8"', '`storage` must not be "int8"'),
        ('storage = ["int8"]\nvary.storage = [1]', "`storage` is a param that varies too"),
        ("rows_from = [1]", "`rows_from` must be a list of tables"),
        ('rows_from = ""', "`rows_from` must be a list of tables"),
    ],
)
def test_wrong_storages_and_tables_are_told(tmp_path: Path, key: str, reason: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(VARIED.format(key) if "vary" not in key else f'spec = "a.sw"\n{key}\n')
    with pytest.raises(DiagnosticError) as caught:
        read_sweep(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "SW670" and reason in diagnostic.message()


def test_wrong_storages_on_the_command_line_are_told(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    assert made.swc("sweep", "tiny.sw", "--storage", "int8,int8") == 2
    assert "`storage` has the value int8 twice" in capfd.readouterr().err


QUICK = """
import "digits.sw"

ensemble tiny {
  data digits(train: 360, validation: 20%)
  param amount = 60%
  member m[2] = wrn(depth: 10, width: 0.5)
  budget amount of native
  share conv { coefficients by slot }
  train digits {
    batch 32
    phase main: 2 epochs at lr 0.1
  }
}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("storage")
    (folder / "tiny.sw").write_text(QUICK, encoding="utf-8")
    return Place(folder)


@pytest.mark.slow
def test_a_row_has_what_an_evaluation_of_rounded_weights_prints(
    made: Place, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("sweep", "tiny.sw", "--storage", "float32,int8", "-o", "runs", *FAST)
    assert made.swc(*command) == 0
    shown = capfd.readouterr()
    assert "1 run in runs, scored as float32, int8: 2 rows" in shown.err and "stored bytes" in shown.out
    folder = made.folder / "runs"
    plain, rounded = csv.DictReader((folder / "sweep.csv").read_text().splitlines())
    assert (plain["storage"], rounded["storage"]) == ("float32", "int8")
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["seed=0"]
    same = ("stored", "templates", "multiply_adds", "train_seconds", "templates_per_bank", "spec_hash")
    assert {plain[name] == rounded[name] for name in same} == {True}
    assert int(plain["stored_bytes"]) == 4 * int(plain["stored"]) > 3 * int(rounded["stored_bytes"])
    assert plain["nll"] != rounded["nll"] and plain["validation_nll"] != rounded["validation_nll"]
    printed = {part: evaluated(made, part, capfd) for part in ("test", "validation")}
    for part, prefix in (("test", ""), ("validation", "validation_")):
        whole = printed[part]["predictors"][-1]
        for name in ("top1", "nll", "ece"):
            assert float(rounded[prefix + name]) == pytest.approx(whole["scores"][name], rel=1e-6)
    members = [one["scores"]["top1"] for one in printed["test"]["predictors"][:2]]
    assert float(rounded["mean_member_top1"]) == pytest.approx(sum(members) / 2)
    assert float(rounded["best_member_top1"]) == max(members)
    losses = [one["scores"]["nll"] for one in printed["validation"]["predictors"][:2]]
    assert float(rounded["chosen_member_top1"]) == members[losses.index(min(losses))]
    assert int(rounded["stored_bytes"]) == printed["test"]["predictors"][-1]["stored_bytes"]
    logs = {path: path.read_bytes() for path in folder.rglob("*.log")}
    assert sorted(path.name for path in logs) == ["eval-int8.log", "train.log"]
    assert made.swc(*command) == 0  # what is done is done again neither in training nor in scoring
    assert {path: path.read_bytes() for path in folder.rglob("*.log")} == logs
    # one that was damaged since is made again
    (folder / "seed=0/run/eval/int8/evaluation.json").write_text("damaged")
    assert made.swc(*command) == 0
    assert list(csv.DictReader((folder / "sweep.csv").read_text().splitlines())) == [plain, rounded]
    # one that fails harms no other
    monkeypatch.setattr(runner, "_evaluate", failing)
    capfd.readouterr()
    assert made.swc(*command[:3], "int4,float32,int8", *command[4:], "--table", "rows.csv") == 1
    shown = capfd.readouterr()
    assert "error[SW671]: 1 of 3 rows failed" in shown.err and "eval-*.log" in shown.err
    assert "failed: storage int4, seed 0: error[SW999]: no" in shown.out
    kept = list(csv.DictReader((made.folder / "rows.csv").read_text().splitlines()))
    assert [row["storage"] for row in kept] == ["float32", "int8"] and kept[1]["nll"] == rounded["nll"]


def failing(work: object, arguments: Sequence[str], log: Path) -> Ended:
    """Do as `swc eval` where it cannot."""
    log.write_text(f"working on {arguments}\nerror[SW999]: no\n  help: yes\n")
    return Ended(1, "error[SW999]: no")


def evaluated(made: Place, part: str, capfd: pytest.CaptureFixture[str]) -> dict[str, list[dict[str, object]]]:
    """What `swc eval` prints of the run in 8 bits."""
    capfd.readouterr()
    asked = ("--stored", "int8", "--on", part, "--time-batch", "0", "--format", "json", "--device", "cpu")
    assert made.swc("eval", "runs/seed=0", *asked) == 0
    (found,) = json.loads(capfd.readouterr().out)["evaluations"]
    return found


def test_an_evaluation_that_fails_is_told_by_its_last_words(tmp_path: Path) -> None:
    cell = a_sweep(tmp_path).cells[1]
    with pytest.raises(NotScoredError, match=r"^error\[SW999\]: no$"):
        RoundedRun(tmp_path, "int8").row(CellRow(cell, "0" * 64, SCORES), cell, partial(failing, None))
    with pytest.raises(NotScoredError, match="`swc eval` was ended by SIGKILL"):
        RoundedRun(tmp_path, "int4").row(CellRow(cell, "0" * 64, SCORES), cell, lambda *_: Ended(-9, ""))


def test_what_runs_ends_when_it_is_stopped(tmp_path: Path) -> None:
    processes, log = Processes(), tmp_path / "log"
    ended: list[Ended] = []
    code = "import os, time; print(os.environ['SAID'], flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code]
    waiting = Thread(target=lambda: ended.append(processes.run(command, log, {"SAID": "so"})))
    waiting.start()
    while not (log.is_file() and log.read_text() == "so\n"):
        time.sleep(0.01)
    processes.stop()
    waiting.join(timeout=30)
    assert ended == [Ended(-15, "so")] and processes.run(command, log).status == -15


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "tiny.sw").write_text(spec_text(), encoding="utf-8")
    return tmp_path


def write_rows(sweep: Sweep, path: Path, cells: Sequence[Cell]) -> dict[Cell, CellRow]:
    """A table of some cells as the sweep would have written it."""
    hashes = hashes_of(sweep, checked_specs(sweep))
    found = {cell: CellRow(cell, hashes[cell], SCORES | {"top1": number / 8}) for number, cell in enumerate(cells)}
    path.write_text(text_of_rows(sweep, found))
    return found


def test_a_table_without_storages_has_rows_in_float32(here: Path) -> None:
    other = a_sweep(here, storage=())
    rows = write_rows(other, here / "other.csv", other.cells[:2])
    sweep = a_sweep(here, rows_from=(here / "other.csv",))
    plain = [cell for cell in sweep.cells if sweep.storage_of(cell) == "float32"]
    assert list(known_rows(sweep)) == plain[:2]
    assert known_rows(sweep)[plain[1]] == evolve(rows[other.cells[1]], cell=plain[1])
    left = _runs_left(sweep)  # a run of which the row in 8 bits is missing is to be trained, once
    assert [len(runs) for runs in left.values()] == [2, 2]
    every = known_rows(evolve(sweep, storage=()))
    assert list(every) == list(other.cells[:2])


def test_a_sweep_may_name_storages_later(here: Path) -> None:
    before = a_sweep(here, storage=(), table=here / "rows.csv")
    rows = write_rows(before, here / "rows.csv", before.cells)
    sweep = evolve(before, storage=("float32", "int8"))
    check_rows(sweep, checked_specs(sweep))
    found = known_rows(sweep)
    assert {sweep.run_of(cell): evolve(row, cell=sweep.run_of(cell)) for cell, row in found.items()} == rows
    assert {sweep.storage_of(cell) for cell in found} == {"float32"}
    rounded = sweep.cells[1]
    RowTable(here / "rows.csv", sweep).add(CellRow(rounded, "0" * 64, SCORES))
    assert RowTable(here / "rows.csv", sweep).rows() == {**found, rounded: CellRow(rounded, "0" * 64, SCORES)}
    with pytest.raises(DiagnosticError):
        known_rows(before)  # which of them are its own is not said


def test_a_row_is_known_by_its_hash_and_not_by_names(here: Path) -> None:
    other = Sweep(
        "o", (here / "tiny.sw",), (("tau", ("0.3", "0.4")), ("amount", ("50%",))), "100-101", storage=("int8",)
    )
    write_rows(other, here / "other.csv", other.cells)
    sweep = a_sweep(here, rows_from=(here / "other.csv",))
    check_rows(sweep, checked_specs(sweep))
    found = known_rows(sweep)
    assert [(cell.name, row.numbers["top1"]) for cell, row in found.items()] == [
        ("amount=50%25,storage=int8,seed=100", 0.0), ("amount=50%25,storage=int8,seed=101", 0.125),
    ]  # fmt: skip


def test_the_own_table_goes_first_and_then_the_first_of_the_others(here: Path) -> None:
    sweep = a_sweep(here, table=here / "rows.csv", rows_from=(here / "a.csv", here / "b.csv"))
    first, second, third = sweep.cells[:3]
    write_rows(sweep, here / "rows.csv", [first])
    write_rows(sweep, here / "a.csv", [third, first, second])
    write_rows(sweep, here / "b.csv", [third, second])
    assert {cell: row.numbers["top1"] for cell, row in known_rows(sweep).items()} == {first: 0, second: 0.25, third: 0}


def test_rows_from_elsewhere_are_refused_where_they_are_of_another_spec(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sweep = a_sweep(here)
    write_rows(sweep, here / "other.csv", sweep.cells)
    (here / "s.toml").write_text(
        'spec = "tiny.sw"\nseeds = "100-101"\nstorage = ["float32", "int8"]\nrows_from = ["other.csv"]\n'
        'table = "rows.csv"\n[vary]\namount = ["50%", "60%"]\n'
    )
    place = Place(here)
    assert place.swc("sweep", "s.toml", "--epochs-scale", "0.5") == 1
    told = capfd.readouterr().err
    assert "error[SW723]: the row `amount=50%,storage=float32,seed=100` of `other.csv`" in told
    assert not (here / "build").exists() and not (here / "rows.csv").exists()
    assert place.swc("sweep", "s.toml") == 0  # as they are, nothing is run
    shown = capfd.readouterr()
    assert "8 rows, 0 of them in rows.csv already, 8 in other tables" in shown.err and "2 of 2" in shown.out
    assert RowTable(here / "rows.csv", sweep).rows() == RowTable(here / "other.csv", sweep).rows()
    (here / "other.csv").unlink()
    assert place.swc("sweep", "s.toml") == 1
    assert "error[SW601]" in capfd.readouterr().err
    assert place.swc("sweep", "s.toml", "--no-rows-from") == 0


def test_a_damaged_table_of_another_sweep_is_told_with_its_line(here: Path) -> None:
    sweep = a_sweep(here, rows_from=(here / "other.csv",))
    for text, reason in (("amount,top1\n", "line 1"), ("amount,seed,top1,nll,spec_hash\n50%,1,2\n", "line 2")):
        (here / "other.csv").write_text(text)
        with pytest.raises(DiagnosticError) as caught:
            check_rows(sweep, checked_specs(sweep))
        (diagnostic,) = caught.value.diagnostics
        assert diagnostic.code == "SW724" and reason in diagnostic.message()
