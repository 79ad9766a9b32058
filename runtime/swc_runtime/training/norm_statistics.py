"""Running statistics of BatchNorm, estimated again after weights have changed under them.

Takes an ensemble and batches; changes buffers alone. Guarantees: parameters, modes and momenta are as they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from swc_runtime.ensemble import Ensemble
from swc_runtime.inputs import Inputs, moved, tensors_of
from swc_runtime.members.seeds import derived_seed, seed_of
from swc_runtime.precision import Arithmetic, laid_out
from swc_runtime.ranks.ranks import ALONE, Ranks
from swc_runtime.training.own_buffers import buffers_alike
from swc_runtime.training.reduction import average_statistics


def reestimate(
    ensemble: Ensemble, batches: Iterable[tuple[Inputs, Tensor]], arithmetic: Arithmetic, ranks: Ranks = ALONE
) -> None:
    """Give every BatchNorm the mean over batches (inputs, labels [B]), each by what it holds, as running statistics.

    A last batch of two images weighs as two. With several ranks each sees its shares, and the statistics are the mean
    of theirs, weighed by images.
    """
    norms = [module for module in ensemble.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [(norm, norm.momentum, norm.training) for norm in norms]
    device = next(ensemble.parameters()).device
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
    num_images = 0
    with ExitStack() as stack:
        for norm in norms:
            stack.callback(norm.register_forward_pre_hook(_Share()).remove)
        stack.enter_context(torch.no_grad())
        stack.enter_context(ensemble.composed())
        stack.enter_context(buffers_alike(ensemble, ranks))
        for number, (inputs, labels) in enumerate(batches):
            if len(labels) == 0:
                continue
            num_images += len(labels)
            seed = derived_seed(seed_of(ensemble.program), f"norms/{number}")
            with ensemble.noise.seeded(seed, device), arithmetic.autocast():
                ensemble(*tensors_of(laid_out(moved(inputs, device))))
    average_statistics(ensemble, num_images, ranks)
    for norm, momentum, training in before:
        norm.momentum = momentum
        norm.train(training)


class _Share:
    """Gives a norm the momentum with which its running statistics become the mean over all that it has seen."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, norm: nn.modules.batchnorm._BatchNorm, given: tuple[Tensor, ...]) -> None:
        held = given[0].numel() // given[0].shape[1]
        self.seen += held
        norm.momentum = held / self.seen
