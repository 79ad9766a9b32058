from __future__ import annotations

import io
from types import SimpleNamespace
from typing import cast

import pytest
import torch
from attrs import evolve
from swc.cli.progress import Clock, LiveProgress, PlainProgress, place, progress_for, spoken, work_before, work_of
from swc.diagnostics.catalogue.clusters import NothingSplit
from swc.files.checkpoint import Position
from swc.files.scores import Scores
from swc.program.data_facts import NO_IMAGE
from swc.program.datasets import DATASETS
from swc.program.inputs import InputFacts
from swc.program.stages import stages
from swc.program.training import Phase, Recipe, SplitClusters, Training, UntieCoefficients
from swc.running.observer import Observer, Observers
from swc.running.state import State

from swc_runtime.evaluate.metrics import EnsembleScores
from swc_runtime.training.trainer import EpochResult, Tally

TRAINING = Training(
    Recipe("r"),
    (Phase("search", 2, split=SplitClusters(0.1)), Phase("main", 5, untie=(UntieCoefficients(2, 0.9),))),
)
RESULT = EpochResult((1.0, 2.5), (0.5, 0.4), 0.625, 3.0, 100)
SCORES = [Scores(top1, 1.0, 0.1, 10, 1.0, 0.5, 0.2) for top1 in (0.5, 0.6, 0.7)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def tell(stream: io.StringIO) -> str:
    """A run of two stages, as its loop tells it."""
    with progress_for(TRAINING, steps=4, num_images=100, stream=stream) as progress:
        tell_all(progress)
    return stream.getvalue()


def tell_all(observer: Observer) -> None:
    """Everything that an observer may hear of."""
    sums = torch.tensor([[1.0, 1], [1, 1], [1, 1], [8, 8]], dtype=torch.float64)
    observer.say("arithmetic: float32")
    observer.begins(at(0, 0), is_new=True)
    observer.epoch_begins(at(0, 0))
    for step in range(1, 5):
        observer.step_done(at(0, 0, step, Tally(sums, 8)))
    observer.epoch_done(at(0, 1), RESULT)
    observer.reached(at(0, 1))
    observer.measuring(at(0, 2))
    observer.images_measured(at(0, 2), 60)
    observer.images_measured(at(0, 2), 40)
    observer.scored(at(1, 4), EnsembleScores(tuple(SCORES[:2]), SCORES[2]))


def at(revision: int, epoch: int, step: int = 0, tally: Tally | None = None) -> State:
    """A state of the run, without what it trains."""
    known = stages(TRAINING)[revision]
    found = SimpleNamespace(stage=known, position=Position(revision, 0, epoch, step), tally=tally, is_ended=False)
    return cast(State, found)


def test_elsewhere_each_epoch_is_one_plain_line() -> None:
    lines = tell(io.StringIO()).splitlines()
    assert lines[0] == "arithmetic: float32"
    assert lines[1].startswith("search  epoch 1/2  loss 3.5000  accuracy 62.5%  left ")
    assert lines[2:] == [
        "search  gradient statistics",
        "main  epoch 4/5  held out: ensemble 70.00%, best member 60.00%",
    ]


def test_scores_on_the_validation_part_say_so() -> None:
    stream = io.StringIO()
    with progress_for(TRAINING, 4, 100, stream) as progress:
        progress.scored(at(1, 4), EnsembleScores(tuple(SCORES[:2]), SCORES[2], "validation"))
    assert stream.getvalue() == "main  epoch 4/5  validation: ensemble 70.00%, best member 60.00%\n"


def test_warnings_are_written_as_the_compiler_writes_them() -> None:
    warning = NothingSplit(span=None, threshold=0.1, asked=0.1, sizes=("above 0.5: 3 clusters",))
    for stream in (io.StringIO(), Terminal()):
        with progress_for(TRAINING, steps=4, num_images=100, stream=stream) as progress:
            progress.warn(warning)
        assert "warning[SW410]: splitting below 0.1 leaves every cluster whole" in stream.getvalue()
        assert "note: above 0.5: 3 clusters" in stream.getvalue()


def test_on_a_terminal_the_same_lines_stand_above_the_bar() -> None:
    text = tell(Terminal())
    for part in ("search  epoch 1/2", "loss 3.5000", "accuracy 62.5%", "left", "best member 60.00%"):
        assert part in text


def test_the_form_follows_the_stream() -> None:
    with progress_for(TRAINING, 4, 100, Terminal()) as progress:
        assert isinstance(progress, LiveProgress)
    with progress_for(TRAINING, 4, 100, io.StringIO()) as progress:
        assert type(progress) is PlainProgress and progress.example == "image"


def test_what_is_measured_has_the_name_that_fits_the_data() -> None:
    rows = evolve(DATASETS["digits"], image_shape=NO_IMAGE, inputs=(InputFacts("float32", (4,)),))
    stream = Terminal()
    with progress_for(TRAINING, 4, 100, stream, rows) as progress:
        progress.measuring(cast(State, SimpleNamespace(stage=stages(TRAINING)[0])))
        progress.images_measured(cast(State, SimpleNamespace(stage=stages(TRAINING)[0])), 40)
    assert "40 examples" in stream.getvalue()


def test_work_counts_every_epoch_and_every_statistics_pass() -> None:
    assert work_of(TRAINING) == 7 + 2
    search, first, second = stages(TRAINING)
    assert work_before(TRAINING, search, 1) == 1
    assert work_before(TRAINING, search, search.stop) == 2  # the pass itself
    assert work_before(TRAINING, first, 0) == 3
    assert work_before(TRAINING, second, 2) == 6
    assert work_before(TRAINING, second, 5) == 9


def test_the_time_left_covers_all_stages_from_the_pace_of_this_process() -> None:
    time = 100.0
    clock = Clock(9.0, now=lambda: time)
    assert clock.left() is None
    clock.reach(4.0)  # resumed there
    assert clock.left() is None
    time = 110.0
    clock.reach(5.0)
    assert clock.left() == pytest.approx(40.0)
    clock.reach(9.0)
    assert clock.left() == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-:--"), (0, "0:00"), (59.6, "1:00"), (123, "2:03"), (3723, "1:02:03")]
)
def test_durations_are_spoken(seconds: float | None, text: str) -> None:
    assert spoken(seconds) == text


def test_nobody_takes_the_same_calls(capsys: pytest.CaptureFixture[str]) -> None:
    tell_all(Observers())
    assert capsys.readouterr() == ("", "")


def test_epochs_that_patience_saves_say_nothing_of_the_pace() -> None:
    time = 0.0
    clock = Clock(10.0, now=lambda: time)
    clock.reach(0)
    time = 4.0
    clock.reach(2)
    assert clock.left() == 16.0
    clock.skip(3)
    assert (clock.done, clock.left()) == (5.0, 10.0)


def test_a_phase_that_patience_may_end_has_at_most_so_many_epochs() -> None:
    (stage,) = stages(Training(Recipe("r"), (Phase("main", 20, patience=3),)))
    assert place(stage, 3) == "main  epoch 3/at most 20"
