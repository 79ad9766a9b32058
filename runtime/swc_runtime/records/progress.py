"""How a run tells people where it is; the session calls it, the command implements it.

Takes stages and what training saw; gives nothing back: progress never changes a run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from swc.diagnostics import Diagnostic
from swc.program.stages import Stage

from swc_runtime.evaluate.metrics import Evaluation
from swc_runtime.training.trainer import EpochResult, OnStep, Tally


class Progress(Protocol):
    """What the session calls; epochs are counted from 0."""

    def epoch(self, stage: Stage, epoch: int) -> AbstractContextManager[OnStep]:
        """Around an epoch; gives what `train_epoch` calls after each step."""
        ...

    def epoch_done(self, stage: Stage, epoch: int, result: EpochResult) -> None:
        """What the epoch saw on its training batches."""
        ...

    def measuring(self, stage: Stage) -> AbstractContextManager[Callable[[int], None]]:
        """Around a pass for gradient statistics; gives what is to be called with the images of each batch."""
        ...

    def scored(self, stage: Stage, epoch: int, evaluation: Evaluation) -> None:
        """Scores on held-out images."""
        ...

    def say(self, line: str) -> None:
        """A line of text among the others."""
        ...

    def warn(self, warning: Diagnostic) -> None:
        """What a recompile warns of."""
        ...


class Silent:
    """Progress for nobody."""

    def epoch(self, stage: Stage, epoch: int) -> AbstractContextManager[OnStep]:
        """Tell nothing."""
        return nullcontext(_ignore_step)

    def epoch_done(self, stage: Stage, epoch: int, result: EpochResult) -> None:
        """Tell nothing."""

    def measuring(self, stage: Stage) -> AbstractContextManager[Callable[[int], None]]:
        """Tell nothing."""
        return nullcontext(_ignore_images)

    def scored(self, stage: Stage, epoch: int, evaluation: Evaluation) -> None:
        """Tell nothing."""

    def say(self, line: str) -> None:
        """Tell nothing."""

    def warn(self, warning: Diagnostic) -> None:
        """Tell nothing."""


def _ignore_step(steps_done: int, tally: Tally) -> None:
    """Tell nothing."""


def _ignore_images(num_images: int) -> None:
    """Tell nothing."""
