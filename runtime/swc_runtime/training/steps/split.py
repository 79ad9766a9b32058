"""Split batches: each network sees a part of its own of every mini-batch, as BatchEnsemble may be trained.

Guarantees: the parts are consecutive, differ by one image at most and cover the batch, that of all ranks where they
share its images; each image counts once in the loss, which is the mean over the batch. The last batch of an epoch may
have fewer than two images for each network: the first networks then see two or three of them, for BatchNorm has no
variance of one, and the others none: their gradients are zero. Source: Wen, Tran and Ba, 2020, section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from swc_runtime.data.shares import SMALLEST
from swc_runtime.ensemble import Ensemble, Network, networks_of
from swc_runtime.inputs import rows
from swc_runtime.training.steps.independent import begin
from swc_runtime.training.steps.losses import recipe_losses, widened
from swc_runtime.training.steps.step import Batch, Outcome, StepOptions

_Seen = tuple[Tensor, Tensor]  # of a member, the loss and what was counted


def split(ensemble: Ensemble, batch: Batch, options: StepOptions) -> Outcome:
    """Gradients of the mean loss over the batch, each image asked of one network."""
    hosts = [network.host for network in networks_of(ensemble.program)]
    begin(ensemble, batch, options)
    seen: dict[int, _Seen] = {}
    counts: dict[int, tuple[int, float]] = {}
    try:
        for network in ensemble.networks:
            whole = _part(batch.total, hosts.index(network.host), len(hosts))
            here = _here(whole, batch)
            if here or not whole:  # a part that lies with other ranks is theirs
                seen |= _run(ensemble, network, here, batch, options)
                ensemble.end_member(network.host)
            else:
                _count_batch(ensemble.members[network.host])
            part = len(here) / len(whole) if whole else len(batch.labels) / batch.total
            counts |= dict.fromkeys(network.members, (len(here), part))
        ensemble.end_step()
    finally:
        ensemble.abandon_step()
    return _outcome(ensemble, seen, counts)


def _part(size: int, place: int, num_networks: int) -> range:
    """The images of a batch of `size` that the network at a place is asked for: none, or two at least."""
    num_parts = min(num_networks, size // SMALLEST)
    if place >= num_parts:
        return range(size, size)
    return range(size * place // num_parts, size * (place + 1) // num_parts)


def _here(whole: range, batch: Batch) -> range:
    """Those of them that this rank has, by their places in its share.

    Of 64 images rank 1 of 4 has those from 16 to 31; of a part from 12 to 20 it has 16 to 20, which are its first four.
    """
    start, stop = (min(max(end - batch.first, 0), len(batch.labels)) for end in (whole.start, whole.stop))
    return range(start, stop)


def _run(ensemble: Ensemble, network: Network, here: range, batch: Batch, options: StepOptions) -> dict[int, _Seen]:
    """Forward and backward of one network on its part; without images its gradients are zero."""
    share = slice(here.start, here.stop)
    with options.arithmetic.autocast():
        logits = ensemble.run(network, rows(batch.inputs, share))
    logits_MBC = widened(logits)
    losses = recipe_losses(logits_MBC, batch.wanted[share], options) / batch.total
    losses.sum().backward()  # type: ignore[no-untyped-call]
    hits = options.rules.count(logits_MBC.detach(), batch.labels[share])
    return dict(zip(network.members, zip(losses.detach(), hits, strict=True), strict=True))


def _count_batch(module: nn.Module) -> None:
    """Count a batch that other ranks run, so that norms have the same count on every rank that has images."""
    for norm in module.modules():
        if isinstance(norm, nn.modules.batchnorm._NormBase) and norm.num_batches_tracked is not None:
            norm.num_batches_tracked += 1


def _outcome(ensemble: Ensemble, seen: dict[int, _Seen], counts: dict[int, tuple[int, float]]) -> Outcome:
    """Members whose part other ranks have saw nothing here."""
    nothing = tuple(torch.zeros_like(value) for value in next(iter(seen.values())))
    losses, hits = (torch.stack(values) for values in zip(*(seen.get(n, nothing) for n in ensemble.own), strict=True))
    images = losses.new_tensor([counts[number][0] for number in ensemble.own])
    return Outcome(losses, hits, images, None, tuple(counts[number][1] for number in ensemble.own))
