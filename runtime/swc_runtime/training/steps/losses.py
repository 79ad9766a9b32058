"""Losses of several members at once.

Takes logits [M, B, C] and labels; gives losses [M], summed over the images, in float32 at least.
"""

from __future__ import annotations

import torch
from torch import Tensor

from swc_runtime.training.steps.step import StepOptions


def recipe_losses(logits_MBC: Tensor, labels_B: Tensor, options: StepOptions) -> Tensor:
    """Each member's loss against labels [B], as the recipe names it."""
    return torch.stack([options.loss(own, labels_B) for own in logits_MBC])


def soft_cross_entropies(logits_MBC: Tensor, teacher_BC: Tensor) -> Tensor:
    """Each member's cross-entropy against a teacher's probabilities, which get no gradient."""
    return -(teacher_BC.detach() * logits_MBC.log_softmax(-1)).sum((-1, -2))


def widened(logits: Tensor) -> Tensor:
    """Logits in float32 at least: softmax and logarithm lose too much in bfloat16."""
    return logits if logits.dtype is torch.float64 else logits.float()
