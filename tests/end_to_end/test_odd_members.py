"""Members that cannot be copied, or whose state is unusual, through everything a run does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from support.revisions import keep_revisions
from support.runs import Place
from swc_runtime.records.checkpoint import load_checkpoint

NETS = """
import threading
import weakref

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import spectral_norm, weight_norm


def between(conv, num_classes):
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), conv, nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes),
    )


def conv():
    return nn.Conv2d(8, 8, 3, padding=1)


def old_weight_norm(num_classes):
    return between(weight_norm(conv()), num_classes)


def old_spectral_norm(num_classes):
    return between(spectral_norm(conv()), num_classes)


class Tied(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.encoder = nn.Conv2d(8, 8, 1, bias=False)
        self.decoder = nn.Conv2d(8, 8, 1, bias=False)
        self.decoder.weight = self.encoder.weight
        self.head = nn.Linear(8, num_classes)
        self.register_buffer("shift", torch.zeros(1).expand(num_classes))
        self.register_buffer("mask", torch.full((num_classes,), -torch.inf), persistent=False)
        self.lock, self.itself, self.scale = threading.Lock(), weakref.ref(self), lambda x: 2 * x
        self.noise = np.random.rand()
        self.encoder.register_forward_hook(lambda module, given, made: made * self.noise)

    def forward(self, x):
        x = F.relu(self.decoder(F.relu(self.encoder(self.first(x)))))
        return self.itself().scale(self.head(x.mean((2, 3)))) + self.shift + self.mask.exp()
"""

MEMBERS = ("old_weight_norm", "old_spectral_norm", "Tied")
SPEC = """
import "digits.sw"

ensemble tiny {{
  data digits
{members}
  budget 70% of native
  share conv {{
    clusters one
    coefficients by partner
    templates even up to 8
  }}
  train digits {{
    batch 256
    phase search: 1 epochs at lr 0.05
      then split clusters below 0.3
      then continue
    phase main: 2 epochs
      after 1 epochs untie coefficients below 0.99
  }}
}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = Place(tmp_path_factory.mktemp("odd"))
    (found.folder / "odd_member_nets.py").write_text(NETS, encoding="utf-8")
    members = "\n".join(f'  member m{n} = python("odd_member_nets:{name}")' for n, name in enumerate(MEMBERS))
    assert found.compile(SPEC.format(members=members)) == 0
    return found


def test_they_train_untie_go_on_and_are_evaluated_and_exported(
    made: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = keep_revisions(monkeypatch)
    assert made.train() == 0
    before, after = kept[2].scores
    assert before == after, "untying keeps every bit"
    whole = {path.name: path.read_bytes() for path in (made.checkpoint, made.run / "results.json")}
    assert made.train() == 0
    assert "nothing left to train" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (made.checkpoint, made.run / "results.json")} == whole
    assert made.swc("eval", str(made.run)) == 0
    for form in ("torch", "safetensors"):
        assert made.swc("export", str(made.run), "--format", form, "--output", form) == 0
    check_loader(made.folder / "torch")
    tensors, _ = load_checkpoint(made.checkpoint)
    state = torch.load(made.folder / "torch/m2.pt", weights_only=True)
    assert torch.equal(state["encoder.weight"], tensors["state/member/m2/decoder.weight"])


def check_loader(folder: Path) -> None:
    """What stands beside the files loads each of them, expanded buffers and all."""
    code = "import members; [members.load(name) for name in members.MEMBERS]"
    path = f"{folder}:{folder.parent}"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path})
