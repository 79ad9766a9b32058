"""Models of one's own with every task, with masks that hold infinities, and with weights that were exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from swc.cli.main import run

NETS = """
import numpy as np
import torch
from torch import nn

def rows(kind):
    inputs = np.random.default_rng(0).normal(size=(120, 5)).astype("float32")
    targets = {"class": (inputs[:, 0] > 0).astype(int), "labels": (inputs[:, :3] > 0).astype(int)}
    targets = targets.get(kind, inputs[:, :3])
    parts = {"train": slice(60), "validation": slice(60, 80), "test": slice(80, None)}
    return {name: (inputs[part], targets[part]) for name, part in parts.items()}

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.first, self.middle, self.head = nn.Linear(5, 8), nn.Linear(8, 8), nn.Linear(8, num_classes)
        self.register_buffer("mask", torch.tensor([0.0] * 7 + [float("-inf")]))

    def forward(self, inputs):
        return self.head(self.middle((self.first(inputs) + self.mask).softmax(-1)).relu())
"""

SPEC = """
ensemble own {{
  param sizes = ["small", "large"]
  data python("own_nets:rows", {classes}shape: [5], validation: given, kind: "{kind}")
  task {task}
  member m[2] = python("own_nets:Net"){start}
  budget unlimited
  share linear as hard
  train {{ batch 16 precision float32 {items} phase main: 2 epochs }}
}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_nets.py").write_text(NETS, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def compiled(folder: Path, task: str, kind: str, classes: str = "", items: str = "", start: str = "") -> int:
    text = SPEC.format(task=task, kind=kind, classes=classes, items=items, start=start)
    (folder / "own.sw").write_text(text, "utf-8")
    return run(["compile", "own.sw"])


@pytest.mark.parametrize(
    ("task", "kind", "classes", "items"),
    [
        ("multilabel", "labels", "classes: 3, ", ""),
        ("regression(targets: 3)", "numbers", "", ""),
        ("regression(targets: 3)", "numbers", "", "loss huber"),
    ],
)
def test_a_model_of_ones_own_is_tried_with_targets_of_its_task(
    folder: Path, task: str, kind: str, classes: str, items: str, recwarn: pytest.WarningsRecorder
) -> None:
    assert compiled(folder, task, kind, classes, items) == 0
    assert not recwarn.list
    assert run(["train", "--threads", "1"]) == 0
    assert task.startswith(json.loads((folder / "build/own/run/results.json").read_text())["task"])


def test_a_model_without_a_train_block_is_tried_by_the_loss_of_its_task(folder: Path) -> None:
    text = SPEC.format(task="multilabel", kind="labels", classes="classes: 3, ", items="", start="")
    (folder / "own.sw").write_text("\n".join(line for line in text.splitlines() if "train" not in line), "utf-8")
    assert run(["compile", "own.sw"]) == 0


def test_masks_of_infinities_are_averaged_exported_and_begun_with(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiled(folder, "classification", "class", "classes: 2, ", "weight_average ema(decay: 0.9)") == 0
    assert run(["train", "--threads", "1"]) == 0
    assert run(["export", "--average", "--format", "safetensors", "-o", "given"]) == 0
    exported = load_file(folder / "given/m[0].safetensors")
    assert exported["mask"].isneginf().tolist() == [False] * 7 + [True]
    assert all(tensor.isfinite().all() for name, tensor in exported.items() if name != "mask")
    start = ' from "given/m[0].safetensors"'
    assert compiled(folder, "classification", "class", "classes: 2, ", start=start) == 0
    assert run(["train", "--fresh", "--threads", "1"]) == 0
    assert "begin with given weights" in capsys.readouterr().err
    for name in ("first.weight", "mask"):
        broken = exported | {name: torch.full_like(exported[name], float("nan" if name == "mask" else "inf"))}
        save_file(broken, folder / "given/m[0].safetensors")
        assert compiled(folder, "classification", "class", "classes: 2, ", start=start) == 1
        assert f"`{name}` holds" in capsys.readouterr().err
