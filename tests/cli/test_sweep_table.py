"""`swc sweep --table`: a sweep goes on from rows, whichever machine measured them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from attrs import evolve
from swc.cli import output
from swc.cli.output import check_place
from swc.diagnostics import DiagnosticError
from swc.files import fingerprint
from swc.files.fingerprint import fingerprint_of
from swc.language.semantics.check import check_file
from swc.sweep.cell_specs import cell_hash
from swc.sweep.plan import Cell, Sweep
from swc.sweep.row_table import RowTable
from swc.sweep.rows import CellRow, header_of, rows_in, text_of_rows
from swc.sweep.runner import CellOutcome
from swc.sweep.summary import as_csv

from support.runs import Place, spec_text

COSTS = {"stored": 1000, "templates": 800, "multiply_adds": 9_000_000, "train_seconds": 1.5}


@pytest.fixture
def made(tmp_path: Path) -> Place:
    (tmp_path / "tiny.sw").write_text(spec_text(), encoding="utf-8")
    return Place(tmp_path)


def a_sweep(folder: Path, seeds: str = "100-101", **more: object) -> Sweep:
    vary = (("amount", ("50%", "60%")),)
    return Sweep("tiny", (folder / "tiny.sw",), vary, seeds, table=folder / "rows.csv", **more)  # type: ignore[arg-type]


def a_row(cell: Cell, top1: float, spec_hash: str = "0" * 64) -> CellRow:
    scores = {"top1": top1, "nll": 1.0, "ece": 0.125, "mean_member_top1": 0.25, "best_member_top1": 0.375}
    return CellRow(cell, spec_hash, scores | COSTS, "1-2.5-4")


def write_rows(sweep: Sweep, scale: float = 1.0) -> None:
    """A table as another machine would have written it."""
    assert sweep.table is not None
    specs = {setting: check_file(*in_order(sweep, setting)) for setting in sweep.settings}
    rows = [
        a_row(cell, 0.5 + number / 8, cell_hash(specs[cell.setting], cell.seed, scale))
        for number, cell in enumerate(sweep.cells)
    ]
    sweep.table.write_text(text_of_rows(sweep, {row.cell: row for row in rows}))


def in_order(sweep: Sweep, setting: tuple[tuple[str, str], ...]) -> tuple[Path, str | None, dict[str, str]]:
    path, params, ensemble = sweep.spec_of(setting)
    return path, ensemble, params


COMMAND = ("sweep", "tiny.sw", "--vary", "amount=50%,60%", "--seeds", "100-101", "--table", "rows.csv")


SWEEP_FILE = """
spec = "tiny.sw"
seeds = "100-101"
table = "rows.csv"
[vary]
amount = ["50%", "60%"]
[[compare]]
of = {amount = "60%"}
against = {amount = "50%"}
"""


def test_a_sweep_whose_rows_are_there_runs_nothing(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    write_rows(a_sweep(made.folder))
    before = (made.folder / "rows.csv").read_bytes()
    (made.folder / "tiny.toml").write_text(SWEEP_FILE)
    assert made.swc("sweep", "tiny.toml", "--markdown", "page.md") == 0
    shown = capfd.readouterr()
    assert "4 of them in rows.csv already" in shown.err and "2 of 2" in shown.out
    assert "1-2.5-4" in shown.out and "9.00M" in shown.out
    folder = made.folder / "build" / "sweeps" / "tiny"
    assert sorted(path.name for path in folder.iterdir()) == ["sweep.csv", "sweep.json", "sweep.png"]
    found = json.loads((folder / "sweep.json").read_text())
    assert found["seed_list"] == [100, 101] and found["settings"][0]["templates_per_bank"] == "1-2.5-4"
    assert found["settings"][1]["values"]["top1"]["mean"] == 0.8125
    assert found["settings"][1]["values"]["stored"]["mean"] == 1000
    first, second = found["differences"]
    assert first["mean"] == 0.25 and first["half_width"] == 0.0 and first["verdict"] == "above"
    assert second["metric"] == "nll" and second["verdict"] == "not told apart"
    assert "+25.00 ± 0.00, above" in shown.out
    assert "| amount 60% | amount 50% | 2 | +25.00 ± 0.00, above |" in (made.folder / "page.md").read_text()
    assert (made.folder / "rows.csv").read_bytes() == before


@pytest.mark.parametrize("scale", [0.5, 1.0])
def test_rows_of_another_spec_or_scale_are_refused(
    made: Place, capfd: pytest.CaptureFixture[str], scale: float
) -> None:
    write_rows(a_sweep(made.folder), scale)
    if scale == 1.0:
        (made.folder / "tiny.sw").write_text(spec_text(batch=64), encoding="utf-8")
    assert made.swc(*COMMAND) == 1
    told = capfd.readouterr().err
    assert "error[SW723]: the row `amount=50%,seed=100` of `rows.csv`" in told and "move this one away" in told
    assert not (made.folder / "build").exists()


def damaged(change: Callable[[list[str]], None], folder: Path) -> str:
    """What is said of a table of two rows with a change in its lines."""
    sweep = a_sweep(folder)
    lines = text_of_rows(sweep, {cell: a_row(cell, 0.5) for cell in sweep.cells[:2]}).splitlines()
    change(lines)
    with pytest.raises(DiagnosticError) as caught:
        rows_in("\n".join(lines) + "\n", "rows.csv", sweep)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "SW724"
    return diagnostic.message()


def replaced(number: int, old: str, new: str) -> Callable[[list[str]], None]:
    def change(lines: list[str]) -> None:
        assert old in lines[number]
        lines[number] = lines[number].replace(old, new)

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (replaced(0, "amount", "rate"), "line 1 of `rows.csv`"),
        (replaced(0, ",ece", ",ace"), "`ace` is no column of a sweep"),
        (replaced(0, "spec_hash", "stored"), "it needs the columns"),
        (replaced(2, "1-2.5-4,", ""), "line 3 of `rows.csv` is no row of this sweep: it has 18 fields"),
        (replaced(2, "0.125", "much"), "line 3 of `rows.csv` is no row of this sweep: `much` is no number"),
        (replaced(2, "1-2.5-4", "many"), "`many` is no number of templates"),
        (replaced(2, "9000000", "9" * 400), "is no number"),
        (replaced(2, "0.125", "nan"), "`nan` is no number"),
        (replaced(2, "0.125", "1_0e-2"), "`1_0e-2` is no number"),
        (replaced(2, "9000000", "1e308"), "`1e308` is no number that is measured"),
        (replaced(1, ",100,", ",\u0661,"), "is no seed"),
        (replaced(1, ",100,", f",{2**63},"), "is no seed"),
        (replaced(2, "0.125", "1.25"), "a `ece` of 1.25 is above 1"),
        (replaced(2, "9000000", "-9000000"), "a `multiply_adds` of -9e+06 is below 0"),
        (replaced(2, "0.5,", ","), "it has no `top1`"),
        (replaced(1, ",100,", ",first,"), "`first` is no seed"),
        (replaced(1, "0" * 64, "0" * 63), "is no hash of a spec"),
        (
            replaced(2, ",101,", ",100,"),
            "line 3 of `rows.csv` is no row of this sweep: `amount=50%,seed=100` is",
        ),
        (replaced(2, "50%", '"50%'), "line 3"),
        (lambda lines: lines.insert(2, "<<<<<<< HEAD"), "line 3"),
        (lambda lines: lines.clear(), "line 1 of `rows.csv` is no row of this sweep: it is empty"),
    ],
)
def test_a_damaged_table_is_told_with_its_line(
    tmp_path: Path, change: Callable[[list[str]], None], reason: str
) -> None:
    assert reason in damaged(change, tmp_path)


def test_a_table_may_have_come_through_a_spreadsheet(tmp_path: Path) -> None:
    """Which writes exponents its own way, and an empty line as commas."""
    sweep = a_sweep(tmp_path)
    text = text_of_rows(sweep, {cell: a_row(cell, 0.5) for cell in sweep.cells})
    header, *lines = text.splitlines()
    other = "\r\n".join([header, "," * header.count(","), *(line.replace("0.125", "1.25E-01") for line in lines)])
    assert rows_in(other, "rows.csv", sweep) == rows_in(text, "rows.csv", sweep)


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    values = ('-@odd, with "quotes"', "=1+1", "0.1")
    sweep = Sweep("s", (tmp_path / "a.sw",), (("p", values),), [5, 3])
    rows = {cell: a_row(cell, 1 / 3) for cell in sweep.cells}
    rows[sweep.cells[0]] = CellRow(sweep.cells[0], "f" * 64, {"top1": 0.1, "nll": 2.0})
    assert rows_in(text_of_rows(sweep, rows), "rows.csv", sweep) == rows


def test_a_table_of_fewer_metrics_opens(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    text = f"amount,seed,top1,nll,spec_hash\n50%,100,0.5,1.25,{'a' * 64}\n"
    assert rows_in(text, "rows.csv", sweep) == {
        sweep.cells[0]: CellRow(sweep.cells[0], "a" * 64, {"top1": 0.5, "nll": 1.25})
    }


def test_a_table_of_an_earlier_version_has_four_bytes_for_each_scalar(tmp_path: Path) -> None:
    sweep = a_sweep(tmp_path)
    text = f"amount,seed,top1,nll,stored,spec_hash\n50%,100,0.5,1.25,1000,{'a' * 64}\n"
    (found,) = rows_in(text, "rows.csv", sweep).values()
    assert found.numbers["stored_bytes"] == 4000
    rounded = evolve(sweep, storage=("int8",))
    text = text.replace("seed", "storage,seed").replace(",100,", ",int8,100,")
    (found,) = rows_in(text, "rows.csv", rounded).values()
    assert found.cell == rounded.cells[0] and "stored_bytes" not in found.numbers


def test_no_row_is_lost_where_cells_end_together_or_the_sweep_has_become_smaller(tmp_path: Path) -> None:
    large, small = a_sweep(tmp_path, "0-19"), a_sweep(tmp_path, "0-1")
    tables = [RowTable(tmp_path / "rows.csv", large) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda pair: tables[pair[0] % 4].add(a_row(pair[1], 0.5)), enumerate(large.cells[2:])))
    assert set(tables[0].rows()) == set(large.cells[2:])
    RowTable(tmp_path / "rows.csv", small).add(a_row(small.cells[0], 0.25))
    RowTable(tmp_path / "rows.csv", small).add(a_row(small.cells[1], 0.25))
    assert list(RowTable(tmp_path / "rows.csv", small).rows())[:2] == list(small.cells[:2])
    assert set(tables[0].rows()) == set(large.cells)


def test_the_hash_of_a_row_is_that_of_what_was_asked_for(made: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    text = spec_text()
    spec = check_file(made.folder / "tiny.sw", None, {})
    known = fingerprint_of(spec)
    (made.folder / "tiny.sw").write_text("# a comment\n\n" + text, encoding="utf-8")
    moved = check_file(made.folder / "tiny.sw", None, {})
    assert fingerprint_of(evolve(moved, defaults=("other words",))) == known
    others = [
        evolve(spec, name="other"),
        evolve(spec, shares=(evolve(spec.shares[0], coefficients="slot"),)),
        evolve(spec, budget=evolve(spec.budget, amount=0.25)),
    ]
    hashes = {cell_hash(spec, seed, scale) for seed in (0, 1) for scale in (1.0, 0.5)}
    assert len(hashes | {fingerprint_of(one) for one in others}) == 7
    real = fingerprint.schemas.defaults_of
    share = {name: value for name, value in real(4)["Share"].items() if name != "blocks"}
    older = {**real(4), "Share": share}
    monkeypatch.setattr(fingerprint.schemas, "defaults_of", lambda schema: older if schema == 4 else real(schema))
    fingerprint._first_defaults.cache_clear()
    assert fingerprint_of(spec) == known  # as if `blocks` had come with schema 5
    fingerprint._first_defaults.cache_clear()


def test_a_fingerprint_stays_for_ever(made: Place) -> None:
    spec = check_file(made.folder / "tiny.sw", None, {})
    assert fingerprint_of(spec) == "73d767f38017312bc0cdcd9a792a64fb3679311697631a7a105780ae90a2c9e4"


def test_wrong_seeds_on_the_command_line_are_told(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    assert made.swc(*COMMAND[:5], "9-7") == 2
    told = capfd.readouterr().err
    assert "--seeds" in told and "ends before it begins" in told


def test_a_header_names_what_varies_first(tmp_path: Path) -> None:
    assert header_of(a_sweep(tmp_path))[:3] == ("amount", "seed", "validation_top1")


def test_rows_are_put_together_without_a_run(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    assert made.swc(*COMMAND[:-2], "--no-run") == 2
    assert "name a table with --table" in capfd.readouterr().err
    assert made.swc(*COMMAND, "--no-run") == 2
    assert "there is no table `rows.csv`" in capfd.readouterr().err
    sweep = a_sweep(made.folder)
    write_rows(sweep)
    assert made.swc(*COMMAND, "--no-run", "--seeds", "7") == 2
    assert "have none of its rows" in capfd.readouterr().err
    assert sweep.table is not None
    lines = sweep.table.read_text().splitlines(keepends=True)
    sweep.table.write_text("".join(lines[:-2]))  # both seeds of the first setting stay
    before = sweep.table.read_bytes()
    assert made.swc(*COMMAND, "--no-run", "--markdown", "page.md") == 0
    shown = capfd.readouterr()
    assert "2 of 4 rows are in tables" in shown.err and "60%" not in shown.out
    assert "| 50% | 2 of 2 |" in (made.folder / "page.md").read_text()
    folder = made.folder / "build/sweeps/tiny"
    assert sorted(path.name for path in folder.iterdir()) == ["sweep.csv", "sweep.json", "sweep.png"]
    assert sweep.table.read_bytes() == before


def test_a_value_that_is_written_otherwise_is_known_by_its_hash(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    """As a spreadsheet writes it: what was measured is not measured again."""
    write_rows(a_sweep(made.folder))
    path = made.folder / "rows.csv"
    path.write_text(path.read_text().replace("50%,", "50.0%,"))
    assert made.swc(*COMMAND, "--no-run") == 0
    shown = capfd.readouterr()
    assert "4 of 4 rows are in tables" in shown.err and "50.0%" not in shown.out


def test_pages_and_tables_may_be_links_and_pages_devices(made: Place) -> None:
    write_rows(a_sweep(made.folder))
    (made.folder / "rows.csv").rename(made.folder / "real.csv")
    (made.folder / "rows.csv").symlink_to("real.csv")
    (made.folder / "page.md").symlink_to("real.md")
    assert made.swc(*COMMAND, "--no-run", "--markdown", "page.md") == 0
    assert (made.folder / "page.md").is_symlink() and "50%" in (made.folder / "real.md").read_text()
    sweep = a_sweep(made.folder)
    assert sweep.table is not None
    RowTable(sweep.table, sweep).add(*RowTable(sweep.table, sweep).rows().values())
    assert sweep.table.is_symlink()
    os.mkfifo(made.folder / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((made.folder / "pipe").read_text)
        assert made.swc(*COMMAND, "--no-run", "--markdown", "pipe") == 0
        assert "50%" in read.result(timeout=60) and not (made.folder / "pipe").is_file()


@pytest.mark.parametrize(
    ("option", "place", "told"),
    [
        ("--table", "tiny.sw/rows.csv", "SW604"),
        ("--markdown", "tiny.sw/page.md", "SW604"),
        ("--markdown", "", "SW604"),
        ("--markdown", "/proc/page.md", "SW604"),
        ("--table", "/dev/null", "is no file, and rows must stay"),
        ("--markdown", "build/sweeps/tiny/sweep.csv", "is a file of the sweep"),
    ],
)
def test_where_nothing_can_be_written_is_told_before_anything_runs(
    made: Place, capfd: pytest.CaptureFixture[str], option: str, place: str, told: str
) -> None:
    assert made.swc("sweep", "tiny.sw", "--vary", "amount=50%,60%", option, place) in (1, 2)
    assert told in capfd.readouterr().err
    assert not (made.folder / "build/sweeps").exists()


def test_rows_are_put_together_from_a_table_that_cannot_be_written(
    made: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(a_sweep(made.folder))
    tried: list[Path] = []

    def try_place(path: Path) -> None:
        tried.append(path)
        check_place(path)

    monkeypatch.setattr(output, "check_place", try_place)
    assert made.swc(*COMMAND, "--no-run", "-o", "put") == 0
    assert tried == [Path("put/sweep.csv")]


def test_a_table_parted_by_semicolons_is_told(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    write_rows(a_sweep(made.folder))
    path = made.folder / "rows.csv"
    path.write_text(path.read_text().replace(",", ";"))
    assert made.swc(*COMMAND) == 1
    said = capfd.readouterr().err
    assert "its fields are not parted by commas" in said and "take the line away" not in said


def test_comparisons_that_options_leave_no_setting_for_are_told(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    write_rows(a_sweep(made.folder))
    compared = "[[compare]]\nof = {storage = 'int8'}\nagainst = {storage = 'float32'}\n"
    text = f"spec = 'tiny.sw'\nseeds = '100-101'\ntable = 'rows.csv'\nstorage = ['float32', 'int8']\n{compared}"
    (made.folder / "tiny.toml").write_text(text)
    made.swc("sweep", "tiny.toml", "--no-run", "--storage", "float32")
    assert "a comparison is left out: `compare` names the value int8" in capfd.readouterr().err


def test_seeds_alone_are_a_sweep(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    sweep = evolve(a_sweep(made.folder), vary=())
    write_rows(sweep)
    command = ("sweep", "tiny.sw", "--seeds", "100-101", "--table", "rows.csv", "--markdown", "page.md")
    assert made.swc(*command) == 0
    said = capfd.readouterr()
    assert "2 runs in build/sweeps/tiny, 2 of them in rows.csv already" in said.err
    assert "2 of 2" in said.out and "56.25% ± 6.25" in said.out
    assert "\n| 2 of 2 |" in (made.folder / "page.md").read_text()
    assert (made.folder / "build/sweeps/tiny/sweep.png").is_file()
    (made.folder / "tiny.toml").write_text('spec = "tiny.sw"\nseeds = "100-101"\ntable = "rows.csv"\n')
    assert made.swc("sweep", "tiny.toml") == 0
    assert "56.25% ± 6.25" in capfd.readouterr().out


def test_specs_of_several_tasks_are_no_sweep(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    (made.folder / "labels.sw").write_text(
        spec_text().replace("data digits", 'data arrays("a.npz", classes: 10)\n  task multilabel')
    )
    (made.folder / "both.toml").write_text('spec = ["tiny.sw", "labels.sw"]\n')
    assert made.swc("sweep", "both.toml") == 1
    told = capfd.readouterr().err
    assert "error[SW743]: the runs have different tasks: `classification`, `multilabel`" in told
    assert not (made.folder / "build").exists()


def test_the_page_is_not_written_over_what_the_sweep_reads(made: Place, capfd: pytest.CaptureFixture[str]) -> None:
    write_rows(a_sweep(made.folder))
    for name in ("rows.csv", "tiny.sw"):
        before = (made.folder / name).read_bytes()
        assert made.swc(*COMMAND, "--no-run", "--markdown", name) == 2
        assert f"`{name}` is a file of the sweep" in capfd.readouterr().err
        assert (made.folder / name).read_bytes() == before
    assert made.swc(*COMMAND, "--no-run", "--estimate") == 2
    assert made.swc(*COMMAND, "--epochs-scale", "nan") == 2
    assert "nan is not a number" in capfd.readouterr().err


def test_the_csv_that_a_sweep_leaves_is_a_table_too(tmp_path: Path) -> None:
    """Its last column says why a run failed; such a line is no row."""
    sweep = Sweep("s", (tmp_path / "a.sw",), (("p", ("1", "2")),), [5])
    first, second = sweep.cells
    text = as_csv(sweep, [CellOutcome(first, a_row(first, 0.5)), CellOutcome(second, None, "it broke")])
    assert rows_in(text, "sweep.csv", sweep) == {first: a_row(first, 0.5)}
