"""Scores of an ensemble: those of its members, and of all together.

Takes predictions and targets; gives `EnsembleScores` by the rules of the task. Guarantees: computed in float64, on the
device of the predictions.
Suffixes: M members, N images, C classes.
"""

from __future__ import annotations

from attrs import frozen
from swc.files.run import BestEpoch
from swc.files.scores import ScoredPart, Scores
from torch import Tensor

from swc_runtime.tasks import PLAIN, TaskRules
from swc_runtime.tasks.class_scores import aurc, brier, ece, nll, reliability, score, top1, top_k
from swc_runtime.tasks.rules import Calibration

__all__ = [
    "EnsembleScores",
    "FinalScores",
    "aurc",
    "brier",
    "ece",
    "nll",
    "reliability",
    "score",
    "score_ensemble",
    "top1",
    "top_k",
]


@frozen
class EnsembleScores:
    """The scores of each member, in order, and of the ensemble: the mean of what the members predict.

    `part` says of which images.
    """

    members: tuple[Scores, ...]
    ensemble: Scores
    part: ScoredPart = ""


@frozen
class FinalScores:
    """What a run came to: scores on the test images, and on those that settings are chosen with (None: there are none).

    Nothing is chosen by the first. `members` and `ensemble` are those on the test images. `best` says which epoch they
    are of, where patience chose it; `average` are those with the average of the weights.
    """

    test: EnsembleScores
    validation: EnsembleScores | None = None
    best: BestEpoch | None = None
    average: FinalScores | None = None

    @property
    def members(self) -> tuple[Scores, ...]:
        """The scores of each member, in order, on the test images."""
        return self.test.members

    @property
    def ensemble(self) -> Scores:
        """The scores of the ensemble on the test images."""
        return self.test.ensemble


def score_ensemble(
    predictions_MNC: Tensor, targets: Tensor, rules: TaskRules = PLAIN, calibration: Calibration | None = None
) -> EnsembleScores:
    """Scores of the members and of all together; of a regression, with noise that `calibration` was fitted on.

    Source: paper, section 4.
    """
    alone = range(len(predictions_MNC))
    members = tuple(rules.score(predictions_MNC[[member]], targets, _of(calibration, [member])) for member in alone)
    return EnsembleScores(members, rules.score(predictions_MNC, targets, calibration))


def _of(calibration: Calibration | None, members: list[int]) -> Calibration | None:
    return None if calibration is None else calibration.of(members)
