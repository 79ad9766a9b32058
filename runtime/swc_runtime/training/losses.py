"""The losses of one member against the targets, by the row that a recipe names.

Takes outputs [B, C], in float32 at least, and targets; gives the sum over the images, one number. Guarantees: a part
of a batch adds to another as if both were asked at once.

Suffixes: B images, C classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from swc.program.training import Loss
from swc.registry.losses import LOSSES
from torch import Tensor, finfo

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""From outputs [B, C] and targets, classes [B] or others [B, C], to the sum over the images."""


def cross_entropy(logits_BC: Tensor, labels_B: Tensor, label_smoothing: float) -> Tensor:
    """Cross-entropy, where the label has 1 - `label_smoothing` of the weight and all classes share the rest.

    Labels may be probabilities [B, C] too, of mixed images. Source: Szegedy et al., Rethinking the Inception
    Architecture, 2016, section 7.
    """
    labels_B = labels_B.to(logits_BC.dtype) if labels_B.is_floating_point() else labels_B
    return F.cross_entropy(logits_BC, labels_B, reduction="sum", label_smoothing=label_smoothing)


def focal(logits_BC: Tensor, labels_B: Tensor, gamma: float) -> Tensor:
    """The sum of -(1 - p)^`gamma` log p over the images, p being the probability of an image's label.

    With `gamma` 0 it is cross-entropy. Source: Lin et al., Focal Loss for Dense Object Detection, 2017, section 3.2,
    without the weights of classes.
    """
    entropies_B = F.cross_entropy(logits_BC, labels_B, reduction="none")
    # 1 - p = -expm1(log p): exact where p is close to 1. At p = 1 the slope of a power below 1 is infinite: there the
    # factor is held at the smallest normal number, times an entropy of 0.
    missed_B = (-(-entropies_B).expm1()).clamp(min=finfo(logits_BC.dtype).tiny)
    return (missed_B**gamma * entropies_B).sum()


def mse(outputs_BC: Tensor, targets_BC: Tensor) -> Tensor:
    """The squared error, a mean over targets."""
    return _mean_over_targets(F.mse_loss(outputs_BC, targets_BC, reduction="none"))


def mae(outputs_BC: Tensor, targets_BC: Tensor) -> Tensor:
    """The absolute error, a mean over targets."""
    return _mean_over_targets(F.l1_loss(outputs_BC, targets_BC, reduction="none"))


def huber(outputs_BC: Tensor, targets_BC: Tensor, delta: float) -> Tensor:
    """Half of the square of an error up to `delta`, beyond `delta` times the error less half of it.

    Source: Huber, Robust Estimation of a Location Parameter, 1964; targets are standardised, so `delta` counts
    deviations.
    """
    return _mean_over_targets(F.huber_loss(outputs_BC, targets_BC, reduction="none", delta=delta))


def binary_cross_entropy(outputs_BC: Tensor, targets_BC: Tensor) -> Tensor:
    """Cross-entropy of the sigmoid of each output with its label, a mean over labels."""
    return _mean_over_targets(F.binary_cross_entropy_with_logits(outputs_BC, targets_BC, reduction="none"))


def _mean_over_targets(values_BC: Tensor) -> Tensor:
    return values_BC.mean(-1).sum()


def loss_of(loss: Loss) -> LossFunction:
    """The loss that a recipe names, with its arguments; DiagnosticError for what a plug-in's raises or gives."""

    def summed(logits_BC: Tensor, labels_B: Tensor) -> Tensor:
        found: Tensor = LOSSES.call(loss.name, logits_BC, labels_B, **loss.values)
        if found.shape != ():
            raise LOSSES.wrong_result(
                loss.name, f"gives the shape {list(found.shape)}, not one number, the sum over the images"
            )
        return found

    return summed
