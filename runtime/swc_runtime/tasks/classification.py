"""One class for each image: softmax, accuracy, and what probabilities are worth.

Takes outputs, which are logits, and labels int64; gives probabilities and scores. Guarantees: an ensemble predicts the
mean softmax of its members (paper, section 4).

Suffixes: M members, B images of a batch, N images, C classes.
"""

from __future__ import annotations

from attrs import frozen
from swc.files.run import TargetScale
from swc.files.scores import Bin, OutputDetails, Scores
from swc.program.task import Task
from torch import Tensor

from swc_runtime.tasks.class_scores import reliability, score
from swc_runtime.tasks.rules import Calibration, matrix_of


@frozen
class Classification:
    """The rules of `task classification`."""

    task: Task
    scale: TargetScale | None = None

    def predictions(self, outputs: Tensor) -> Tensor:
        """Softmax over the classes."""
        return outputs.softmax(-1)

    def count(self, outputs_MBC: Tensor, targets: Tensor) -> Tensor:
        """Those that were right."""
        return (outputs_MBC.argmax(-1) == targets).sum(-1)

    def count_together(self, votes_BC: Tensor, num_members: int, targets: Tensor) -> Tensor:
        """Those of which the mean softmax was right."""
        return (votes_BC.argmax(-1) == targets).sum()

    def counted(self, mean: float) -> float:
        """The accuracy."""
        return mean

    def imitation(self, outputs_MBC: Tensor, taught_BC: Tensor) -> Tensor:
        """Cross-entropies against the other's probabilities."""
        return -(taught_BC.detach() * outputs_MBC.log_softmax(-1)).sum((-1, -2))

    def score(self, predictions_MNC: Tensor, targets: Tensor, calibration: Calibration | None = None) -> Scores:
        """Scores of the mean softmax."""
        return score(predictions_MNC.double().mean(0), targets)

    def disagreement(self, predictions_MNC: Tensor, targets: Tensor) -> Tensor:
        """The fraction of images that two members disagree on, over the error rate of the first."""
        predicted_MN = predictions_MNC.argmax(-1)
        disagree_MM = (predicted_MN[:, None] != predicted_MN[None]).double().mean(-1)
        return matrix_of(disagree_MM, (predicted_MN != targets).double().mean(-1))

    def reliability(
        self, predictions_MNC: Tensor, targets: Tensor, calibration: Calibration | None = None
    ) -> tuple[Bin, ...]:
        """The bins of the top probability."""
        return reliability(predictions_MNC.double().mean(0), targets)

    def details(
        self, predictions_MNC: Tensor, targets: Tensor, calibration: Calibration | None = None
    ) -> OutputDetails:
        """Nothing: an output alone is no prediction."""
        return OutputDetails()
