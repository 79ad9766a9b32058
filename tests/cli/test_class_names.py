"""What a run of a folder of images records beside its spec: the names of classes, and what decodes the images.

Names are held against other folders, and carried by exports.
"""

from __future__ import annotations

import json
import runpy
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from swc.files.checksums import write_kept
from swc.running.machine import installed_versions

from support.runs import Place, spec_text

CLASSES = ("10", "9", 'a "quoted" \\ one', "braces {0} and `ticks`", "Grün 🙂")
SPEC = """
    import "digits.sw"
    ensemble tiny {
      data folder("images", classes: 5, size: 8)
      member one = wrn(depth: 10, width: 1)
      budget unlimited
      share conv as none
      train digits { batch 8  phase main: 1 epochs at lr 0.05 }
    }
"""


def write_images(folder: Path, names: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 2)):
        for name in names:
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / name / f"{number}.png")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("classes"))
    write_images(made.folder / "images", CLASSES)
    assert made.compile(SPEC) == 0 and made.train() == 0
    return made


def test_every_export_carries_the_names_in_the_order_of_the_outputs(run: Place) -> None:
    expected = sorted(CLASSES)
    for form in ("torch", "safetensors", "torch-export", "python"):
        assert run.swc("export", "--format", form, "-o", form) == 0
        card = (run.folder / form / "README.md").read_text("utf-8")
        assert json.dumps(expected, ensure_ascii=False) in card
        assert "turned upright" in card
    loaded = (run.folder / "torch" / "members.py").read_text("utf-8")
    (line,) = [line for line in loaded.splitlines() if line.startswith("CLASSES = ")]
    assert eval(line.removeprefix("CLASSES = ")) == expected
    with safe_open(run.folder / "safetensors" / "one.safetensors", "pt") as file:
        notes = json.loads(file.metadata()["notes"])
    assert json.loads(notes["class_names"]) == expected
    extra = {"class_names": ""}
    torch.export.load(run.folder / "torch-export" / "one.pt2", extra_files=extra)
    assert json.loads(extra["class_names"]) == expected
    assert list(runpy.run_path(str(run.folder / "python" / "tiny.py"))["CLASSES"]) == expected


def test_onnx_carries_the_names(run: Place) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    assert run.swc("export", "--format", "onnx", "-o", "onnx") == 0
    notes = {one.key: one.value for one in onnx.load(run.folder / "onnx" / "one.onnx").metadata_props}
    assert json.loads(notes["class_names"]) == sorted(CLASSES)


@pytest.mark.parametrize("command", ["eval", "train"])
def test_a_folder_whose_classes_are_others_is_refused(
    run: Place, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path / "images", (*CLASSES[1:], "zebra"))  # as many, but every number is another's
    assert run.swc(command, "--data", str(tmp_path)) == 1
    told = capsys.readouterr().err
    assert "error[SW509]: class 0" in told and "`9`, where the run was trained with `10`" in told


def test_a_run_from_before_names_were_recorded_is_told_and_mended_by_training_on(
    run: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    record = run.run / "classes.json"
    kept = record.read_bytes()
    record.unlink()
    assert run.swc("export", "-o", "nameless") == 0
    assert "names of the classes are not known" in capsys.readouterr().err
    assert "order of the class folders' names" in (run.folder / "nameless" / "README.md").read_text("utf-8")
    assert "CLASSES = None" in (run.folder / "nameless" / "members.py").read_text("utf-8")
    assert run.swc("eval", "--time-batch", "0") == 0
    assert not record.exists(), "an evaluation changes nothing of a run"
    assert run.train() == 0
    assert record.read_bytes() == kept


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1, "classes": [1, 2, 3, 4, 5]}', '{"schema": 1, "classes": ["a"]}']
)
def test_a_damaged_record_is_told(run: Place, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    record = run.run / "classes.json"
    kept = record.read_bytes()
    try:
        record.write_text(text)
        for command in (("export", "-o", "never"), ("eval", "--time-batch", "0")):
            assert run.swc(*command) == 1
            told = capsys.readouterr().err
            assert "classes.json" in told and "Traceback" not in told
    finally:
        record.write_bytes(kept)


def test_the_version_of_pillow_is_recorded_and_another_one_is_told(
    run: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run.run / "machine.json"
    facts = json.loads(path.read_text("utf-8"))
    assert facts["pillow"] == version("pillow")
    write_kept(path, json.dumps(facts | {"pillow": "1.0"}))
    assert run.train() == 0
    assert f"pillow: 1.0 -> {version('pillow')}" in capsys.readouterr().err
    write_kept(path, json.dumps({name: value for name, value in facts.items() if name != "pillow"}))
    assert run.train() == 0, "a run from before it was recorded goes on"
    assert "warning" not in capsys.readouterr().err
    assert json.loads(path.read_text("utf-8")) == facts


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert installed_versions(("pillow", "no-such-package")) == {"pillow": version("pillow")}


def test_named_data_sets_need_no_record(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = Place(tmp_path_factory.mktemp("digits"))
    assert made.compile(spec_text(batch=256)) == 0 and made.train("--epochs-scale", "0.5") == 0
    assert not (made.run / "classes.json").exists()
    assert "pillow" not in json.loads((made.run / "machine.json").read_text("utf-8")), "which decodes no digits"
    assert made.swc("export", "--format", "safetensors", "-o", "plain") == 0
    assert '["0", "1", "2"' in (made.folder / "plain" / "README.md").read_text("utf-8")
