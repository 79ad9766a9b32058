"""How well an ensemble tells images of another kind from those it was trained for.

Takes the members' probabilities on both; gives `Detection` by measure of uncertainty. Guarantees: outliers are the
positive class; equal uncertainties count half.
Suffixes: M members, N images, C classes.
"""

from __future__ import annotations

from typing import Literal

import torch
from swc.files.scores import Detection
from torch import Tensor

from swc_runtime.tasks.class_scores import doubt

Measure = Literal["probability", "entropy", "information"]
MEASURES: tuple[Measure, ...] = ("probability", "entropy", "information")
ROUNDING = 1e-12  # nats: less information than this is what rounding leaves of none
FOUND = 95  # per cent of the outliers, at the threshold of `fpr95`


def uncertainty(probabilities_MNC: Tensor, measure: Measure) -> Tensor:
    """How uncertain [N] an ensemble is of each image.

    `probability`: one less the top probability of the mean; `entropy`: that of the mean, in nats; `information`: the
    mutual information between prediction and member, in nats, which is zero where members agree or there is one.
    """
    mean_NC = probabilities_MNC.double().mean(0)
    match measure:
        case "probability":
            return doubt(mean_NC)
        case "entropy":
            return entropy(mean_NC)
        case "information":
            found_N = entropy(mean_NC) - entropy(probabilities_MNC.double()).mean(0)
            return found_N.where(found_N > ROUNDING, 0)


def entropy(probabilities: Tensor) -> Tensor:
    """The entropy over the last axis, in nats."""
    summed: Tensor = torch.special.xlogy(probabilities, probabilities).sum(-1)
    return -summed


def detect(familiar_MNC: Tensor, outliers_MNC: Tensor, measure: Measure) -> Detection:
    """Tell outliers by their uncertainty; ValueError where either side has no images."""
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision

    if familiar_MNC.shape[1] == 0 or outliers_MNC.shape[1] == 0:
        raise ValueError("there must be images of both kinds")
    scores = [uncertainty(side, measure) for side in (familiar_MNC, outliers_MNC)]
    _, order = torch.unique(torch.cat(scores), return_inverse=True)  # it alone matters
    ranks = order.double()
    ranks = ranks / max(1.0, float(ranks.max()))  # within [0, 1], so that nothing takes them for logits
    is_outlier = torch.cat([torch.zeros(len(scores[0])), torch.ones(len(scores[1]))]).long().to(ranks.device)
    return Detection(
        auroc=float(binary_auroc(ranks, is_outlier)),
        aupr=float(binary_average_precision(ranks, is_outlier)),
        fpr95=_fpr(scores[0], scores[1]),
    )


def _fpr(familiar_N: Tensor, outliers_N: Tensor) -> float:
    """The share of familiar images at or above the highest threshold that still finds enough outliers."""
    needed = -(-len(outliers_N) * FOUND // 100)  # rounded up
    threshold = outliers_N.sort(descending=True).values[needed - 1]
    return float((familiar_N >= threshold).double().mean())
