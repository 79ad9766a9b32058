"""What a step of several processes adds up: gradients, running statistics and counts, in one collective.

Takes what each rank has after its backward passes; leaves on every rank what one process would have. Guarantees:
gradients of shared weights travel as those of templates and coefficients, never of composed weights; every rank ends
with the same bits; one process alone is left untouched.

Losses are means over the images of all ranks, so they and their gradients are summed. Running statistics of norms
become the mean of the ranks', each weighed by the images it showed the member.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan, prod

import torch
from attrs import evolve, frozen
from torch import Tensor, nn
from torch.nn import Parameter

from swc_runtime.ensemble import Ensemble
from swc_runtime.ranks.ranks import Ranks
from swc_runtime.tasks import PLAIN, TaskRules
from swc_runtime.training.steps import Batch, Outcome

STATISTICS, COUNTER = ("running_mean", "running_var"), "num_batches_tracked"


@frozen(eq=False)
class StepCounts:
    """What a step saw: per member the loss [M], hits [M] and images [M], the ensemble's hits [], and all images.

    Hits are what the task counts (`TaskRules.count`).
    Losses are this rank's part of the mean over all images; a member that does not run here has none, and no hits.
    `votes` [B, C] are the summed predictions of the members here; [0, C] where they saw different images, and
    `together` is then not a number. `parts` are those of the outcome, where they are not the batch's.
    """

    losses: Tensor
    hits: Tensor
    seen: Tensor
    votes: Tensor
    together: Tensor
    images: int
    parts: tuple[float, ...] | None = None

    @classmethod
    def of(cls, outcome: Outcome, labels: Tensor, ensemble: Ensemble, rules: TaskRules = PLAIN) -> StepCounts:
        """Count an outcome against labels [B]; no value leaves the device."""
        losses, hits, seen = (_at_own(ensemble, values) for values in (outcome.losses, outcome.hits, outcome.images))
        if outcome.votes is None:
            nobody = outcome.losses.new_zeros(0, ensemble.program.data.num_classes)
            return cls(losses, hits, seen, nobody, losses.new_full((), nan), len(labels), outcome.parts)
        together = rules.count_together(outcome.votes, len(ensemble.members), labels)
        return cls(losses, hits, seen, outcome.votes, together, len(labels))

    @classmethod
    def nothing(cls, ensemble: Ensemble) -> StepCounts:
        """What a rank saw that had no images."""
        like = next(ensemble.parameters()).detach()
        losses, hits, seen = like.new_zeros(3, len(ensemble.members))
        return cls(losses, hits, seen, like.new_zeros(0, ensemble.program.data.num_classes), like.new_zeros(()), 0)


def _at_own(ensemble: Ensemble, values: Tensor) -> Tensor:
    """Values of the members that run here among those of all, which are zero."""
    if len(ensemble.own) == len(ensemble.members):
        return values
    return values.new_zeros(len(ensemble.members)).index_copy_(
        0, torch.tensor(ensemble.own, device=values.device), values
    )


def combine(ensemble: Ensemble, seen: StepCounts, batch: Batch, ranks: Ranks, rules: TaskRules = PLAIN) -> StepCounts:
    """Add up a step over the ranks: gradients, running statistics, and what was seen of `batch`."""
    if not ranks.are_many:
        return seen
    num_images = batch.num_images or len(batch.labels)
    parameters = list(ensemble.parameters())
    used = [p.grad is not None for p in parameters]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    statistics = _weighed_statistics(ensemble, _weights(ensemble, seen, num_images, ranks), ranks)
    flags = torch.tensor(used, dtype=gradients[0].dtype, device=gradients[0].device)
    counts = [seen.losses, seen.hits, seen.seen, seen.votes if ranks.deals_members else seen.together]
    _add_up_together([*gradients, *statistics, *counts, flags], ranks)
    # what is used here is used: only a rank that left something out has to ask, and wait for its device
    _give_gradients(parameters, gradients, used if all(used) else flags.tolist())
    if ranks.deals_members:
        if not len(seen.votes):
            return seen
        return evolve(seen, together=rules.count_together(seen.votes, len(ensemble.members), batch.labels))
    return evolve(seen, images=num_images)


def _weights(ensemble: Ensemble, seen: StepCounts, num_images: int, ranks: Ranks) -> Sequence[float]:
    """Per member how much its running statistics on this rank count: those of all ranks are one together."""
    if seen.parts is not None and not ranks.deals_members:
        return seen.parts
    return [1 if ranks.deals_members else seen.images / num_images] * len(ensemble.members)


def _give_gradients(parameters: Sequence[Parameter], gradients: Sequence[Tensor], used: Sequence[float]) -> None:
    """A parameter that no rank used stays without a gradient, as in one process."""
    for parameter, gradient, number in zip(parameters, gradients, used, strict=True):
        parameter.grad = gradient if number else None


def _weighed_statistics(ensemble: Ensemble, weights: Sequence[float], ranks: Ranks) -> list[Tensor]:
    """Running statistics as this rank's part of their sum: weighed, or nothing for a member that does not run here.

    Counters are the same on every rank that runs a member, so they travel only where members are dealt.
    """
    names = (*STATISTICS, COUNTER) if ranks.deals_members else STATISTICS
    parts: list[Tensor] = []
    for number, (member, weight) in enumerate(zip(ensemble.members, weights, strict=True)):
        norms = [module for module in member.modules() if isinstance(module, nn.modules.batchnorm._NormBase)]
        kept = [getattr(norm, name) for norm in norms for name in names]
        found = [buffer for buffer in kept if buffer is not None]
        for buffer in found:
            buffer.mul_(weight if number in ensemble.own else 0)
        parts += found
    return parts


def _add_up_together(tensors: Sequence[Tensor], ranks: Ranks) -> None:
    """One collective for all, in the dtype of the first; counts are exact in float32 up to 2^24."""
    if not tensors:
        return
    flat = torch.cat([tensor.reshape(-1).to(tensors[0].dtype) for tensor in tensors])
    ranks.add_up(flat)
    for whole, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        whole.copy_(part.view(whole.shape))


def average_statistics(ensemble: Ensemble, num_images: int, ranks: Ranks) -> None:
    """Replace BatchNorm's running statistics by their mean over the ranks, each weighed by the images it has seen.

    A rank without images has statistics of nothing, which count for nothing; where none has any, all stay.
    """
    if not ranks.are_many:
        return
    everywhere = torch.tensor(float(num_images), dtype=torch.float64, device=ranks.device)
    ranks.add_up(everywhere)
    if everywhere:
        weight = 1 if ranks.deals_members else num_images / float(everywhere)
        _add_up_together(_weighed_statistics(ensemble, [weight] * len(ensemble.members), ranks), ranks)


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
