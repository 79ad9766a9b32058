"""The scripts beside the page of small sweeps, on a run of an earlier version that was split and evaluated."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from swc.files.evaluation import Corrupted, Corruptions

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "docs/results/paper_small"
RUN = ROOT / "tests/old_runs/finished/tiny/run"


def run_script(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str) -> dict[str, Any]:
    monkeypatch.setattr("sys.argv", [name, *arguments])
    return runpy.run_path(str(SCRIPTS / name))


def test_neighbours_counts_parted_layers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # The split took the first of seven layers out of one bin of `deep`, and the first of four out of that of `shallow`:
    # two pairs are parted. A layer taken out at random parts one pair at an end and two elsewhere: 1 + 5/7 + 1 + 2/4.
    run_script(monkeypatch, "neighbours.py", str(RUN))
    assert capsys.readouterr().out == f"{RUN}: 2 of 20 parted; by chance 3.2, as many in 100.0%\n"


def test_evaluated_gives_means_and_differences_by_seed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run_script(monkeypatch, "evaluated.py", "tiny", str(RUN))
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == [
        "| ensemble | seeds | disagreement over error |",
        "| --- | ---: | ---: |",
        "| tiny | 1 | 1.235 |",
    ]
    # differences 1 and 2: their standard error is a half, and t at one degree of freedom 12.706
    assert found["cell"]({0: 1.0, 1: 3.0, 2: 9.0}, {0: 0.0, 1: 1.0}, 1) == "4.333 (+1.500 ± 6.353)"
    assert found["cell"]({0: 1.0}, {0: 0.5}, 100) == "100.000 (+50.000, one seed)"
    assert found["cell"]({0: 1.0}, {1: 0.5}, 1) == "1.000"


def test_corrupted_scores_are_those_of_the_ensemble_over_the_standard_types(monkeypatch: pytest.MonkeyPatch) -> None:
    fog, spatter = (0.5, 0.25), (0.0, 0.0)
    member = Corrupted("m", *((spatter, spatter),) * 6)
    whole = Corrupted("ensemble", *((fog, spatter),) * 6)
    types, severities, standard = ("fog", "spatter"), (3, 5), ("fog",)
    scored = Corruptions("c", True, False, 0, 100, types, severities, standard, (), (member, whole), None, None)
    found = run_script(monkeypatch, "evaluated.py", "tiny", str(RUN))
    assert found["corrupted"](scored) == {"top1": 0.375, "nll": 0.375, "ece": 0.375}


def test_evaluated_ends_where_the_reference_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="no run of other was named"):
        run_script(monkeypatch, "evaluated.py", "other", str(RUN))
