"""Running statistics of BatchNorm, estimated again after weights have changed under them.

Takes an ensemble and batches; changes buffers alone. Guarantees: parameters, modes and momenta are as they were.
"""

from __future__ import annotations

from collections.abc import Iterable

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
    """Give every BatchNorm the plain mean over the batches (inputs, labels [B]) as running statistics.

    With several ranks each sees its shares, and the statistics are the mean of theirs, weighed by images.
    """
    norms = [module for module in ensemble.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [(norm, norm.momentum, norm.training) for norm in norms]
    device = next(ensemble.parameters()).device
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative mean
        norm.train()
    num_images = 0
    with torch.no_grad(), ensemble.composed(), buffers_alike(ensemble, ranks):
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
