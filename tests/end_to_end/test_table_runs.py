"""A table from the file to scores: compiled, trained, kept, evaluated, and refused where it was changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from swc.folders.preparation import read_preparation

from support.runs import Place

SPEC = """
ensemble tiny {
  data table("rows.csv", target: "left", test: 20%, validation: 10%)
  member m[2] = mlp(depth: 2, width: 8)
  budget unlimited
  share linear as rank_one
  train { batch 32 phase main: 1 epochs }
}
"""


def write_rows(path: Path, count: int = 160) -> None:
    draw = np.random.default_rng(0)
    ages, towns, pays = draw.normal(40, 9, count), draw.integers(0, 3, count), draw.normal(900, 99, count)
    rows = zip(ages, pays, towns, strict=True)
    lines = (f"{age:.3f},{pay:.2f},{'abc'[town]},{'yes' if age > 40 else 'no'}\n" for age, pay, town in rows)
    path.write_text("age,pay,town,left\n" + "".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    pytest.importorskip("pandas")
    made = Place(tmp_path_factory.mktemp("table"))
    write_rows(made.folder / "rows.csv")
    assert made.compile(SPEC) == 0
    assert made.train() == 0
    return made


def test_a_run_keeps_what_was_fitted(run: Place) -> None:
    kept = read_preparation(run.run)
    assert kept is not None
    assert (kept.numbers, kept.categories, kept.values) == (("age", "pay"), ("town",), (("a", "b", "c"),))
    assert kept.arrays["quantiles"].shape == (10, 2)
    assert run.results()["data"] == "table(rows.csv)"


def test_it_goes_on_is_evaluated_and_shown(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.train() == 0
    assert "115 examples to train on, 13 to validate with, 32 to test with" in capsys.readouterr().err
    assert run.swc("eval", "--time-batch", "0") == 0
    told = capsys.readouterr()
    assert "32 test examples" in told.out and "ms/example" in told.out and "32 examples of" in told.err
    assert run.swc("compare", "build/tiny/run") == 0
    assert "on 32 test examples" in capsys.readouterr().out
    assert run.swc("plot", "anytime", "-o", "anytime.svg") == 0
    assert run.swc("plot", "corruptions") == 1
    assert "error[SW573]: `swc plot corruptions` is for images" in capsys.readouterr().err
    assert run.swc("show") == 0
    assert "image" not in told.out + told.err


def test_an_export_has_what_was_fitted_beside_it(run: Place, tmp_path: Path) -> None:
    assert run.swc("export", "-o", str(tmp_path / "members")) == 0
    beside, kept = read_preparation(tmp_path / "members"), read_preparation(run.run)
    assert beside is not None and kept is not None and beside.digest() == kept.digest()
    card = (tmp_path / "members/README.md").read_text("utf-8")
    assert "scaled and coded as `preparation.json` says" in card and "`preparation.safetensors`" in card
    assert run.swc("export", "-o", str(tmp_path / "members")) == 0  # over an export of its own


def test_other_rows_are_refused_for_that_run(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run.folder / "rows.csv").read_text("utf-8")
    try:
        write_rows(run.folder / "rows.csv", 200)
        assert run.swc("eval", "--time-batch", "0") == 1
        assert "error[SW587]: `rows.csv` gives other fitted columns" in capsys.readouterr().err
    finally:
        (run.folder / "rows.csv").write_text(before, encoding="utf-8")


def test_a_broken_table_is_told_at_the_line_of_the_data(
    run: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Place(tmp_path)
    write_rows(tmp_path / "rows.csv")
    assert made.swc("check", str(run.folder / "tiny.sw")) == 0  # which opens nothing
    assert made.compile(SPEC.replace('"left"', '"lft"')) == 1
    said = capsys.readouterr().err
    assert "error[SW582]" in said and "tiny.sw:3:" in said
    assert made.compile(SPEC.replace("mlp(depth: 2, width: 8)", "wrn(depth: 10, width: 1)")) == 1
    assert "error[SW572]: `wrn` takes images, and the data give float32 [5]" in capsys.readouterr().err


def test_columns_that_are_no_categories_are_told_at_the_line_of_the_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When it is compiled: each value is an input, and may be what a budget is too small for."""
    pytest.importorskip("pandas")
    made = Place(tmp_path)
    lines = "".join(f"2026-{row // 30 + 1}-{row % 30},{'yes' if row % 2 else 'no'}\n" for row in range(160))
    (tmp_path / "rows.csv").write_text("day,left\n" + lines, encoding="utf-8")
    for budget, ended in (("unlimited", 0), ("100 parameters", 1)):
        wanted = SPEC.replace("unlimited", budget).replace("linear as rank_one", "linear")
        assert made.compile(wanted) == ended
        told = capsys.readouterr().err
        assert "warning[SW592]" in told and ":3:3\n" in told and "`day`" in told
        assert ("error[SW407]" in told) == bool(ended)
        assert "SW586" not in told, "that new rows have other days goes without saying"


def test_a_table_of_another_folder_is_compiled_and_swept_and_its_rows_are_known_without_it(
    run: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Place(tmp_path)
    (tmp_path / "tiny.sw").write_text(
        SPEC.replace("member", "param width = 8\n  member").replace("width: 8", "width: width")
    )
    assert made.swc("compile", "tiny.sw") == 1
    assert "SW581" in capsys.readouterr().err
    assert made.swc("compile", "tiny.sw", "--data", str(run.folder)) == 0
    for looking in (("show", "tiny.sw"), ("compare", "tiny.sw"), ("diff", "tiny.sw", "tiny")):
        assert made.swc(*looking) == 1
        assert "SW581" in capsys.readouterr().err
        assert made.swc(*looking, "--data", str(run.folder)) == 0
        assert "tiny" in capsys.readouterr().out
    for built in (("show", "tiny"), ("compare", "tiny"), ("diff", "tiny", "tiny")):
        assert made.swc(*built, "--data", str(run.folder)) == 2, "what is compiled has its table"
    sweep = ("sweep", "tiny.sw", "--vary", "width=4", "--table", "rows.csv", "--threads", "1")
    for others in (0.0, 100.0):
        monkeypatch.setattr("os.getloadavg", lambda others=others: (others, 0.0, 0.0))
        assert made.swc(*sweep, "--data", str(run.folder), "--estimate") == 0
        said = capsys.readouterr()
        assert "cannot be trained" not in said.out
        assert ("measured beside other work (100.0 processes on" in said.err) == (others == 100.0)
    assert made.swc(*sweep, "--data", str(run.folder)) == 0
    assert made.swc(*sweep, "--data", str(run.folder)) == 0, "it goes on in the same folder"
    (tmp_path / "build").rename(tmp_path / "elsewhere")
    capsys.readouterr()
    assert made.swc(*sweep, "--no-run") == 0
    assert "failed" not in capsys.readouterr().out
