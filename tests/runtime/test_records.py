from __future__ import annotations

import json
from errno import ENOSPC
from math import isnan
from pathlib import Path
from unittest.mock import Mock

import pytest
from swc.diagnostics import DiagnosticError
from swc.files.metrics import EpochRow, ScoresRow
from swc.files.scores import Scores
from swc.program.stages import Stage
from swc.program.training import Phase
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from swc_runtime.evaluate.metrics import EnsembleScores
from swc_runtime.records.records import METRICS, Records, cut_back, read_rows
from swc_runtime.training.trainer import EpochResult

STAGE = Stage(0, Phase("main", 5), 0, 5, None)


def result(loss: float) -> EpochResult:
    return EpochResult((loss, loss / 2), (0.5, 0.25), 0.75, 1.5, 100)


def write(records: Records, *epochs: int) -> None:
    for epoch in epochs:
        records.write_epoch(STAGE, epoch, ("a", "b"), result(float(epoch)))


def points(folder: Path, tag: str = "main/loss/a") -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder / "events"))
    events.Reload()
    return [(e.step, e.value) for e in events.Scalars(tag)]


def test_rows_and_curves_say_the_same(tmp_path: Path) -> None:
    with Records(tmp_path) as records:
        write(records, 0, 1)
    assert [row.epoch for row in read_rows(tmp_path)] == [1, 2]
    plain = json.loads((tmp_path / METRICS).read_text("utf-8").splitlines()[1])
    assert len(plain.pop("check")) == 16
    assert list(plain.items()) == list({
        "kind": "epoch", "revision": 0, "phase": "main", "epoch": 2, "losses": [1.0, 0.5],
        "accuracies": [0.5, 0.25], "ensemble": 0.75, "seconds": 1.5, "images": 100,
        "waited": 0.0,
    }.items())  # fmt: skip
    assert points(tmp_path) == [(1, 0.0), (2, 1.0)]


def test_scores_have_a_row_each(tmp_path: Path) -> None:
    scores = [Scores(top1, 1.0, 0.1, 10, 1.0, 0.5, 0.2) for top1 in (0.5, 0.6, 0.7)]
    with Records(tmp_path) as records:
        records.write_scores(STAGE, 4, ("a", "b"), EnsembleScores((scores[0], scores[1]), scores[2]))
    assert [(row.of, row.top1, row.epoch) for row in read_rows(tmp_path) if isinstance(row, ScoresRow)] == [
        ("a", 0.5, 5), ("b", 0.6, 5), ("ensemble", 0.7, 5),
    ]  # fmt: skip
    assert points(tmp_path, "main/top1/ensemble") == [(5, pytest.approx(0.7))]


def test_scores_on_the_validation_part_say_so(tmp_path: Path) -> None:
    scores = Scores(0.5, 1.0, 0.1, 10)
    with Records(tmp_path) as records:
        records.write_scores(STAGE, 0, ("a",), EnsembleScores((scores,), scores, "validation"))
    assert [row.part for row in read_rows(tmp_path) if isinstance(row, ScoresRow)] == ["validation"] * 2
    assert points(tmp_path, "main/validation top1/ensemble") == [(1, 0.5)]


def test_numbers_that_are_not_finite_stay_json(tmp_path: Path) -> None:
    with Records(tmp_path) as records:
        records.write(EpochRow("epoch", 0, "main", 1, (1.0, float("inf")), (0.5, float("nan")), None, float("nan"), 9))
    plain = json.loads((tmp_path / METRICS).read_text("utf-8"))
    assert (plain["losses"], plain["accuracies"]) == ([1.0, None], [0.5, None])
    assert (plain["ensemble"], plain["seconds"], plain["waited"]) == (None, None, 0.0)
    (row,) = read_rows(tmp_path)
    assert isinstance(row, EpochRow) and isnan(row.losses[1]) and row.ensemble is None


def test_cut_back_leaves_exactly_what_was_there(tmp_path: Path) -> None:
    with Records(tmp_path) as records:
        write(records, 0, 1)
        marks = records.marks()
        write(records, 2, 3)
    (tmp_path / METRICS).open("a").write('{"kind": "epo')  # killed within a line
    cut_back(tmp_path, marks)
    assert [row.epoch for row in read_rows(tmp_path)] == [1, 2]
    assert points(tmp_path) == [(1, 0.0), (2, 1.0)]
    with Records(tmp_path) as records:
        write(records, 2)
    assert [row.epoch for row in read_rows(tmp_path)] == [1, 2, 3]
    assert points(tmp_path) == [(1, 0.0), (2, 1.0), (3, 2.0)]


def test_the_eleventh_process_comes_after_the_tenth(tmp_path: Path) -> None:
    for epoch in range(12):  # within one second, and past the place where 10 sorts before 9
        with Records(tmp_path) as records:
            write(records, epoch)
    assert [step for step, _ in points(tmp_path)] == list(range(1, 13))


def test_event_files_younger_than_the_checkpoint_go(tmp_path: Path) -> None:
    with Records(tmp_path) as records:
        write(records, 0)
        marks = records.marks()
    for _ in range(2):  # two attempts that never reached a checkpoint
        cut_back(tmp_path, marks)
        with Records(tmp_path) as records:
            write(records, 1)
    cut_back(tmp_path, marks)
    assert points(tmp_path) == [(1, 0.0)]
    assert len(list((tmp_path / "events").iterdir())) == 1


def test_marks_taken_after_a_resume_cover_the_files_of_both(tmp_path: Path) -> None:
    with Records(tmp_path) as records:
        write(records, 0)
        first = records.marks()
    cut_back(tmp_path, first)
    with Records(tmp_path) as records:
        write(records, 1)
        second = records.marks()
        write(records, 2)
    assert len(second) == 3
    cut_back(tmp_path, second)
    assert points(tmp_path) == [(1, 0.0), (2, 1.0)]
    cut_back(tmp_path, first)  # further back, to the previous checkpoint
    assert points(tmp_path) == [(1, 0.0)] and len(read_rows(tmp_path)) == 1


def test_before_the_first_checkpoint_nothing_is_left(tmp_path: Path) -> None:
    with Records(tmp_path) as records:
        write(records, 0)
    cut_back(tmp_path, {})
    assert read_rows(tmp_path) == [] and not list((tmp_path / "events").iterdir())


def test_records_that_were_shortened_are_told_and_not_touched(tmp_path: Path) -> None:
    with Records(tmp_path) as records:
        write(records, 0)
        marks = records.marks()
        write(records, 1)
    event = next((tmp_path / "events").iterdir())
    size = event.stat().st_size
    (tmp_path / METRICS).write_text("{}\n")
    with pytest.raises(DiagnosticError, match=r"metrics\.jsonl") as error:
        cut_back(tmp_path, marks)
    assert error.value.diagnostics[0].code == "SW527"
    assert event.stat().st_size == size


@pytest.mark.parametrize("lost", ["all", "end"])
def test_events_that_are_not_whole_are_told_and_go_on_in_a_new_file(tmp_path: Path, lost: str) -> None:
    with Records(tmp_path) as records:
        write(records, 0)
        marks = records.marks()
        write(records, 1)
    event = next((tmp_path / "events").iterdir())
    event.unlink() if lost == "all" else event.write_bytes(event.read_bytes()[:30])
    assert cut_back(tmp_path, marks) == (f"events/{event.name}",)
    assert len(read_rows(tmp_path)) == 1
    with Records(tmp_path) as records:
        write(records, 1)
    newest = sorted((tmp_path / "events").iterdir())[-1]
    assert (newest.name == event.name) == (lost == "all") and newest.stat().st_size > 30


@pytest.mark.parametrize("file", ["metrics.jsonl", "events.out.tfevents.0001"])
def test_what_a_full_disk_does_not_take_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    with Records(tmp_path) as records:
        full = Mock(flush=Mock(side_effect=OSError(ENOSPC, "No space left on device")), write=Mock(), close=Mock())
        is_metrics = file == METRICS
        monkeypatch.setattr(records if is_metrics else records._events, "_lines" if is_metrics else "_records", full)
        with pytest.raises(DiagnosticError, match=f"SW528.*{file}.*no space left"):
            write(records, 0)
