"""What a step strategy takes and gives.

A strategy runs all members on one mini-batch and leaves the gradients of the summed loss on every parameter.
Guarantees: it neither clears gradients nor changes a parameter; that is the trainer's.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Protocol

import torch
from attrs import frozen
from swc.program.training import Loss
from torch import Tensor

from swc_runtime.data.shares import part_sizes
from swc_runtime.ensemble import Ensemble
from swc_runtime.inputs import Inputs, split
from swc_runtime.precision import Arithmetic
from swc_runtime.tasks import PLAIN, TaskRules
from swc_runtime.training.losses import LossFunction, loss_of


@frozen(eq=False)
class Batch:
    """A mini-batch: inputs, images [B, C, H, W] normalised and augmented or others, and labels [B] (or targets [B, C]).

    `num_images` is what losses are a mean over: the images of all ranks (None: those here). `seed` fixes what a
    strategy draws in this step, the same on all ranks. `targets` are what a teacher says of the images, probabilities
    [B, C] (None: there is no teacher). `own` are the batches of the networks that run here, where each sees images of
    its own (empty: all see these). Where images were mixed, `soft` [B, C] says how much of each class is in them, and
    `labels` are the largest (None: they were not). `first` is the place of the first of these images in the batch of
    all ranks.
    """

    inputs: Inputs
    labels: Tensor
    num_images: int | None = None
    seed: int = 0
    targets: Tensor | None = None
    own: tuple[Batch, ...] = ()
    soft: Tensor | None = None
    first: int = 0

    @property
    def wanted(self) -> Tensor:
        """What losses are taken against: labels [B], or where images were mixed [B, C]."""
        return self.labels if self.soft is None else self.soft

    def of(self, number: int) -> Batch:
        """What network `number` of those that run here sees."""
        return self.own[number] if self.own else self

    @property
    def total(self) -> int:
        """What losses are a mean over."""
        return self.num_images or len(self.labels)

    def parts(self, norm_batch: int | None) -> tuple[Batch, ...]:
        """Consecutive parts that BatchNorm sees one at a time (None: the whole); losses are shares of one mean."""
        sizes = part_sizes(len(self.labels), norm_batch)
        inputs, labels = split(self.inputs, sizes), torch.split(self.labels, sizes)
        targets = [None] * len(sizes) if self.targets is None else torch.split(self.targets, sizes)
        soft = [None] * len(sizes) if self.soft is None else torch.split(self.soft, sizes)
        places = [self.first + before for before in accumulate(sizes[:-1], initial=0)]
        return tuple(
            Batch(own, own_labels, self.total, self.seed, own_targets, self.own, own_soft, first)
            for own, own_labels, own_targets, own_soft, first in zip(inputs, labels, targets, soft, places, strict=True)
        )


@frozen(eq=False)
class StepOptions:
    """How losses are taken: the arithmetic, the loss of a member, the parts BatchNorm sees (None: the whole batch).

    `rules` are those of the task, by which it is counted what was right.

    `teacher` gives the logits [T, B, C] of its T members for a batch of inputs; `step taught` alone asks it.
    """

    arithmetic: Arithmetic
    loss: LossFunction = loss_of(Loss())
    norm_batch: int | None = None
    teacher: Callable[[Inputs], Tensor] | None = None
    rules: TaskRules = PLAIN


@frozen(eq=False)
class Outcome:
    """What a step saw, free of its graph, of the M members that belong to this process.

    `losses` [M] are sums over the images that a member saw, divided by the batch's `total`; `hits` [M] counts those it
    got right, or sums what else its task counts, and `images` [M] how many there were. `votes` [B, C] are the summed
    predictions of the members, where all saw the same images (else None). `parts` says of every member how much of what
    it saw in all processes it saw in this one (None: as much as this process has of the batch).
    """

    losses: Tensor
    hits: Tensor
    images: Tensor
    votes: Tensor | None
    parts: tuple[float, ...] | None = None

    @classmethod
    def of_all(cls, losses: Tensor, logits: Tensor, labels: Tensor, rules: TaskRules = PLAIN) -> Outcome:
        """All members saw all images: losses [M], logits [M, B, C], labels [B]."""
        hits, votes = rules.count(logits, labels), rules.predictions(logits).mean(0) * len(logits)
        return cls(losses, hits, torch.full_like(losses, len(labels)), votes)

    @classmethod
    def of_own(cls, losses: Tensor, hits: Tensor, num_images: int) -> Outcome:
        """Each member saw as many images, but others: losses [M] and hits [M]."""
        return cls(losses, hits, torch.full_like(losses, num_images), None)


class Step(Protocol):
    """A step strategy."""

    def __call__(self, ensemble: Ensemble, batch: Batch, options: StepOptions) -> Outcome:
        """Run the members on a batch and leave the gradients of the loss on the parameters."""
        ...
