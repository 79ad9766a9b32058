"""A joint forward: networks that take an image for each of their members see different ones, each with its own label.

Guarantees: which images meet depends on the step's seed alone. Networks that take one image run as independent ones.
Source: Havasi et al., Training Independent Subnetworks for Robust Prediction, 2021, section 3 and appendix; paper,
section 4.

Suffixes: B images, M members of a network, R repetitions of the batch, N = R x B rows.
"""

from __future__ import annotations

import torch
from torch import Tensor

from swc_runtime.ensemble import Ensemble, Network
from swc_runtime.inputs import mapped
from swc_runtime.training.steps.independent import begin
from swc_runtime.training.steps.losses import recipe_losses, widened
from swc_runtime.training.steps.step import Batch, Outcome, StepOptions


def joint(ensemble: Ensemble, batch: Batch, options: StepOptions) -> Outcome:
    """Gradients of the summed members' losses, each a mean over the rows it saw."""
    begin(ensemble, batch, options)
    seen: list[tuple[Tensor, Tensor, int]] = []
    try:
        for network in ensemble.networks:
            seen.append(_run(ensemble, network, batch, options))
            ensemble.end_member(network.host)
        ensemble.end_step()
    finally:
        ensemble.abandon_step()
    losses = torch.cat([found for found, _, _ in seen])
    rows = torch.cat([torch.full_like(found, count) for found, _, count in seen])
    return Outcome(losses, torch.cat([hits for _, hits, _ in seen]), rows, None)


def _run(ensemble: Ensemble, network: Network, batch: Batch, options: StepOptions) -> tuple[Tensor, Tensor, int]:
    """Forward and backward of one network: losses [M], hits [M] and the number of rows."""
    step = ensemble.program.step
    num_members = len(network.members)
    inputs, labels, times = batch.inputs, batch.labels.expand(num_members, *batch.labels.shape), 1
    if getattr(ensemble.members[network.host], "takes_several", False):
        times = int(step["batch_repetition"])
        places = mixed(len(batch.labels), num_members, float(step["input_repetition"]), times, batch.seed)
        places = places.to(batch.labels.device)
        inputs, labels = mapped(inputs, lambda one: one[places].transpose(0, 1)), batch.labels[places]
    with options.arithmetic.autocast():
        logits = ensemble.run(network, inputs)
    logits_MNC = widened(logits)
    pairs = zip(logits_MNC, labels, strict=True)
    losses = torch.cat([recipe_losses(own[None], wanted, options) for own, wanted in pairs]) / batch.total
    (losses.sum() / times).backward()  # type: ignore[no-untyped-call]
    return losses.detach(), options.rules.count(logits_MNC.detach(), labels), labels.shape[1]


def mixed(num_images: int, num_members: int, input_repetition: float, batch_repetition: int, seed: int) -> Tensor:
    """Which image each member sees in each row: places [M, N] in the batch.

    Every member sees every image `batch_repetition` times; in a share `input_repetition` of the rows, which is rounded
    to whole rows, the last ones, all members see the same one.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(num_images * batch_repetition, generator=generator) % num_images
    num_mixed = len(order) - round(len(order) * input_repetition)
    rows = []
    for _ in range(num_members):
        shuffled = order[:num_mixed][torch.randperm(num_mixed, generator=generator)]
        rows.append(torch.cat([shuffled, order[num_mixed:]]))
    return torch.stack(rows)
