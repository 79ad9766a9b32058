"""Losses of several members at once.

Takes logits [M, B, C] and labels; gives losses [M], summed over the images, in float32 at least.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from swc_runtime.training.steps.step import StepOptions


def cross_entropies(logits_MBC: Tensor, labels_B: Tensor, options: StepOptions) -> Tensor:
    """Each member's cross-entropy against labels [B], with the recipe's label smoothing."""
    smoothing = options.label_smoothing
    return torch.stack(
        [F.cross_entropy(own, labels_B, reduction="sum", label_smoothing=smoothing) for own in logits_MBC]
    )


def soft_cross_entropies(logits_MBC: Tensor, teacher_BC: Tensor) -> Tensor:
    """Each member's cross-entropy against a teacher's probabilities, which get no gradient."""
    return -(teacher_BC.detach() * logits_MBC.log_softmax(-1)).sum((-1, -2))


def widened(logits: Tensor) -> Tensor:
    """Logits in float32 at least: softmax and logarithm lose too much in bfloat16."""
    return logits if logits.dtype is torch.float64 else logits.float()
