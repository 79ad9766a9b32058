"""Members of two inputs that are no images: compiled, trained, resumed, scored, exported, or refused by name."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import onnx
import pytest
import torch
from safetensors.torch import load_file

from support.own_rows import SPEC, write_rows
from support.runs import Place
from swc_runtime.records.checkpoint import load_checkpoint

ONE_INPUT = """
import numpy as np


def examples():
    numbers = np.random.default_rng(0).normal(size=(64, 5))
    return (numbers, (numbers[:, 0] > 0).astype(int)), (numbers, (numbers[:, 0] > 0).astype(int))
"""
PERCEPTRONS = """
ensemble tiny {
  data python("rows:examples", classes: 2, shape: [5])
  member m[2] = mlp(depth: 2, width: 8)
  budget 80% of native
  share linear { clusters one }
  train { batch 32 phase main: 1 epochs }
}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("rows"))
    write_rows(made.folder)
    assert made.compile(SPEC) == 0
    assert made.train() == 0
    return made


def test_a_run_of_three_revisions_ends_with_scores_on_both_parts(run: Place) -> None:
    results = run.results()
    assert results["data"] == "rows:examples"
    assert results["together"]["num_images"] == 40 and results["validation"]["together"]["num_images"] == 40  # type: ignore[index]
    assert len(run.build().revisions) == 3


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_to_the_same_bits(run: Place, tmp_path: Path) -> None:
    made = Place(tmp_path)
    write_rows(tmp_path)
    assert made.compile(SPEC) == 0
    process = made.start("--checkpoint-every", "0")
    assert process.stderr is not None
    while not process.stderr.readline().startswith("main  epoch 1"):
        assert process.poll() is None
    process.kill()
    process.communicate(timeout=60)
    assert made.train() == 0
    (found, _), (wanted, _) = load_checkpoint(made.checkpoint), load_checkpoint(run.checkpoint)
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
    assert made.metrics() == run.metrics()


def test_it_is_evaluated_on_both_parts_and_reported(run: Place) -> None:
    assert run.swc("eval", "--time-batch", "8", "--keep") == 0
    assert run.swc("eval", "--time-batch", "0", "--on", "validation") == 0
    assert run.swc("report", "-o", "page.html") == 0


@pytest.mark.parametrize(
    "asked", [("--corruptions", "."), ("--ood", "digits"), ("--ood", ".")], ids=lambda asked: asked[0]
)
def test_what_needs_images_is_refused(run: Place, asked: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run.swc("eval", "--time-batch", "0", *asked) == 1
    said = capsys.readouterr().err
    assert "error[SW573]" in said and "float32 [6], int64 [2]" in said


def test_images_of_rows_cannot_be_corrupted(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.swc("data", "corrupt", "tiny.sw") == 1
    assert "error[SW573]: `swc data corrupt` is for images" in capsys.readouterr().err


@pytest.mark.slow
def test_exports_take_both_inputs(run: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for form in ("torch", "safetensors", "torch-export", "onnx"):
        assert run.swc("export", "--format", form, "-o", str(tmp_path / form)) == 0, form
    monkeypatch.syspath_prepend(str(run.folder))
    members = runpy.run_path(str(tmp_path / "torch/members.py"))
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(5, 6, generator=draw), torch.randint(4, (5, 2), generator=draw)
    found = torch.export.load(tmp_path / "torch-export/wide.pt2").module()(*inputs)
    torch.testing.assert_close(found, members["load"]("wide")(*inputs))
    assert members["CLASSES"] == ["low", "high"] and members["predict"](*inputs).shape == (5, 2)
    names = [one.name for one in onnx.load(tmp_path / "onnx/wide.onnx").graph.input]
    assert names == ["input_0", "input_1"]
    assert "codes.weight" in load_file(tmp_path / "safetensors/wide.safetensors")
    card = (tmp_path / "torch/README.md").read_text("utf-8")
    assert "- Inputs: float32 [6], int64 [2], as they are" in card and "Normalised" not in card


def test_the_readable_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Place(tmp_path)
    (tmp_path / "rows.py").write_text(ONE_INPUT, encoding="utf-8")
    assert made.compile(PERCEPTRONS) == 0
    assert made.train() == 0
    assert made.swc("export", "--format", "python", "-o", str(tmp_path / "python")) == 1
    assert "error[SW574]: `--format python` writes members that take images or a table" in capsys.readouterr().err


def test_a_spec_says_whether_there_is_a_validation_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Place(tmp_path)
    write_rows(tmp_path)
    assert made.compile(SPEC.replace(", validation: given", "")) == 0
    assert made.train() == 1
    assert "error[SW517]: `rows:examples` has a validation part" in capsys.readouterr().err
    text = (tmp_path / "rows.py").read_text("utf-8").replace('"validation": validation, ', "")
    (tmp_path / "rows.py").write_text(text, encoding="utf-8")
    assert made.compile(SPEC) == 0
    assert made.train() == 1
    assert "`rows:examples` has no validation part" in capsys.readouterr().err


def test_a_model_for_other_inputs_is_told_what_it_got(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Place(tmp_path)
    write_rows(tmp_path)
    assert made.compile(SPEC.replace("shape: [[6], [2]], dtype: [float32, int64]", "shape: [[6], [2]]")) == 1
    said = capsys.readouterr().err
    assert "error[SW309]" in said and "each float32 [6], float32 [2]," in said


def test_the_facts_are_kept_in_the_files_of_the_build(run: Place) -> None:
    data = json.loads((run.folder / "build/tiny/program.json").read_text("utf-8"))["data"]
    assert data["inputs"] == [{"dtype": "float32", "shape": [6]}, {"dtype": "int64", "shape": [2]}]
