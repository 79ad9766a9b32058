"""A yes or no for each label: sigmoids, F1, average precision, and what probabilities are worth.

Takes outputs, one a label, and labels float32 of 0 and 1; gives probabilities and scores. Guarantees: an ensemble
predicts the mean sigmoid of its members; a label is decided for at one half and above; scores are scikit-learn's, but
that a label which none of the images has counts in no mean.

Suffixes: M members, B images of a batch, N images, L labels.
"""

from __future__ import annotations

from math import nan

import torch
import torch.nn.functional as F
from attrs import frozen
from swc.files.run import TargetScale
from swc.files.scores import Bin, LabelScores, OutputDetails, Scores
from swc.program.task import Task
from torch import Tensor

from swc_runtime.tasks.class_scores import NUM_BINS
from swc_runtime.tasks.rules import Calibration, check_some, matrix_of, soft_sum

HALF = 0.5
SMALLEST = 2.0**-53  # what is left of one beside the largest probability below it, in float64


@frozen
class Multilabel:
    """The rules of `task multilabel`."""

    task: Task
    scale: TargetScale | None = None

    def predictions(self, outputs: Tensor) -> Tensor:
        """The sigmoid of each output."""
        return outputs.sigmoid()

    def count(self, outputs_MBC: Tensor, targets: Tensor) -> Tensor:
        """The decisions that were right, as a share of an image's labels."""
        return soft_sum(((outputs_MBC >= 0) == (targets >= HALF)).float())

    def count_together(self, votes_BC: Tensor, num_members: int, targets: Tensor) -> Tensor:
        """The same for the mean sigmoid."""
        return ((votes_BC / num_members >= HALF) == (targets >= HALF)).float().mean(-1).sum()

    def counted(self, mean: float) -> float:
        """The share of decisions that were right."""
        return mean

    def imitation(self, outputs_MBC: Tensor, taught_BC: Tensor) -> Tensor:
        """Binary cross-entropies against the other's probabilities."""
        wanted = taught_BC.detach().expand_as(outputs_MBC)
        return soft_sum(F.binary_cross_entropy_with_logits(outputs_MBC, wanted, reduction="none"))

    def score(self, predictions_MNC: Tensor, targets: Tensor, calibration: Calibration | None = None) -> Scores:
        """Scores of the mean sigmoid."""
        check_some(targets)
        predicted_NL, held_NL = predictions_MNC.double().mean(0), targets >= HALF
        further = {
            "map": mean_precision(predicted_NL, held_NL),
            "micro_f1": f1(predicted_NL.reshape(-1, 1), held_NL.reshape(-1, 1)),
            "macro_f1": f1(predicted_NL, held_NL),
        }
        loss = nll(predicted_NL, held_NL)
        return Scores(nan, loss, ece(predicted_NL, held_NL), len(targets), further=further)

    def disagreement(self, predictions_MNC: Tensor, targets: Tensor) -> Tensor:
        """The fraction of decisions that two members disagree on, over the error rate of the first."""
        decided_MNL, held_NL = predictions_MNC >= HALF, targets >= HALF
        disagree_MM = (decided_MNL[:, None] != decided_MNL[None]).double().mean((-1, -2))
        return matrix_of(disagree_MM, (decided_MNL != held_NL).double().mean((-1, -2)))

    def reliability(
        self, predictions_MNC: Tensor, targets: Tensor, calibration: Calibration | None = None
    ) -> tuple[Bin, ...]:
        """Bins of the probability of a label, over all labels; `num_images` counts decisions."""
        return bins_of(predictions_MNC.double().mean(0), targets >= HALF)

    def details(
        self, predictions_MNC: Tensor, targets: Tensor, calibration: Calibration | None = None
    ) -> OutputDetails:
        """The scores of each label."""
        sides = (predictions_MNC.double().mean(0), targets >= HALF)
        pairs = zip(*(torch.split(side, 1, -1) for side in sides), strict=True)
        return OutputDetails(labels=tuple(_of_label(label, *pair) for label, pair in enumerate(pairs)))


def _of_label(label: int, predicted_N1: Tensor, held_N1: Tensor) -> LabelScores:
    share = float(held_N1.double().mean())
    return LabelScores(label, share, mean_precision(predicted_N1, held_N1), f1(predicted_N1, held_N1))


def nll(predicted_NL: Tensor, held_NL: Tensor) -> float:
    """Minus the mean log probability of a decision, in nats; a sure yes and a sure no cost as much, 36.7 at most."""
    of_truth_NL = torch.where(held_NL, predicted_NL, 1 - predicted_NL)
    return abs(float(of_truth_NL.clamp(min=SMALLEST).log().mean()))


def f1(predicted_NL: Tensor, held_NL: Tensor) -> float:
    """The mean over labels of 2 TP / (2 TP + FP + FN); 0 for a label that was never decided for and sometimes held.

    A label that was neither counts in no mean; nan where that leaves none.
    """
    decided_NL = predicted_NL >= HALF
    hits_L = (decided_NL & held_NL).sum(0).double()
    sides_L = (decided_NL.sum(0) + held_NL.sum(0)).double()
    is_there_L = sides_L > 0
    return float((2 * hits_L[is_there_L] / sides_L[is_there_L]).mean())


def mean_precision(predicted_NL: Tensor, held_NL: Tensor) -> float:
    """The mean over labels that some images have of the average precision; nan where there is none."""
    pairs = zip(predicted_NL.unbind(-1), held_NL.unbind(-1), strict=True)
    found = [average_precision(predicted, held) for predicted, held in pairs if bool(held.any())]
    return sum(found) / len(found) if found else nan


def average_precision(predicted_N: Tensor, held_N: Tensor) -> float:
    """The sum over thresholds of the gain in recall times the precision; equal probabilities share a threshold.

    A worked example: probabilities .9, .8, .8, .1 of which the first and the third hold. At .9 the precision is 1 and
    the recall 1/2; at .8 they are 2/3 and 1: 1/2 x 1 + 1/2 x 2/3 = 5/6.
    """
    order = predicted_N.argsort(descending=True, stable=True)
    sorted_N, hits_N = predicted_N[order], held_N[order].double().cumsum(0)
    is_last_N = torch.ones_like(sorted_N, dtype=torch.bool)
    is_last_N[:-1] = sorted_N[:-1] != sorted_N[1:]
    places_N = torch.arange(1, len(sorted_N) + 1, device=sorted_N.device)
    hits, seen = hits_N[is_last_N], places_N[is_last_N]
    gained = torch.diff(hits, prepend=hits.new_zeros(1))
    return float((gained * hits / seen).sum() / hits[-1])


def bins_of(predicted_NL: Tensor, held_NL: Tensor) -> tuple[Bin, ...]:
    """`NUM_BINS` bins of equal width: how many decisions, their mean probability, and how often the label held."""
    predicted, held = predicted_NL.reshape(-1), held_NL.reshape(-1).double()
    place = (predicted * NUM_BINS).long().clamp(max=NUM_BINS - 1)
    counts = torch.bincount(place, minlength=NUM_BINS)
    sums = (torch.bincount(place, weights=what, minlength=NUM_BINS) for what in (predicted, held))
    confidences, shares = ((total / counts.clamp(min=1)).tolist() for total in sums)
    return tuple(Bin(*values) for values in zip(counts.tolist(), confidences, shares, strict=True))


def ece(predicted_NL: Tensor, held_NL: Tensor) -> float:
    """The mean gap between a label's probability and how often it holds, over bins weighted by their decisions."""
    bins = bins_of(predicted_NL, held_NL)
    total = sum(one.num_images for one in bins)
    return sum(one.num_images * abs(one.confidence - one.accuracy) for one in bins) / total
