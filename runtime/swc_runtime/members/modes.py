"""Modes of a network's parts, for a while.

Takes a module; changes which of its parts train. Guarantees: afterwards every part is in the mode it was in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Inside, every part is in eval mode."""
    with _parts_train(module, lambda _: False):
        yield


@contextmanager
def norms_of_the_batch(module: nn.Module) -> Iterator[None]:
    """Inside, BatchNorm takes the statistics of the batch at hand, and moves what it keeps; all else is in eval mode.

    For weights to which no running statistics belong: those of a cut network, or of a point between two networks.
    """
    with _parts_train(module, lambda part: isinstance(part, _BatchNorm)):
        yield


@contextmanager
def _parts_train(module: nn.Module, trains: Callable[[nn.Module], bool]) -> Iterator[None]:
    before = [(part, part.training) for part in module.modules()]
    module.eval()  # which code of somebody's own may override
    for part, _ in before:
        if trains(part):
            part.train()
    try:
        yield
    finally:
        for part, was in before:
            part.training = was
