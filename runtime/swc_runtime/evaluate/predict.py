"""Predictions of an ensemble over a split, and their scores.

Takes an ensemble and batches; gives probabilities, or `Evaluation`. Guarantees: weights are composed once; members
are in eval mode and afterwards in the mode they were in; nothing of the ensemble changes, nor do random numbers drawn
afterwards; a member that draws some itself draws the same for the same batch, whichever process asks it.
Suffixes: M members, N images, B images of a batch, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor

from swc_runtime.ensemble import Ensemble, Network
from swc_runtime.evaluate.chance import Dependence, buffers_kept, chance_kept, dependence, draw_from, seed_of
from swc_runtime.metrics import Evaluation, score_ensemble
from swc_runtime.precision import Arithmetic, laid_out
from swc_runtime.ranks import ALONE, Ranks
from swc_runtime.steps.losses import widened

ROUNDING, ROUNDING_TO_BFLOAT16 = 1e-3, 5e-2  # how far batches of other sizes may be off, of the largest output


def evaluate(
    ensemble: Ensemble, batches: Iterable[tuple[Tensor, Tensor]], arithmetic: Arithmetic, ranks: Ranks = ALONE
) -> Evaluation:
    """Scores of every member and of the ensemble on batches (images [B, C, H, W], labels [B]).

    With several ranks each is given all batches, predicts some of them, or with its members, and has the scores of all.
    """
    return score_ensemble(*predict(ensemble, batches, arithmetic, ranks))


def predict(
    ensemble: Ensemble, batches: Iterable[tuple[Tensor, Tensor]], arithmetic: Arithmetic, ranks: Ranks = ALONE
) -> tuple[Tensor, Tensor]:
    """Probabilities [M, N, C] of the members, in float32 at least, and labels [N], in the order of the batches.

    ValueError without a batch.
    """
    device = next(ensemble.parameters()).device
    with (
        torch.no_grad(),
        chance_kept(),
        evaluating(ensemble),
        ensemble.composed(),
    ):  # composed outside of autocast, in full
        seen = [
            (_predicted(ensemble, images.to(device), arithmetic, number, _is_own(number, ranks)), labels.to(device))
            for number, (images, labels) in enumerate(batches)
        ]
    if not seen:
        raise ValueError("there are no images to predict")
    probabilities = torch.cat([p for p, _ in seen], dim=1)
    ranks.add_up(probabilities)  # each is zero but on one rank
    return probabilities, torch.cat([labels for _, labels in seen])


def predict_logits(
    ensemble: Ensemble, batches: Iterable[tuple[Tensor, Tensor]], arithmetic: Arithmetic
) -> tuple[Tensor, Tensor]:
    """Logits [M, N, C] of the members, in float32 at least, and labels [N], in the order of the batches.

    Their softmax is what `predict` gives. ValueError without a batch.
    """
    device = next(ensemble.parameters()).device
    with torch.no_grad(), chance_kept(), evaluating(ensemble), ensemble.composed():
        seen = [
            (_logits(ensemble, images.to(device), arithmetic, number), labels.to(device))
            for number, (images, labels) in enumerate(batches)
        ]
    if not seen:
        raise ValueError("there are no images to predict")
    return torch.cat([logits for logits, _ in seen], dim=1), torch.cat([labels for _, labels in seen])


def dependences(ensemble: Ensemble, images: Tensor, arithmetic: Arithmetic) -> dict[int, Dependence]:
    """By the number of the member that holds a network what its outputs depend on beside each of a few images."""
    tolerance = ROUNDING if arithmetic.rounds_to is None else ROUNDING_TO_BFLOAT16

    def run(network: Network, batch: Tensor) -> Tensor:
        with arithmetic.autocast(), buffers_kept(ensemble.members[network.host]):
            return widened(ensemble.run(network, laid_out(batch)))

    with torch.no_grad(), evaluating(ensemble), ensemble.composed():
        return {
            network.host: dependence(partial(run, network), images.to(next(ensemble.parameters()).device), tolerance)
            for network in ensemble.networks
        }


def _is_own(batch: int, ranks: Ranks) -> bool:
    """Whether this rank runs its members on a batch."""
    return ranks.deals_members or batch % ranks.size == ranks.rank


def _predicted(ensemble: Ensemble, images: Tensor, arithmetic: Arithmetic, number: int, runs: bool) -> Tensor:
    """Probabilities [M, B, C] of a batch by its number, zero where other ranks are asked."""
    own = _logits(ensemble, images, arithmetic, number).softmax(-1) if runs else None
    if own is not None and len(own) == len(ensemble.members):
        return own
    shape = (len(ensemble.members), len(images), ensemble.program.data.num_classes)
    made = widened(images.new_zeros(shape))
    if own is not None:
        made[list(ensemble.own)] = own
    return made


def _logits(ensemble: Ensemble, images: Tensor, arithmetic: Arithmetic, number: int) -> Tensor:
    """Logits [M, B, C] of a batch by its number, from which follows what its members draw."""
    made = []
    for network in ensemble.networks:
        draw_from(seed_of(number, network.host))
        with arithmetic.autocast():
            made.append(ensemble.run(network, laid_out(images)))
    return widened(torch.cat(made))


@contextmanager
def evaluating(ensemble: Ensemble) -> Iterator[None]:
    """Inside, every module is in eval mode; afterwards each is as it was, and so are its buffers."""
    were_training = [module for module in ensemble.modules() if module.training]
    ensemble.eval()
    try:
        with buffers_kept(ensemble):
            yield
    finally:
        for module in were_training:
            module.training = True
