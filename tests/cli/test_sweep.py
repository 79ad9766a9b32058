"""`swc sweep`: every combination runs, goes on, and may fail without harm."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from subprocess import PIPE

import pytest
from attrs import evolve
from swc.compiler.driver import compile_file
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.files import OutputUnwritable
from swc.files.run import MemberScores, RunResults, StoredCounts, ValidationScores
from swc.files.scores import Scores
from swc.folders.lock import held
from swc.folders.store import write_spec
from swc.show.plain import plain
from swc.sweep import row_table
from swc.sweep.cell_specs import scaled
from swc.sweep.children import Processes
from swc.sweep.figure import figure
from swc.sweep.markdown import as_markdown
from swc.sweep.plan import Cell, Sweep
from swc.sweep.preflight import check_beginning
from swc.sweep.rows import CellRow, measured
from swc.sweep.runner import CellOutcome
from swc.sweep.summary import as_json, best_of, shown, summaries

from support.runs import Place, spec_text

ROOT = Path(__file__).parents[2]
FAST = ("--device", "cpu", "--threads", "1", "--jobs", "2", "--epochs-scale", "0.5")


def row(cell: Cell, top1: float, validation_nll: float | None = None) -> CellRow:
    members = tuple(MemberScores(top1 - less, 1.0, 0.1, 360, name=f"m{less}") for less in (0.1, 0.2))
    results = RunResults("e", "digits", 1.0, members, Scores(top1, 1.0, 0.1, 360), StoredCounts(1, 1, 1, 1))
    if validation_nll is not None:
        validation = ValidationScores(members, Scores(top1, validation_nll, 0.1, 90))
        results = evolve(results, validation=validation)
    return CellRow(cell, "0" * 64, measured(results))


def test_cells_are_every_combination_with_every_seed() -> None:
    sweep = Sweep("s", (Path("a.sw"),), (("beta", ("0.1", "0.9")), ("budget", ("50%", "1M"))), seeds=2)
    assert len(sweep.settings) == 4 and len(sweep.cells) == 8
    assert sweep.cells[1] == Cell((("beta", "0.1"), ("budget", "50%")), 1)
    assert sweep.cells[1].name == "beta=0.1,budget=50%25,seed=1"
    assert len({cell.name for cell in sweep.cells}) == 8


def test_means_and_errors_are_over_the_seeds_that_ended() -> None:
    sweep = Sweep("s", (Path("a.sw"),), (("beta", ("0.1", "0.9")),), seeds=3)
    values = (0.5, 0.6, 0.8)
    done = [CellOutcome(cell, row(cell, v)) for cell, v in zip(sweep.cells[:3], values, strict=True)]
    done += [CellOutcome(cell, None, "broken") for cell in sweep.cells[3:]]
    first, second = summaries(sweep, done)
    top1 = dict(first.values)["top1"]
    assert top1.mean == pytest.approx(mean(values)) and top1.error == pytest.approx(stdev(values) / sqrt(3))
    assert dict(first.values)["best_member_top1"].mean == pytest.approx(mean(values) - 0.1)
    assert second.values == () and second.failed == ((0, "broken"), (1, "broken"), (2, "broken"))
    top1_axes, nll_axes = figure(sweep, (first, second)).axes
    assert top1_axes.lines[0].get_ydata() == pytest.approx([100 * mean(values)])
    assert nll_axes.lines[0].get_ydata() == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("values", "places", "scale"),
    [
        (("0.5", "0.1"), [0.1, 0.5], "linear"),
        (("8", "1k", "12"), [8.0, 12.0, 1000.0], "log"),
        (("6%", "50%"), [6.0, 50.0], "log"),
        (("-1", "0.2", "0.4"), [-1.0, 0.2, 0.4], "linear"),
        (("-1", "0.2", "0.25"), [0.0, 1.0, 2.0], "linear"),  # too near to be read
        (("7",), [0.0], "linear"),
        (("none", "9", "1"), [0.0, 1.0, 2.0], "linear"),
        (("50%", "1M"), [0.0, 1.0], "linear"),
    ],
)
def test_numbers_stand_along_the_axis_where_they_are_and_names_one_after_another(
    values: tuple[str, ...], places: list[float], scale: str
) -> None:
    sweep = Sweep("s", (Path("a.sw"),), (("amount", values),), seeds=1)
    done = [CellOutcome(cell, row(cell, 0.5, 1.0 + number)) for number, cell in enumerate(sweep.cells)]
    axes = figure(sweep, summaries(sweep, done)).axes[0]
    assert list(axes.lines[0].get_xdata()) == places and axes.get_xscale() == scale
    marks = dict(zip([mark.get_text() for mark in axes.get_xticklabels()], axes.get_xticks(), strict=True))
    assert sorted(marks) == sorted(values)
    stars = [list(line.get_xdata()) for line in axes.lines if line.get_marker() == "*"]
    assert stars == ([[marks[values[0]]]] if len(values) > 1 else [])


def test_a_setting_is_chosen_by_the_validation_part_and_never_by_the_test() -> None:
    """The second setting is better on the test images, the first on those that it is chosen with."""
    sweep = Sweep("s", (Path("a.sw"),), (("beta", ("0.1", "0.9")),), seeds=1)
    numbers = ((0.5, 1.25), (0.75, 1.5))
    done = [CellOutcome(cell, row(cell, *both)) for cell, both in zip(sweep.cells, numbers, strict=True)]
    found = summaries(sweep, done)
    assert best_of(found) is found[0] and json.loads(as_json(sweep, found))["best"] == 0
    text = plain(shown(sweep, found))
    assert "1.2500 *" in text and "1.5000 *" not in text
    assert "* lowest NLL on the validation part: beta 0.1" in text
    heads = ("validation top-1", "validation NLL", "validation ECE", "test top-1", "test NLL", "test ECE")
    places = [text.index(head) for head in heads]
    assert places == sorted(places)
    markdown = as_markdown(sweep, found, ())
    assert "test images, where a column does not say validation" in markdown and "1.2500 *" in markdown
    axes = figure(sweep, found).axes
    assert [one.get_ylabel() for one in axes] == ["top-1 (%), test", "NLL (nats), test"]
    assert "lowest validation NLL" in [line.get_label() for line in axes[0].lines]


def test_nothing_is_chosen_among_settings_of_unlike_numbers_of_seeds() -> None:
    sweep = Sweep("s", (Path("a.sw"),), (("beta", ("0.1", "0.9")),), seeds=2)
    done = [CellOutcome(cell, row(cell, 0.5, 1.0)) for cell in sweep.cells]
    assert best_of(summaries(sweep, done)) is not None
    assert best_of(summaries(sweep, done[:-1])) is None


def test_a_member_is_chosen_by_validation_and_scored_on_the_test() -> None:
    test = tuple(MemberScores(top1, nll, 0.1, 360, name=str(top1)) for top1, nll in ((0.9, 0.3), (0.8, 0.5)))
    other = tuple(evolve(one, nll=nll) for one, nll in zip(test, (0.6, 0.2), strict=True))
    together = Scores(0.95, 0.25, 0.1, 360)
    results = RunResults("e", "digits", 1.0, test, together, StoredCounts(1, 1, 1, 1))
    assert "chosen_member_top1" not in measured(results)
    numbers = measured(evolve(results, validation=ValidationScores(other, together)))
    assert (numbers["chosen_member_top1"], numbers["chosen_member_nll"]) == (0.8, 0.5)
    assert numbers["best_member_top1"] == 0.9


def test_tables_show_what_the_file_asks_for() -> None:
    sweep = Sweep(
        "s", (Path("a.sw"),), (("beta", ("0.1", "0.9")),), seeds=1, show=("nll", "templates_per_bank", "top1")
    )
    found = summaries(sweep, [CellOutcome(cell, row(cell, 0.5, 1.25)) for cell in sweep.cells])
    assert plain(shown(sweep, found)).splitlines()[2].split() == [
        "beta",
        "seeds",
        "NLL",
        "per",
        "bank",
        "ensemble",
        "top-1",
    ]
    assert "| beta | seeds | NLL | per bank | ensemble top-1 |" in as_markdown(sweep, found, ())


def test_without_a_validation_part_nothing_is_chosen() -> None:
    sweep = Sweep("s", (Path("a.sw"),), (("beta", ("0.1", "0.9")),), seeds=1)
    found = summaries(sweep, [CellOutcome(cell, row(cell, 0.5)) for cell in sweep.cells])
    assert best_of(found) is None and json.loads(as_json(sweep, found))["best"] is None
    assert "validation" not in plain(shown(sweep, found))
    mixed = summaries(
        sweep, [CellOutcome(cell, row(cell, 0.5, n)) for cell, n in zip(sweep.cells, (1.0, None), strict=True)]
    )
    assert best_of(mixed) is None


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "tiny.sw").write_text(spec_text(batch=256), encoding="utf-8")
    return Place(folder)


def test_a_sweep_runs_fails_in_part_and_goes_on(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    command = ("sweep", "tiny.sw", "--vary", "amount=50%,1%", "--seeds", "2", *FAST)
    assert made.swc(*command) == 1  # a budget of one per cent cannot be met
    shown = capfd.readouterr()
    assert "2 of 2" in shown.out and "0 of 2" in shown.out and "failed" in shown.out
    assert "error[SW671]: 2 of 4 runs failed" in shown.err
    folder = made.folder / "build" / "sweeps" / "tiny"
    cells = list(csv.DictReader((folder / "sweep.csv").read_text().splitlines()))
    assert [(cell["amount"], cell["seed"]) for cell in cells] == [("50%", "0"), ("50%", "1"), ("1%", "0"), ("1%", "1")]
    assert cells[0]["top1"] != cells[1]["top1"] and "below the minimum" in cells[2]["failed"]
    logs = {path: path.read_bytes() for path in folder.rglob("train.log")}
    assert len(logs) == 2
    assert made.swc(*command, "--table", "rows.csv") == 1  # what is done is not run again
    assert {path: path.read_bytes() for path in folder.rglob("train.log")} == logs
    rows = list(csv.DictReader((made.folder / "rows.csv").read_text().splitlines()))
    assert [(row["amount"], row["seed"], row["top1"]) for row in rows] == [
        (cell["amount"], cell["seed"], cell["top1"]) for cell in cells[:2]
    ]
    costs = [int(rows[0][name]) for name in ("templates", "stored", "multiply_adds")]
    assert costs == sorted(costs) and len({row["spec_hash"] for row in rows}) == 2
    assert float(rows[0]["train_seconds"]) > 0 and rows[0]["templates_per_bank"].count("-") == 2
    found = json.loads((folder / "sweep.json").read_text())
    assert found["settings"][0]["num_seeds"] == 2 and found["settings"][0]["values"]["top1"]["error"] is not None
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")
    (folder / "amount=50%25,seed=1" / "run" / "results.json").write_text("{")
    capfd.readouterr()
    assert made.swc(*command) == 1
    shown = capfd.readouterr()
    assert "1 of 2" in shown.out and "amount=50%,seed=1: failed: " in shown.err
    # What the sweep itself has found is told with what to do, one of each kind; no log has it.
    assert shown.err.count("error[SW407]") == 1 and shown.err.count("results.json` is damaged") == 2
    assert "= help: mend what the errors above tell; the same command" in shown.err


def test_a_table_that_is_refused_stops_no_run(
    made: Place, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows wait for the next; at the end the command fails where some still do."""
    written, refusals = row_table.write_whole, [True, False]

    def write(path: Path, text: str) -> None:
        if refusals and refusals.pop(0):
            raise DiagnosticError(OutputUnwritable(path=str(path), reason="No space left on device"))
        written(path, text)

    monkeypatch.setattr(row_table, "write_whole", write)
    command = ("sweep", "tiny.sw", "--vary", "amount=50%,60%", "-o", "full", "--table", "full.csv", *FAST)
    assert made.swc(*command) == 0
    told = capfd.readouterr().err
    assert told.count("; not in the table: cannot write") == 1 and "error" not in told
    rows = (made.folder / "full.csv").read_text()
    assert rows.count("\n") == 3
    (made.folder / "full.csv").unlink()
    refusals[:] = [True, True, True]
    assert made.swc(*command) == 1
    shown = capfd.readouterr()
    assert shown.err.count("not in the table") == 2 and shown.err.count("error[SW604]") == 1 and "1 of 1" in shown.out
    assert not (made.folder / "full.csv").exists()
    assert made.swc(*command) == 0 and (made.folder / "full.csv").read_text() == rows


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_sweep_that_is_ended_leaves_no_process_behind(made: Place, number: signal.Signals) -> None:
    folder = f"ended_{number.name}"
    command = [sys.executable, "-m", "swc", "sweep", "tiny.sw", "--vary", "amount=50%,60%", "-o", folder]
    process = subprocess.Popen(
        [*command, "--jobs", "2", "--epochs-scale", "900"], cwd=made.folder, stderr=PIPE, start_new_session=True
    )
    logs = [made.folder / folder / f"amount={amount}%25,seed=0" / "train.log" for amount in (50, 60)]
    wait_until(lambda: all(log.is_file() and "training on" in log.read_text() for log in logs))
    process.send_signal(number)
    assert b"failed" not in process.communicate(timeout=60)[1]
    assert process.returncode == (128 + number if number == signal.SIGTERM else -number)
    wait_until(lambda: not is_group(process.pid))


def test_a_run_that_another_process_trains_has_not_failed(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    command = ("sweep", "tiny.sw", "--vary", "amount=70%", "-o", "busy", *FAST)
    with held(made.folder / "busy" / "amount=70%25,seed=0" / "run"):
        assert made.swc(*command) == 1
    shown = capfd.readouterr()
    assert f"running elsewhere: error[SW544]: another process ({os.getpid()})" in shown.err
    assert "error[SW722]: 1 of 1 runs are trained by another process" in shown.err and "SW671" not in shown.err
    assert "running elsewhere: amount 70%, seed 0" in shown.out and "failed" not in shown.out + shown.err


def test_why_a_run_failed_is_what_its_own_process_said(tmp_path: Path) -> None:
    """And not one before it, whose words stand in the same file; what was killed had no time to say anything."""
    log, processes = tmp_path / "train.log", Processes()
    first = processes.run(["sh", "-c", "echo 'error[SW544]: another process (7) is training the run'; exit 1"], log)
    assert first.why("it") == "error[SW544]: another process (7) is training the run"
    assert processes.run(["sh", "-c", "kill -9 $$"], log).why("it") == "it was ended by SIGKILL"
    assert processes.run(["sh", "-c", "exit 3"], log).why("it") == "it ended with 3"
    assert len(log.read_text().splitlines()) == 1


def test_a_run_whose_folder_is_removed_harms_no_other(tmp_path: Path) -> None:
    """Before it begins, or while it runs: it has failed, and the sweep goes on."""
    processes, folder = Processes(), tmp_path / "run"
    assert "no such file" in processes.run(["true"], folder / "train.log").why("it")
    folder.mkdir()
    ended = processes.run(["rm", "-r", str(folder)], folder / "train.log")
    assert ended.status == 0 and "no such file" in ended.why("it")


def test_a_child_ends_when_its_pipe_does() -> None:
    code = "import time; from swc.cli.child import end_with_parent; end_with_parent(); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdin=PIPE) as child:
        child.stdin.close()
        assert child.wait(timeout=30) == -signal.SIGTERM


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_group(number: int) -> bool:
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def begin(made: Place, folder: str, scale: float) -> Path:
    """What a sweep that was stopped leaves of a cell, and a table."""
    sweep = Sweep("tiny", (made.folder / "tiny.sw",), (("amount", ("50%",)),), epochs_scale=scale)
    compiled = compile_file(*sweep.spec_of(sweep.settings[0]))
    begun = evolve(compiled, spec=scaled(compiled.spec.seeded(0), scale))
    write_spec(made.folder / folder / sweep.cells[0].name / "run", begun)
    table = made.folder / folder / "sweep.csv"
    table.write_text("before")
    return table


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize(("was", "now"), [(0.05, ()), (1.0, ("--epochs-scale", "0.05"))])
def test_a_sweep_of_another_scale_is_left_alone(
    made: Place, capfd: pytest.CaptureFixture[str], was: float, now: tuple[str, ...]
) -> None:
    table = begin(made, f"scaled_{was}", was)
    before = files(table.parent)
    assert made.swc("sweep", "tiny.sw", "--vary", "amount=40%,50%", "-o", table.parent.name, *now) == 1
    told = capfd.readouterr().err
    assert "error[SW720]" in told and f"scaled by {was:g}" in told and f"--epochs-scale {was:g}" in told
    assert table.read_text() == "before" and files(table.parent) == before


def test_a_sweep_of_another_spec_is_left_alone(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    table = begin(made, "changed", 1.0)
    before = files(table.parent)
    (made.folder / "other.sw").write_text(spec_text(batch=64), encoding="utf-8")
    assert made.swc("sweep", "other.sw", "--vary", "amount=40%,50%", "-o", "changed") == 1
    told = capfd.readouterr().err
    assert "error[SW721]" in told and "amount=50%25,seed=0" in told and "-o FOLDER" in told
    assert table.read_text() == "before" and files(table.parent) == before


def test_wrong_usage_is_told(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    assert made.swc("sweep", "tiny.sw") == 2
    assert "nothing varies" in capfd.readouterr().err
    assert made.swc("sweep", "tiny.sw", "--vary", "seed=1,2") == 2
    assert "`seed` is what a sweep sets itself: give --seeds" in capfd.readouterr().err
    assert made.swc("sweep", "tiny.sw", "--vary", "tau") == 2
    assert "--vary: `tau` is not NAME=VALUE" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("missing.toml",), ("SW601", "no file `missing.toml`")),
        (("missing.sw",), ("SW601", "no file `missing.sw`")),
        (("missing.sw", "--vary", "tau=1,2"), ("SW601", "no file `missing.sw`")),
        (("tiny.sw", "--vary", "nope=1,2"), ("SW110", "no param `nope`", "`amount`, `rate`, `tau`")),
        (("tiny.sw", "--vary", "spec=1,2"), ("SW110", "no param `spec`")),
        (("tiny.sw", "--vary", "tau=0.1,abc"), ("SW205", "param `tau` is a number")),
        (("tiny.sw", "--vary", "tau=0.1,)"), ("SW206", "is not a value for param `tau`")),
        (("tiny.sw", "--vary", "tau=0.1", "--ensemble", "nope"), ("SW109", "no ensemble `nope`", "`tiny`")),
        (("tiny.sw", "--vary", "rate=-1,-2"), ("SW202", "--> --vary rate:1:1")),
    ],
)
def test_what_no_run_survives_is_told_before_any(
    made: Place, capfd: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: tuple[str, ...]
) -> None:
    assert made.swc("sweep", *arguments, "-o", "refused") == 1
    shown = capfd.readouterr().err
    assert all(text in shown for text in told) and shown.count("error[") == 1 and "--set" not in shown
    assert not (made.folder / "refused").exists()


def test_a_spec_without_a_train_block_is_told(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    (made.folder / "untrained.sw").write_text(spec_text().split("  train digits")[0] + "}\n", encoding="utf-8")
    assert made.swc("sweep", "untrained.sw", "--vary", "amount=40%,50%", "-o", "refused") == 1
    assert "SW540" in capfd.readouterr().err and not (made.folder / "refused").exists()


def test_a_value_of_one_setting_is_left_to_its_runs(made: Place) -> None:
    sweep = Sweep("tiny", (made.folder / "tiny.sw",), (("rate", ("0.1", "-1")),))
    check_beginning(sweep, made.folder / "none")
