"""`swc train --workers N` on a data set whose items draw: the bits of a run without workers, stopped and gone on."""

from __future__ import annotations

from pathlib import Path

import pytest
from swc.running.loop import train

from support.runs import Place
from support.steps import StopAfter, check_same_bits, open_small

SCANS = """
import random

import numpy as np
import torch


class Scans:
    def __init__(self, count, broken):
        self.count, self.broken = count, broken

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        if number == self.broken:
            raise OSError("no such scan")
        noise = np.random.normal(size=4) + random.random() + torch.rand(4).numpy()
        return noise + number % 2, number % 2


def load(broken: int = -1):
    return Scans(40, broken), Scans(20, broken)
"""
SPEC = """
ensemble tiny {{
  data python("scans:load", classes: 2, shape: [4]{more})
  member m[2] = mlp(depth: 2, width: 8)
  budget unlimited
  share linear as rank_one
  train {{ batch 8 phase main: 2 epochs }}
}}
"""


def compiled(folder: Path, more: str = "") -> Place:
    (folder / "scans.py").write_text(SCANS, encoding="utf-8")
    made = Place(folder)
    assert made.compile(SPEC.format(more=more)) == 0
    return made


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = compiled(tmp_path_factory.mktemp("plain"))
    assert made.train() == 0
    return made


def test_a_run_with_workers_has_the_bits_of_one_without(
    plain: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    made = compiled(tmp_path)
    run = open_small(made, workers=2)
    with pytest.raises(KeyboardInterrupt):
        train(run, StopAfter(3))
    capsys.readouterr()
    assert made.train("--workers", "1") == 0
    said = capsys.readouterr().err
    assert "scans:load is read by 1 worker\n" in said and "SW543" not in said
    check_same_bits(made, plain)
    assert made.swc("eval", "--time-batch", "0", "--workers", "2") == 0
    assert made.results() == plain.results()


def test_an_item_that_fails_in_a_worker_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = compiled(tmp_path, ", broken: 7")
    assert made.train("--workers", "0") == 1
    said = capsys.readouterr().err
    assert "error[SW518]: item 7 of train of `scans:load` cannot be had: OSError: no such scan" in said
    assert "raised at scans.py:17" in said and "Traceback" not in said
