"""Independent members: each has its own loss, and what is minimised is their sum, or their mean where asked for.

All see the same images, or every network those of an order of its own (`batches: own`, TabM's way: Gorishniy et al.,
TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling, 2025).

Guarantees: weights are composed once; networks run forward and backward one after another, so that only one network's
activations and weight gradients live at a time; then one backward goes through the banks.

Suffixes: M members of a network, B images, C classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from swc_runtime.data.shares import part_sizes
from swc_runtime.ensemble import Ensemble, Network
from swc_runtime.training.steps.losses import recipe_losses, widened
from swc_runtime.training.steps.step import Batch, Outcome, StepOptions

Losses = Callable[[Tensor, Batch, StepOptions], Tensor]
"""From logits [M, B, C] for a batch, or a part of it, to the members' losses [M], summed over its images."""


def independent(ensemble: Ensemble, batch: Batch, options: StepOptions) -> Outcome:
    """Gradients of the members' losses. Source: paper, section 4 and supplementary section 1."""
    weight = 1 / len(ensemble.program.members) if ensemble.program.step["average"] else 1.0
    return all_on_all(ensemble, batch, options, label_losses, weight)


def label_losses(logits_MBC: Tensor, part: Batch, options: StepOptions) -> Tensor:
    """The members' losses against the labels, as the recipe names them."""
    return recipe_losses(logits_MBC, part.wanted, options)


def all_on_all(ensemble: Ensemble, batch: Batch, options: StepOptions, losses: Losses, weight: float = 1.0) -> Outcome:
    """Gradients of `weight` times the sum of all members' losses, every member on every image of its batch."""
    begin(ensemble, batch, options)
    seen: list[tuple[Tensor, Tensor]] = []
    try:
        for number, network in enumerate(ensemble.networks):
            seen.append(_run_network(ensemble, network, batch.of(number), options, losses, weight))
            ensemble.end_member(network.host)
        ensemble.end_step()
    finally:
        ensemble.abandon_step()  # does nothing after a step that ended
    losses_M = torch.cat([loss for loss, _ in seen])
    if batch.own:
        pairs = zip(seen, batch.own, strict=True)
        hits = [options.rules.count(logits_MBC, own.labels) for (_, logits_MBC), own in pairs]
        return Outcome.of_own(losses_M, torch.cat(hits), len(batch.labels))
    return Outcome.of_all(losses_M, torch.cat([made for _, made in seen]), batch.labels, options.rules)


def begin(ensemble: Ensemble, batch: Batch, options: StepOptions) -> None:
    """Compose the weights of a step."""
    is_whole = len(part_sizes(len(batch.labels), options.norm_batch)) == 1
    # gradients of several parts are added up, which bfloat16 is too coarse for
    ensemble.begin_step(options.arithmetic.rounds_to if is_whole else None)


def _run_network(
    ensemble: Ensemble, network: Network, batch: Batch, options: StepOptions, losses: Losses, weight: float
) -> tuple[Tensor, Tensor]:
    """Forward and backward of one network, part by part; parts weigh by their images, so the loss is a mean over all.

    Gives the losses [M] without `weight`, and the logits [M, B, C].
    """
    seen: list[tuple[Tensor, Tensor]] = []
    for part in batch.parts(options.norm_batch):
        with options.arithmetic.autocast():
            logits = ensemble.run(network, part.inputs)
        logits_MBC = widened(logits)
        found = losses(logits_MBC, part, options) / batch.total
        (weight * found.sum()).backward()  # type: ignore[no-untyped-call]
        seen.append((found.detach(), logits_MBC.detach()))
    return torch.stack([loss for loss, _ in seen]).sum(0), torch.cat([logits for _, logits in seen], dim=1)
