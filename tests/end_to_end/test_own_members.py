"""Runs of members that are no family of ours, and of phases without any recompile."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.revisions import keep_revisions
from support.runs import Place
from swc_runtime.records.checkpoint import load_checkpoint

NET = """
from torch import nn


def small(width: int, num_classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(width, num_classes),
    )
"""

SPEC = """
import "digits.sw"

ensemble {name} {{
  data digits
  member wide   = python("own_small_net:small", width: 12)
  member narrow = python("own_small_net:small", width: 8)
  budget 80% of native
  share conv {{
    clusters one
  }}
  train digits {{
    phase first: 1 epochs at lr 0.05
    phase second: 1 epochs
  }}
}}
"""


@pytest.fixture
def made(tmp_path: Path) -> Place:
    (tmp_path / "own_small_net.py").write_text(NET, encoding="utf-8")
    return Place(tmp_path)


def test_a_run_of_own_models_through_phases_that_only_follow_each_other(
    made: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keep_revisions(monkeypatch)
    assert made.compile(SPEC.format(name="tiny")) == 0
    assert made.train() == 0
    before, after = kept[1].scores
    assert before == after
    assert kept[1].momentum
    told = capsys.readouterr().err
    assert "residual" not in told, "nothing was re-shared, so nothing can be lost"
    rows = made.metrics()
    assert [row["phase"] for row in rows if row["kind"] == "epoch"] == ["first", "second"]
    first, second = (sum(row["losses"]) for row in rows if row["kind"] == "epoch")  # type: ignore[misc, arg-type]
    assert second < first
    assert made.revision(0, "graph.txt").splitlines()[2:] == made.revision(1, "graph.txt").splitlines()[2:]


def test_a_build_is_trained_by_its_name_whatever_was_compiled_last(
    made: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("tiny", "other"):
        assert made.compile(SPEC.format(name=name)) == 0
    assert made.train("tiny") == 0
    assert capsys.readouterr().out.startswith("tiny on digits")
    assert not (made.folder / "build/other/run").exists()


FAILING = """
import os
import sys


class Picky(nn.Sequential):
    steps = 0

    def forward(self, images):
        mood = os.environ.get("PICKY")
        Picky.steps += self.training
        if mood == "training" and self.training:
            raise KeyError("no such\\nhook")
        if mood == "exit" and self.training:
            sys.exit(3)
        if mood == "late" and not self.training and Picky.steps > Picky.most:
            raise KeyError("tired")
        made = super().forward(images)
        return (made, made) if mood == "eval" and not self.training else made


def picky(width: int, num_classes: int) -> nn.Module:
    Picky.most = Picky.steps + 5
    return Picky(small(width, num_classes))
"""


def picky_in(folder: Path) -> Place:
    """A place with a compiled spec of members that fail where the environment says so."""
    module = f"own_{folder.name}"  # a name of its own: imported modules stay in the process
    (folder / f"{module}.py").write_text(NET + FAILING, encoding="utf-8")
    made = Place(folder)
    assert made.compile(SPEC.format(name="tiny").replace("own_small_net:small", f"{module}:picky")) == 0
    return made


def test_a_model_that_cannot_be_scored_is_found_before_it_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = picky_in(tmp_path)
    monkeypatch.setenv("PICKY", "eval")
    assert made.train() == 1
    assert f"error[SW308]: `own_{tmp_path.name}:picky` gives a tuple" in capsys.readouterr().err
    assert not made.checkpoint.exists()


def test_what_was_trained_is_kept_where_scoring_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = picky_in(tmp_path)
    monkeypatch.setenv("PICKY", "late")
    assert made.train() == 1
    assert "KeyError: 'tired'" in capsys.readouterr().err
    _, meta = load_checkpoint(made.checkpoint)
    assert (meta.position.epoch, meta.position.step) == (1, 0)
    monkeypatch.delenv("PICKY")
    assert made.train() == 0
    rows = made.metrics()
    assert [row["phase"] for row in rows if row["kind"] == "epoch"] == ["first", "second"]
    assert [row["phase"] for row in rows if row["kind"] == "scores"] == ["first"] * 3 + ["second"] * 3


@pytest.mark.parametrize(
    ("mood", "error", "code"), [("training", "KeyError", "raise KeyError"), ("exit", "SystemExit: 3", "sys.exit")]
)
def test_a_model_that_fails_in_training_mode_is_its_authors(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    mood: str,
    error: str,
    code: str,
) -> None:
    """So is one that would end the process: that is not done in silence."""
    made = picky_in(tmp_path)
    monkeypatch.setenv("PICKY", mood)
    assert made.train() == 1
    told = capsys.readouterr().err
    assert f"error[SW550]: a member's own model failed: {error}" in told
    line = next(n for n, text in enumerate((NET + FAILING).splitlines(), 1) if code in text)
    assert f"raised at own_{tmp_path.name}.py:{line}" in told


def test_what_our_own_code_raises_is_not_the_authors(
    made: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from swc.running import loop

    def broken(*_: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(loop, "begin_alike", broken)
    assert made.compile(SPEC.format(name="tiny")) == 0
    assert made.train() == 70
    assert "internal error" in capsys.readouterr().err
