"""Members that share tensors, or predict what is not finite: reported by name, with the state kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.runs import Place

NETS = """
import functools
import torch
from torch import nn

MASK = torch.zeros(3)


class Net(nn.Module):
    def __init__(self, num_classes, broken=False, mask=None):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.head = nn.Linear(4, num_classes)
        self.broken = broken
        self.register_buffer("mask", torch.full((3, 3), float("-inf")).triu(1) if mask is None else mask)

    def forward(self, x):
        made = self.head(torch.relu(self.conv(x)).mean((2, 3)))
        return made if self.training or not self.broken else made.log().log()


def fine(num_classes):
    return Net(num_classes)


def broken(num_classes):
    return Net(num_classes, broken=True)


def masked(num_classes):
    return Net(num_classes, mask=MASK)


@functools.lru_cache
def _made(num_classes):
    return Net(num_classes)


def cached(num_classes):
    return _made(num_classes)
"""

SPEC = """
import "digits.sw"

ensemble tiny {{
  data digits
  member first = python("disturbing_nets:{first}")
  member second = python("disturbing_nets:{second}")
  budget unlimited
  share conv as hard
  train digits {{
    batch 512
    phase main: 2 epochs
  }}
}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "disturbing_nets.py").write_text(NETS, encoding="utf-8")
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("masked", "masked", "members `first` and `second` share a tensor: `mask` and `mask`"),
        ("fine", "masked", "two builds of member `second` share `mask`"),
        ("cached", "fine", "two builds of member `first` share `conv.bias`"),
    ],
)
def test_shared_tensors_are_refused_before_anything_trains(
    place: Place, first: str, second: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.compile(SPEC.format(first=first, second=second)) == 1
    said = capsys.readouterr().err
    assert "SW530" in said
    assert told in said


def test_predictions_that_are_not_finite_are_told_wherever_they_are_made(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.compile(SPEC.format(first="fine", second="broken")) == 0
    assert place.train("--score-every", "1") == 1
    said = capsys.readouterr().err
    assert said.count("SW534") == 1  # after the first of two epochs
    assert "the predictions of `second` are not finite" in said
    assert "SW533" in said
    assert "NaN" not in (place.run / "metrics.jsonl").read_text("utf-8")
    assert place.checkpoint.is_file()
    for command in (("train", "--threads", "1"), ("eval", "--time-batch", "0"), ("export", "-o", "out")):
        assert place.swc(*command) == 1
        said = capsys.readouterr().err
        assert "SW533" in said
        assert "`second`" in said
    assert not (place.folder / "out").exists()
