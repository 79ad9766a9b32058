"""Progress of a run for people: a live line on a terminal, one plain line an epoch elsewhere; on the error stream.

Takes a training and what its run tells; gives `progress_for`. Guarantees: time left covers all stages that remain,
gradient statistics included; nothing here changes a run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from time import monotonic
from typing import IO, TYPE_CHECKING

from attrs import define, field

from swc.diagnostics.printable import printable
from swc.diagnostics.render import render_one
from swc.program.stages import Stage, stages
from swc.program.task import Task
from swc.program.training import Training
from swc.running.observer import Observer
from swc.show.wording import decimal, score_text

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from swc.diagnostics import Diagnostic
    from swc.program.data_facts import DataFacts
    from swc.running.state import State
    from swc.running.surroundings import Trained
    from swc_runtime.evaluate.metrics import EnsembleScores
    from swc_runtime.training.trainer import EpochResult

CLASSIFICATION = Task()
REFRESH = 0.2  # seconds between two looks at the loss, which on CUDA waits for the device


@define
class Clock:
    """The time left, from the pace of this process; work is counted in epochs, a statistics pass as one."""

    total: float
    done: float = 0.0
    now: Callable[[], float] = monotonic
    started: tuple[float, float] | None = None  # time and work at the first call of `reach`

    def reach(self, done: float) -> None:
        """Work done so far, over all stages."""
        self.done = done
        if self.started is None:
            self.started = (self.now(), done)

    def skip(self, work: float) -> None:
        """Work that nobody will do counts as done, and says nothing of the pace."""
        self.done += work
        if self.started is not None:
            self.started = (self.started[0], self.started[1] + work)

    def left(self) -> float | None:
        """Seconds, or None before there is a pace."""
        if self.started is None or self.done <= self.started[1]:
            return None
        pace = (self.now() - self.started[0]) / (self.done - self.started[1])
        return pace * max(0.0, self.total - self.done)


def work_of(training: Training) -> float:
    """Epochs of all stages, and one for each statistics pass."""
    return float(sum(stage.stop - stage.start + (stage.action is not None) for stage in stages(training)))


def work_before(training: Training, stage: Stage, epoch: int) -> float:
    """The work that lies before an epoch of a stage."""
    earlier = stages(training)[: stage.revision]
    return float(sum(s.stop - s.start + (s.action is not None) for s in earlier) + epoch - stage.start)


def spoken(seconds: float | None) -> str:
    """A duration as `1:02:03` or `2:03`; `-:--` while unknown."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@define
class PlainProgress(Observer):
    """One line an epoch, for logs. `steps` are the optimiser steps of an epoch, `num_images` its images.

    `task` says what is counted and by what members are best, `example` what an image is called.
    """

    training: Training
    steps: int
    num_images: int
    stream: IO[str] = field(factory=lambda: sys.stderr)
    task: Task = CLASSIFICATION
    example: str = "image"
    clock: Clock = field(init=False)
    _before: float = field(init=False, default=0.0)  # the work before the epoch, or the statistics pass, that goes on
    _measured: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.clock = Clock(work_of(self.training))

    def epoch_begins(self, state: State) -> None:
        """Count steps from here; say nothing until the epoch is done."""
        self._before = work_before(self.training, state.stage, state.position.epoch)
        self.clock.reach(self._before)

    def step_done(self, state: State) -> None:
        """Count the step; a log needs no word of it."""
        self.clock.reach(self._before + state.position.step / self.steps)

    def epoch_done(self, state: State, result: EpochResult) -> None:
        """The line of an epoch: `main  epoch 3/20  loss 4.1234  accuracy 51.2%  left 2:03`."""
        self.say(
            f"{place(state.stage, state.position.epoch)}  {seen(result, self.task)}  left {spoken(self.clock.left())}"
        )

    def reached(self, state: State) -> None:
        """Leave out the epochs that patience has saved."""
        if state.is_ended:
            self.clock.skip(state.stage.stop - state.position.epoch)

    def measuring(self, state: Trained) -> None:
        """Say that a statistics pass begins, and count its images from here."""
        self._before, self._measured = work_before(self.training, state.stage, state.stage.stop), 0
        self.clock.reach(self._before)
        self.say(f"{state.stage.phase.name}  gradient statistics")

    def images_measured(self, state: Trained, num_images: int) -> None:
        """Count the images; a log needs no word of them."""
        self._measured += num_images
        self.clock.reach(self._before + min(1.0, self._measured / self.num_images))

    def scored(self, state: State, evaluation: EnsembleScores) -> None:
        """A line with the scores of the ensemble and of its best member, and of which images they are."""
        self._say_scores(state, evaluation, "")

    def folded(self, state: State, evaluation: EnsembleScores) -> None:
        """The same line, before anything is trained."""
        self._say_scores(state, evaluation, "given weights, ")

    def average_scored(self, state: State, evaluation: EnsembleScores) -> None:
        """The same line, of the average of the weights."""
        self._say_scores(state, evaluation, "average, ")

    def _say_scores(self, state: State, evaluation: EnsembleScores, of: str) -> None:
        row = self.task.row.chosen
        values = [scores.value(row.name) for scores in evaluation.members]
        best = reduce(lambda known, value: value if row.is_better(value, known) else known, values)
        title = "" if self.task.is_classification else f"{row.title} "
        part = of + (evaluation.part or "held out")
        ensemble = score_text(row, evaluation.ensemble.value(row.name))
        scores = f"{part}: {title}ensemble {ensemble}, best member {score_text(row, best)}"
        counted = self.task.row.judged
        if state.stage.patience is not None and counted != row:
            scores += f", {counted.title} {score_text(counted, evaluation.ensemble.value(counted.name))}"
        self.say(f"{place(state.stage, state.position.epoch)}  {scores}")

    def say(self, line: str) -> None:
        """Print a line."""
        print(printable(line), file=self.stream, flush=True)

    def warn(self, warning: Diagnostic) -> None:
        """Print a warning as `swc compile` does."""
        self.say(render_one(warning))


def place(stage: Stage, epoch: int) -> str:
    """Where a run is, as people count: `main  epoch 3/20`; `3/at most 20` where patience may end the phase."""
    most = "" if stage.phase.patience is None else "at most "
    return f"{stage.phase.name}  epoch {epoch}/{most}{stage.phase.epochs}"


def seen(result: EpochResult, task: Task = CLASSIFICATION) -> str:
    """Loss (the sum over members that were drawn) and accuracy, of the ensemble where there is one, on training images.

    Of another task what it counts stands in place of the accuracy.
    """
    row = task.row.tally
    if result.ensemble is None:  # the members saw different images
        return f"loss {decimal(result.loss)}  mean {row.title} {score_text(row, result.mean_counted, 1)}"
    return f"loss {decimal(result.loss)}  {row.title} {score_text(row, result.ensemble, 1)}"


@define
class LiveProgress(PlainProgress):
    """A bar over all stages with phase, epoch, loss, accuracy and time left; finished epochs leave their line."""

    bar: Bar = field(kw_only=True)
    _looked: float = field(init=False, default=0.0)

    def step_done(self, state: State) -> None:
        """Redraw, not more often than `REFRESH`."""
        PlainProgress.step_done(self, state)
        if state.tally is not None and monotonic() - self._looked >= REFRESH:
            self._looked = monotonic()
            self._draw(f"{place(state.stage, state.position.epoch + 1)}  {seen(state.tally.result(), self.task)}")

    def images_measured(self, state: Trained, num_images: int) -> None:
        """Redraw."""
        PlainProgress.images_measured(self, state, num_images)
        self._draw(f"{state.stage.phase.name}  gradient statistics  {self._measured} {self.example}s")

    def _draw(self, text: str) -> None:
        left = spoken(self.clock.left())
        self.bar.update(self._task_id(), description=printable(text), completed=self.clock.done, left=left)

    def _task_id(self) -> TaskID:
        return self.bar.task_ids[0] if self.bar.task_ids else self.bar.add_task("", total=self.clock.total, left="-:--")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.bar.console.print(printable(line), markup=False, highlight=False)


@contextmanager
def progress_for(
    training: Training, steps: int, num_images: int, stream: IO[str] | None = None, data: DataFacts | None = None
) -> Iterator[PlainProgress]:
    """Progress on a stream (the error stream): live on a terminal, lines elsewhere.

    `steps` and `num_images` are those of one training epoch; without `data` they are images with a class each.
    """
    stream = stream or sys.stderr
    task, example = (CLASSIFICATION, "image") if data is None else (data.task, data.example)
    if not stream.isatty():
        yield PlainProgress(training, steps, num_images, stream, task, example)
        return
    with _bar(stream) as bar:
        yield LiveProgress(training, steps, num_images, stream, task, example, bar=bar)


def _bar(stream: IO[str]) -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  left {task.fields[left]}"),
        console=Console(file=stream),
        transient=True,
    )
