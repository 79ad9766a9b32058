"""Runs of members that are no family of ours, and of phases without any recompile."""

from __future__ import annotations

from pathlib import Path

import pytest

from revisions import keep_revisions
from runs import Place

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


class Picky(nn.Module):
    def forward(self, images):
        if self.training and "PICKY" in os.environ:
            raise KeyError("no such\\nhook")
        return images


def picky(width: int, num_classes: int) -> nn.Module:
    return nn.Sequential(Picky(), small(width, num_classes))
"""


def test_a_model_that_fails_in_training_mode_is_its_authors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_picky_net.py").write_text(NET + FAILING, encoding="utf-8")
    made = Place(tmp_path)
    assert made.compile(SPEC.format(name="tiny").replace("own_small_net:small", "own_picky_net:picky")) == 0
    monkeypatch.setenv("PICKY", "yes")
    assert made.train() == 1
    told = capsys.readouterr().err
    assert "error[SW550]: a member's own model failed: KeyError" in told
    line = next(n for n, text in enumerate((NET + FAILING).splitlines(), 1) if "raise KeyError" in text)
    assert f"raised at own_picky_net.py:{line}" in told


def test_what_our_own_code_raises_is_not_the_authors(
    made: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from swc import session

    def broken(*_: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(session, "begin_alike", broken)
    assert made.compile(SPEC.format(name="tiny")) == 0
    assert made.train() == 70
    assert "internal error" in capsys.readouterr().err
