"""A shapeshifter ensemble is pretrained, its layers are put in groups, and it is trained from scratch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from swc.folders.store import read_feedback
from swc.program.feedback import GroupFeedback
from swc.running import transitions

from support.runs import Place

SPEC = """
import "digits.sw"

ensemble tiny {
  data digits
  member deep = wrn(depth: 16, width: 0.5)
  member wide = wrn(depth: 10, width: 1)
  budget 40% of native
  share conv as shapeshifter
  train digits {
    batch 128
    phase pretrain: 1 epochs
      then group layers in 3 clusters
      then restart
    phase main: 2 epochs
  }
}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("pretraining"))
    assert place.compile(SPEC) == 0
    assert place.train() == 0
    return place


def test_groups_are_those_of_what_was_measured(run: Place) -> None:
    feedback = read_feedback(run.build().folder, 0)
    assert isinstance(feedback, GroupFeedback) and len(feedback.mixtures) == 25
    assert all(len(mixture.weights) == 4 and abs(sum(mixture.weights) - 1) < 1e-6 for mixture in feedback.mixtures)
    before, after = run.build().revisions
    assert [sum(t.id.startswith("bank/") for t in r.graph.tensors) for r in (before, after)] == [1, 3]
    assert any("25 layers in groups of" in note for note in after.notes)


def test_it_goes_on_to_the_same_bits_after_grouping(
    run: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parted = Place(tmp_path)
    assert parted.compile(SPEC) == 0
    with monkeypatch.context() as patched:
        patched.setattr(transitions, "begin_alike", stopped)
        assert parted.train() != 0
    assert parted.train() == 0
    ended, undisturbed = load_file(parted.checkpoint), load_file(run.checkpoint)
    assert all(torch.equal(tensor, ended[key]) for key, tensor in undisturbed.items())


def stopped(*_: object) -> None:
    """The groups are written down, and not yet trained."""
    raise KeyboardInterrupt


def test_what_the_grouping_changed_can_be_looked_at(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run.swc("diff", ":0", ":1") == 0
    assert "stored tensors" in capsys.readouterr().out
    assert run.swc("plot", "similarities") != 0
    assert "SW634" in capsys.readouterr().err
    assert run.swc("plot", "curves", "-o", "curves.png") == 0
    assert run.swc("export", "--format", "python", "-o", "readable") == 0
