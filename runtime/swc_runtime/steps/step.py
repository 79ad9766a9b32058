"""What a step strategy takes and gives.

A strategy runs all members on one mini-batch and leaves the gradients of the summed loss on every parameter.
Guarantees: it neither clears gradients nor changes a parameter; that is the trainer's.
"""

from __future__ import annotations

from typing import Protocol

from attrs import frozen
from torch import Tensor

from swc_runtime.ensemble import Ensemble
from swc_runtime.precision import Arithmetic


@frozen(eq=False)
class Batch:
    """A mini-batch that all members see: images [B, C, H, W], normalised and augmented, and labels [B].

    `num_images` is what losses are a mean over: the images of all ranks (None: those here).
    """

    images: Tensor
    labels: Tensor
    num_images: int | None = None


@frozen(eq=False)
class StepOptions:
    """How losses are taken: label smoothing, the parts BatchNorm sees (None: the whole batch), and the arithmetic."""

    arithmetic: Arithmetic
    label_smoothing: float = 0.0
    norm_batch: int | None = None


@frozen(eq=False)
class Outcome:
    """What a step saw, free of its graph: losses [M], mean over the batch, and logits [M, B, classes].

    M are the members that run in this process.
    """

    losses: Tensor
    logits: Tensor


class Step(Protocol):
    """A step strategy."""

    def __call__(self, ensemble: Ensemble, batch: Batch, options: StepOptions) -> Outcome:
        """Run the members on a batch and leave the gradients of the loss on the parameters."""
        ...
