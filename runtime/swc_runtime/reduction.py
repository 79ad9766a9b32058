"""What a step of several processes adds up: gradients, running statistics and counts, in one collective.

Takes what each rank has after its backward passes; leaves on every rank what one process would have. Guarantees:
gradients of shared weights travel as those of templates and coefficients, never of composed weights; every rank ends
with the same bits; one process alone is left untouched.

Losses are means over the images of all ranks, so they and their gradients are summed. Running statistics of BatchNorm
become the mean of the ranks', each weighed by its images.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch
from attrs import evolve, frozen
from torch import Tensor
from torch.nn import Parameter

from swc_runtime.ensemble import Ensemble
from swc_runtime.ranks import Ranks
from swc_runtime.steps import Outcome


@frozen(eq=False)
class Seen:
    """What a step saw: per member the loss [M] and hits [M], the ensemble's hits [], and the number of images.

    Losses are this rank's part of the mean over all images.
    """

    losses: Tensor
    hits: Tensor
    together: Tensor
    images: int

    @classmethod
    def of(cls, outcome: Outcome, labels: Tensor) -> Seen:
        """Count an outcome against labels [B]; no value leaves the device."""
        hits = (outcome.logits.argmax(-1) == labels).sum(-1)
        together = (outcome.logits.softmax(-1).mean(0).argmax(-1) == labels).sum()
        return cls(outcome.losses, hits, together, len(labels))

    @classmethod
    def nothing(cls, num_members: int, like: Tensor) -> Seen:
        """What a rank saw that had no images; `like` gives device and dtype."""
        return cls(like.new_zeros(num_members), like.new_zeros(num_members), like.new_zeros(()), 0)


def combine(ensemble: Ensemble, seen: Seen, num_images: int, ranks: Ranks) -> Seen:
    """Add up a step over the ranks, of `num_images` in all: gradients, running statistics, and what was seen."""
    if not ranks.are_many:
        return seen
    parameters = list(ensemble.parameters())
    used = [p.grad is not None for p in parameters]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    statistics = running_statistics(ensemble)
    for statistic in statistics:
        statistic.mul_(seen.images / num_images)
    flags = torch.tensor(used, dtype=gradients[0].dtype, device=gradients[0].device)
    _add_up_together([*gradients, *statistics, seen.losses, seen.hits, seen.together, flags], ranks)
    _give_gradients(parameters, gradients, used if seen.images else flags.tolist())
    return evolve(seen, images=num_images)


def _add_up_together(tensors: Sequence[Tensor], ranks: Ranks) -> None:
    """One collective for all, in the dtype of the first; counts are exact in float32 up to 2^24."""
    flat = torch.cat([tensor.reshape(-1).to(tensors[0].dtype) for tensor in tensors])
    ranks.add_up(flat)
    for whole, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        whole.copy_(part.view(whole.shape))


def _give_gradients(parameters: Sequence[Parameter], gradients: Sequence[Tensor], used: Sequence[float]) -> None:
    """A parameter that no rank used stays without a gradient, as in one process."""
    for parameter, gradient, number in zip(parameters, gradients, used, strict=True):
        parameter.grad = gradient if number else None


def running_statistics(ensemble: Ensemble) -> list[Tensor]:
    """The buffers of the members that hold numbers of their own; counters are the same on every rank."""
    return [buffer for member in ensemble.members for buffer in member.buffers() if buffer.is_floating_point()]


def average_statistics(ensemble: Ensemble, ranks: Ranks) -> None:
    """Replace BatchNorm's running statistics by their plain mean over the ranks."""
    if ranks.are_many and (statistics := running_statistics(ensemble)):
        for statistic in statistics:
            statistic.div_(ranks.size)
        _add_up_together(statistics, ranks)


@frozen
class Traffic:
    """Bytes that a step adds up over the ranks, and what it would be for the gradients of composed weights."""

    reduced: int
    composed: int


def traffic_of(ensemble: Ensemble) -> Traffic:
    """Count the gradients of a step: of templates, coefficients and private parameters, or of all composed weights."""
    size = next(ensemble.parameters()).element_size()
    shared = sum(p.numel() for p in (*ensemble.banks, *ensemble.coefficients, *ensemble.tensors))
    whole = sum(p.numel() for p in ensemble.parameters())
    composed = sum(prod(weight.shape) for weight in ensemble.program.weights)
    return Traffic(size * whole, size * (whole - shared + composed))
