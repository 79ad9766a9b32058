"""Scores of predicted classes: accuracy, likelihood, calibration, and how well confidence ranks them.

Takes probabilities and labels; gives `Scores`. Guarantees: computed in float64, on the device of the probabilities.
Suffixes: N images, C classes.
"""

from __future__ import annotations

import torch
from swc.files.scores import Bin, Scores
from torch import Tensor

SURE = 0.999  # less is subtracted from one without loss
NUM_BINS = 15  # of equal width, on the top probability (paper, section 4)


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
        top5=top_k(probabilities_NC, labels_N, 5),
        brier=brier(probabilities_NC, labels_N),
        aurc=aurc(probabilities_NC, labels_N),
    )


def top1(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """The fraction of images whose most probable class is the label."""
    return share(probabilities_NC.argmax(-1) == labels_N)


def share(hits_N: Tensor) -> float:
    """The fraction of images that are hits; in float32, as results have always been written."""
    return float(hits_N.sum().float() / len(hits_N))


def nll(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """Minus the mean log probability of the label, in nats."""
    at_label_N = probabilities_NC.gather(-1, labels_N[:, None]).squeeze(-1)
    smallest = torch.finfo(torch.float64).tiny  # softmax in float64 ends there: such a label costs 708 nats
    return abs(float(at_label_N.clamp(min=smallest).log().mean()))  # minus 0 would be written -0.0


def ece(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """The mean gap between confidence and accuracy over `NUM_BINS` bins, weighted by their images."""
    bins = reliability(probabilities_NC, labels_N)
    return sum(one.num_images * abs(one.confidence - one.accuracy) for one in bins) / len(labels_N)


def reliability(probabilities_NC: Tensor, labels_N: Tensor) -> tuple[Bin, ...]:
    """The `NUM_BINS` bins of equal width on the top probability that `ece` adds up."""
    confidence_N, predicted_N = probabilities_NC.double().max(-1)
    place_N = (confidence_N * NUM_BINS).long().clamp(max=NUM_BINS - 1)
    hits_N = (predicted_N == labels_N).double()
    counts = torch.bincount(place_N, minlength=NUM_BINS)
    sums = (torch.bincount(place_N, weights=what, minlength=NUM_BINS) for what in (confidence_N, hits_N))
    confidences, accuracies = ((total / counts.clamp(min=1)).tolist() for total in sums)
    return tuple(Bin(*values) for values in zip(counts.tolist(), confidences, accuracies, strict=True))


def top_k(probabilities_NC: Tensor, labels_N: Tensor, k: int) -> float:
    """The fraction of images whose label is among the `k` most probable classes (all, where there are fewer)."""
    if k >= probabilities_NC.shape[-1]:
        return 1.0
    return share((probabilities_NC.topk(k).indices == labels_N[:, None]).any(-1))


def brier(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """The mean squared distance between the probabilities and the label, summed over classes."""
    at_label_N = probabilities_NC.gather(-1, labels_N[:, None]).squeeze(-1)
    return float((probabilities_NC.square().sum(-1) - 2 * at_label_N + 1).mean())


def doubt(probabilities_NC: Tensor) -> Tensor:
    """One less the top probability [N], from the others where they are small: one less 1 - 1e-20 is 0 to a computer."""
    top_N, predicted_N = probabilities_NC.max(-1)
    others_N = probabilities_NC.scatter(-1, predicted_N[:, None], 0).sum(-1)
    return torch.where(top_N > SURE, others_N, 1 - top_N)


def aurc(probabilities_NC: Tensor, labels_N: Tensor) -> float:
    """The mean error rate among the most confident images, over all numbers of them.

    Confidence is the top probability; equally confident images count with their mean error, so that their order does
    not matter. Source: Geifman and El-Yaniv, 2017.
    """
    _, group_N, sizes = torch.unique(doubt(probabilities_NC), return_inverse=True, return_counts=True)
    wrong_N = (probabilities_NC.argmax(-1) != labels_N).double()
    mean_by_group = torch.zeros(len(sizes), dtype=torch.float64, device=wrong_N.device)
    mean_by_group = mean_by_group.index_add(0, group_N, wrong_N) / sizes
    risk_N = mean_by_group.repeat_interleave(sizes).cumsum(0)
    return float((risk_N / torch.arange(1, len(labels_N) + 1, device=risk_N.device)).mean())
