"""Scores of predictions: top-1 accuracy, negative log-likelihood, expected calibration error.

Takes probabilities and labels; gives `Scores`. Guarantees: computed in float64, on the device of the probabilities.
Suffixes: M members, N images, C classes.
"""

from __future__ import annotations

import torch
from attrs import frozen
from torch import Tensor

NUM_BINS = 15  # of equal width, on the top probability (paper, section 4)
BELOW_ONE = 1.0 - 2.0**-24


@frozen
class Scores:
    """`top1` and `ece` as fractions, `nll` in nats per image, over `num_images` images."""

    top1: float
    nll: float
    ece: float
    num_images: int


@frozen
class Evaluation:
    """The scores of each member, in order, and of the ensemble: the mean of the members' softmax."""

    members: tuple[Scores, ...]
    ensemble: Scores


def score(probabilities_NC: Tensor, labels_N: Tensor) -> Scores:
    """Scores of one predictor; ValueError without images."""
    if len(labels_N) == 0:
        raise ValueError("there are no images to score")
    probabilities_NC = probabilities_NC.double()
    return Scores(
        top1=top1(probabilities_NC, labels_N),
        nll=nll(probabilities_NC, labels_N),
        ece=ece(probabilities_NC, labels_N),
        num_images=len(labels_N),
    )


def score_ensemble(probabilities_MNC: Tensor, labels_N: Tensor) -> Evaluation:
    """Scores of the members and of their mean. Source: paper, section 4."""
    members = tuple(score(probabilities_NC, labels_N) for probabilities_NC in probabilities_MNC)
    return Evaluation(members, score(probabilities_MNC.double().mean(0), labels_N))


def top1(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """The fraction of images whose most probable class is the label."""
    from torchmetrics.functional.classification import multiclass_accuracy

    num_classes = probabilities_NC.shape[-1]
    predicted_N = probabilities_NC.argmax(-1)
    # torchmetrics counts in float32, where a fraction of 10,000 images is off by 1e-8
    return float(multiclass_accuracy(predicted_N, labels_N, num_classes, average="micro"))


def nll(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """Minus the mean log probability of the label, in nats."""
    at_label_N = probabilities_NC.gather(-1, labels_N[:, None]).squeeze(-1)
    smallest = torch.finfo(torch.float32).tiny  # softmax in float32 ends there: such a label costs 87 nats
    return float(-at_label_N.clamp(min=smallest).log().mean())


def ece(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """The mean gap between confidence and accuracy over `NUM_BINS` bins, weighted by their images."""
    from torchmetrics.functional.classification import multiclass_calibration_error

    # torchmetrics gives a probability of exactly 1 a bin of its own, and takes anything above 1 for a logit
    below_one_NC = probabilities_NC.clamp(max=BELOW_ONE)
    num_classes = probabilities_NC.shape[-1]
    return float(multiclass_calibration_error(below_one_NC, labels_N, num_classes, n_bins=NUM_BINS, norm="l1"))
