"""BatchNorm over the images of all ranks, on any device.

Takes an ensemble and its ranks; changes how its BatchNorms compute in training mode. Guarantees: forward, gradients
and running statistics are those of one process with the whole batch, to rounding; parameters and buffers stay where
they are; evaluation mode is torch's own. (torch's SyncBatchNorm knows CUDA only.)

Suffixes: B images, C channels.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from swc_runtime.ranks.ranks import Ranks


def synchronise(module: nn.Module, ranks: Ranks) -> None:
    """Let every BatchNorm inside see the images of all ranks; for one process alone nothing changes."""
    if not ranks.are_many:
        return
    for norm in module.modules():
        if isinstance(norm, _BatchNorm):
            norm.forward = partial(_normalise, norm, ranks)  # type: ignore[method-assign]


class _Total(torch.autograd.Function):
    """The sum over ranks; its gradient is the sum over ranks of the gradients."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        whole = part.clone()
        ranks.add_up(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        whole = gradient.clone()
        ctx.ranks.add_up(whole)
        return whole, None


def _normalise(norm: _BatchNorm, ranks: Ranks, images: Tensor) -> Tensor:
    if not norm.training:
        return type(norm).forward(norm, images)
    exact = images if images.dtype is torch.float64 else images.float()
    axes = [axis for axis in range(images.dim()) if axis != 1]
    shape = [-1 if axis == 1 else 1 for axis in range(images.dim())]
    own = exact.new_tensor([exact.numel() / exact.shape[1]])
    sums: Tensor = _Total.apply(torch.cat([exact.sum(axes), own]), ranks)
    count = sums[-1].detach()
    mean_C = sums[:-1] / count
    centred = exact - mean_C.view(shape)
    squares: Tensor = _Total.apply(centred.square().sum(axes), ranks)
    variance_C = squares / count
    _track(norm, mean_C.detach(), variance_C.detach() * count / (count - 1))
    made = centred * (variance_C + norm.eps).rsqrt().view(shape)
    if norm.affine:
        made = made * norm.weight.view(shape) + norm.bias.view(shape)
    return made.to(images.dtype)


def _track(norm: _BatchNorm, mean_C: Tensor, variance_C: Tensor) -> None:
    """Running statistics as torch keeps them: a moving mean, or a cumulative one where there is no momentum."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked += 1
    factor = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean_C, factor)
    norm.running_var.lerp_(variance_C, factor)
