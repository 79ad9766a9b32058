"""Split batches: each network sees a part of its own of every mini-batch, as BatchEnsemble may be trained.

Guarantees: the parts are consecutive, differ by one image at most and cover the batch; each image counts once in the
loss, which is the mean over the batch. Source: Wen, Tran and Ba, 2020, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from swc_runtime.ensemble import Ensemble, networks_of
from swc_runtime.inputs import rows
from swc_runtime.training.steps.independent import begin
from swc_runtime.training.steps.losses import recipe_losses, widened
from swc_runtime.training.steps.step import Batch, Outcome, StepOptions


def split(ensemble: Ensemble, batch: Batch, options: StepOptions) -> Outcome:
    """Gradients of the mean loss over the batch, each image asked of one network."""
    everyone = [network.host for network in networks_of(ensemble.program)]
    size = len(batch.labels)
    begin(ensemble, batch, options)
    seen: list[tuple[Tensor, Tensor, int]] = []
    try:
        for network in ensemble.networks:
            place = everyone.index(network.host)
            share = slice(size * place // len(everyone), size * (place + 1) // len(everyone))
            inputs, labels = rows(batch.inputs, share), batch.labels[share]
            with options.arithmetic.autocast():
                logits = ensemble.run(network, inputs)
            logits_MBC = widened(logits)
            losses = recipe_losses(logits_MBC, batch.wanted[share], options) / batch.total
            losses.sum().backward()  # type: ignore[no-untyped-call]
            seen.append((losses.detach(), options.rules.count(logits_MBC.detach(), labels), len(labels)))
            ensemble.end_member(network.host)
        ensemble.end_step()
    finally:
        ensemble.abandon_step()
    losses, hits = torch.cat([loss for loss, _, _ in seen]), torch.cat([hit for _, hit, _ in seen])
    images = torch.cat([torch.full_like(loss, count) for loss, _, count in seen])
    return Outcome(losses, hits, images, None)
