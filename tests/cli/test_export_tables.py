"""Exports of members of a table: they take its raw columns, and predict what `swc eval` does for the same rows."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors import safe_open
from swc.evaluate.prediction_cache import read_predictions
from swc.export.python_names import file_stem

from support.runs import Place

SPEC = """
ensemble tiny {{
  data table("rows.csv", target: "{target}", test: "new.csv", {how})
  {task}
  member m[2] = mlp(depth: 2, width: 8)
  budget unlimited
  share linear as rank_one
  train {{ batch 32 precision float32 phase main: 1 epochs }}
}}
"""
START = 1.7e9  # seconds since 1970, of which float32 keeps every 128th
BESIDE = ("columns.py", "features.py", "mlp.py", "members.py")


def write_rows(path: Path, count: int, gaps: bool = False) -> None:
    """Rows with three columns of inputs; with `gaps` some values are missing, and one town is new."""
    draw = np.random.default_rng(count)
    lines = ["age,town,rank,left,pay"]
    for number in range(count):
        age, pay = draw.normal(40, 9), START + draw.normal(900, 99)
        town, rank = "abc"[draw.integers(3)], str(draw.integers(1, 4))
        if gaps and number % 5 == 0:
            age, town, rank = ("", "z", rank) if number % 2 else (f"{age:.3f}", "", "9")
        lines.append(
            f"{age if isinstance(age, str) else f'{age:.3f}'},{town},{rank},{'ny'[draw.integers(2)]},{pay:.2f}"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def trained_table(folder: Path, target: str, how: str, task: str = "") -> Place:
    made = Place(folder)
    write_rows(folder / "rows.csv", 120)
    write_rows(folder / "new.csv", 30, gaps=True)
    assert made.compile(SPEC.format(target=target, how=how, task=task)) == 0
    assert made.train() == 0
    assert made.swc("eval", "--time-batch", "0", "--keep") == 0
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    pytest.importorskip("pandas")
    how = 'numbers: noisy_quantile, categories: one_hot, categorical: "rank", without: "pay"'
    return trained_table(tmp_path_factory.mktemp("classes"), "left", how)


def columns() -> dict[str, list[str]]:
    """The test rows as texts, as the csv module of Python reads them."""
    with Path("new.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {name: [row[name] for row in rows] for name in rows[0]}


@contextmanager
def exported(folder: Path, module: str = "members") -> Iterator[ModuleType]:
    """A module of an export, imported from its folder and forgotten again."""
    names = [Path(name).stem for name in BESIDE]
    sys.path.insert(0, str(folder))
    try:
        yield import_module(module)
    finally:
        sys.path.remove(str(folder))
        for name in (*names, module):
            sys.modules.pop(name, None)


def logits_of(run: Place) -> torch.Tensor:
    return read_predictions(run.run / "eval/predictions.safetensors")[1][0]


def test_the_loader_predicts_from_raw_columns(run: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run.swc("export") == 0
    monkeypatch.chdir(run.folder)
    folder = run.folder / "tiny_torch"
    with exported(folder) as members:
        numbers, codes = import_module("columns").raw_inputs(columns())
        assert np.isnan(numbers).any() and (codes == [[3, 3]]).any(axis=0).all()
        predicted = members.predict(numbers, codes)
        made = members.features(torch.from_numpy(numbers), torch.from_numpy(codes))
        one = members.load("m[0]")(made).detach()
    torch.testing.assert_close(predicted, logits_of(run).softmax(-1).mean(0), rtol=0, atol=1e-5)
    torch.testing.assert_close(one, logits_of(run)[0], rtol=0, atol=1e-5)
    assert not [name for name in BESIDE if "swc" in (folder / name).read_text("utf-8")]
    assert "torch" not in (folder / "columns.py").read_text("utf-8")


@pytest.mark.slow
def test_programs_take_raw_columns(run: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    assert run.swc("export", "--format", "torch-export", "--members", "m[0]") == 0
    assert run.swc("export", "--format", "onnx", "--members", "m[0]") == 0
    monkeypatch.chdir(run.folder)
    with exported(run.folder / "tiny_onnx", "columns") as beside:
        numbers, codes = beside.raw_inputs(columns())
    program = torch.export.load("tiny_torch-export/m[0].pt2").module()
    found = program(torch.from_numpy(numbers), torch.from_numpy(codes))
    torch.testing.assert_close(found.detach(), logits_of(run)[0], rtol=0, atol=1e-5)
    session = onnxruntime.InferenceSession("tiny_onnx/m[0].onnx", providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"numbers": numbers, "codes": codes})
    np.testing.assert_allclose(logits, logits_of(run)[0], rtol=0, atol=1e-5)
    notes = session.get_modelmeta().custom_metadata_map
    assert notes["numbers"] == '["age"]' and notes["categories"] == '{"town": ["a", "b", "c"], "rank": ["1", "2", "3"]}'


def test_a_file_of_states_has_the_same_columns_beside_it(run: Place) -> None:
    assert run.swc("export", "--format", "safetensors") == 0
    folder = run.folder / "tiny_safetensors"
    assert {"columns.py", "preparation.json", "preparation.safetensors"} <= {file.name for file in folder.iterdir()}
    with safe_open(folder / "m[0].safetensors", "pt") as file:
        assert "numbers" in file.metadata()["notes"]
    card = (folder / "README.md").read_text("utf-8")
    assert "`columns.py` makes `numbers` and `codes` of the raw columns" in card


def test_numbers_are_predicted_in_the_unit_of_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pandas")
    how = 'numbers: standard, categories: ordinal, without: "left"'
    run = trained_table(tmp_path, "pay", how, "task regression")
    assert run.swc("export") == 0
    monkeypatch.chdir(run.folder)
    with exported(run.folder / "tiny_torch") as members:
        mean, deviation = members.predict(*import_module("columns").raw_inputs(columns()))
        scaled = logits_of(run).double() * members.TARGET_DEVIATION + members.TARGET_MEAN
    assert mean.dtype == deviation.dtype == torch.float64
    torch.testing.assert_close(mean - START, scaled.mean(0) - START, rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(deviation, scaled.std(0, correction=0), rtol=1e-5, atol=1e-3)
    assert 700 < float(mean.mean()) - START < 1100 and float(deviation.min()) > 0
    (again, spread), losses = by_python_file(run, capsys)
    torch.testing.assert_close(again - START, mean - START, rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(spread, deviation, rtol=1e-4, atol=1e-3)
    assert losses[-1] < losses[0]


def by_python_file(run: Place, capsys: pytest.CaptureFixture[str]) -> tuple[list[torch.Tensor], list[float]]:
    """What the readable file predicts for the test rows, and the losses of its ten steps."""
    assert run.swc("export", "--format", "python") == 0
    with exported(run.folder / "tiny_python", "tiny") as tiny:
        predicted = tiny.load().predict(*map(torch.from_numpy, import_module("columns").raw_inputs(columns())))
        capsys.readouterr()
        tiny.main()
    losses = [float(line.rpartition(" ")[2]) for line in capsys.readouterr().out.splitlines()]
    return list(predicted) if isinstance(predicted, tuple) else [predicted], losses


def test_the_readable_file_takes_raw_columns_and_trains(
    run: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(run.folder)
    (predicted,), losses = by_python_file(run, capsys)
    torch.testing.assert_close(predicted, logits_of(run).softmax(-1).mean(0), rtol=0, atol=1e-5)
    assert len(losses) == 10 and losses[-1] < losses[0]
    text = (run.folder / "tiny_python/tiny.py").read_text("utf-8")
    assert 'self.features = ColumnFeatures("quantile", "one_hot", (3, 3), 1, 10)' in text
    assert max(map(len, text.splitlines())) <= 120


def test_a_member_must_not_have_the_name_of_what_lies_beside_it(
    run: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Place(tmp_path)
    write_rows(tmp_path / "rows.csv", 120)
    write_rows(tmp_path / "new.csv", 30)
    text = (run.folder / "tiny.sw").read_text("utf-8").replace("m[2]", "preparation")
    assert made.compile(text) == 0 and made.train() == 0
    assert made.swc("export", "--format", "safetensors") == 1
    assert "call the member otherwise" in capsys.readouterr().err
    assert not (tmp_path / "tiny_safetensors").exists()
    assert file_stem("columns") == "columns_ensemble"
