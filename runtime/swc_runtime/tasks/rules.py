"""What a task makes of the outputs of members: predictions, what is counted while training, and scores.

Takes outputs, which are what members compute; gives predictions, which are what they say: probabilities of classes or
labels, or numbers in deviations of a target. Guarantees: predictions of members have a mean that is the ensemble's.

Suffixes: M members, B images of a batch, N images, C outputs of a member.
"""

from __future__ import annotations

from typing import Protocol

from attrs import evolve, frozen
from swc.files.run import TargetScale
from swc.files.scores import Bin, OutputDetails, Scores
from swc.program.datasets import DATASETS, DataFacts
from swc.program.task import Task
from swc.registry.tasks import TASKS
from torch import Tensor


@frozen(eq=False)
class Calibration:
    """Images that a score is fitted on before it is taken: predictions [M, N, C] of some members, and targets.

    `is_scored` says that these are the images which are scored: half of them is then fitted for the other half.
    """

    predictions: Tensor
    targets: Tensor
    is_scored: bool = False

    def of(self, members: list[int]) -> Calibration:
        """The same of some of the members."""
        return evolve(self, predictions=self.predictions[members])


class TaskRules(Protocol):
    """The rules of a task for some data; one object for each run.

    Targets are as the data set has them: classes int64 [B], numbers or labels float32 [B, C]; numbers are standardised
    (`swc_runtime.data.targets`), and scores are in their own unit.
    """

    @property
    def task(self) -> Task:
        """The task."""
        ...

    def predictions(self, outputs: Tensor) -> Tensor:
        """What members say, from their outputs, both [..., C]."""
        ...

    def count(self, outputs_MBC: Tensor, targets: Tensor) -> Tensor:
        """What is counted of each member while training: the sum [M] over the images; targets of one or all members."""
        ...

    def count_together(self, votes_BC: Tensor, num_members: int, targets: Tensor) -> Tensor:
        """The same sum, of one number, for the ensemble; `votes_BC` is the sum of the predictions of its members."""
        ...

    def counted(self, mean: float) -> float:
        """The score that is shown while training, from the mean over the images of what is counted."""
        ...

    def imitation(self, outputs_MBC: Tensor, taught_BC: Tensor) -> Tensor:
        """Each member's loss [M] against the predictions of another, which get no gradient, summed over the images."""
        ...

    def score(self, predictions_MNC: Tensor, targets: Tensor, calibration: Calibration | None = None) -> Scores:
        """Scores of some members together, in float64; ValueError without images."""
        ...

    def disagreement(self, predictions_MNC: Tensor, targets: Tensor) -> Tensor:
        """How differently members predict [M, M], over the error of the first; nan where that has none."""
        ...

    def reliability(
        self, predictions_MNC: Tensor, targets: Tensor, calibration: Calibration | None = None
    ) -> tuple[Bin, ...]:
        """What the report draws of some members together: promised against observed; () where nothing is promised."""
        ...

    def details(
        self, predictions_MNC: Tensor, targets: Tensor, calibration: Calibration | None = None
    ) -> OutputDetails:
        """What the report draws of single outputs of some members together; nothing where outputs are one class."""
        ...


def rules_of(facts: DataFacts, scale: TargetScale | None = None) -> TaskRules:
    """The rules of the task of some data; without a `scale` numbers stay in deviations of their target."""
    rules: TaskRules = TASKS.call(facts.task.name, facts.task, scale)
    return rules


def matrix_of(differences_MM: Tensor, errors_M: Tensor) -> Tensor:
    """Differences over the errors of the first; nan where there are none, and zero on the diagonal."""
    found_MM = differences_MM / errors_M[:, None]
    return found_MM.where(errors_M[:, None] > 0, float("nan")).fill_diagonal_(0.0)


def check_some(targets: Tensor) -> None:
    """ValueError where there is nothing to score."""
    if len(targets) == 0:
        raise ValueError("there are no images to score")


def soft_sum(values_MBC: Tensor) -> Tensor:
    """The sum [M] over images, a mean over the outputs of each."""
    return values_MBC.mean(-1).sum(-1)


PLAIN = rules_of(DATASETS["digits"])  # of classes, which need no more to be known
