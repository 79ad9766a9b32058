"""What a network's outputs depend on beside each image: chance, the other images of a batch, what it was asked before.

Takes something that runs; gives `Dependence`. Guarantees: random numbers of torch, numpy and Python go on afterwards as
if nothing had been drawn; a module's buffers are afterwards what they were.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from attrs import frozen
from torch import Tensor, nn

from swc_runtime.inputs import Inputs, rows, size_of

_Run = Callable[[Inputs], Tensor]

FEWEST = 3  # images with which it can be seen whether an output depends on the others
SEEDS = (1, 2)


@frozen
class Dependence:
    """What outputs depend on beside their image; where they are random, nothing is known of the batch.

    `is_repeatable` says that the same images and the same random numbers give the same outputs again; `is_untraceable`
    that some of the numbers are Python's or numpy's, which a program that follows torch's operations cannot draw.
    """

    is_repeatable: bool = True
    is_random: bool = False
    is_untraceable: bool = False
    depends_on_batch: bool = False

    @property
    def is_by_image(self) -> bool:
        """Whether an output is a function of its image alone."""
        return self.is_repeatable and not self.is_random and not self.depends_on_batch


def dependence(run: _Run, inputs: Inputs, tolerance: float) -> Dependence:
    """Ask for some images several times, and for a part of them; `run` gives outputs with the images along one axis.

    Outputs are the same where they differ by `tolerance` of the largest at most. What draws is random, also where the
    few outputs that were seen do not show it. ValueError for fewer than 3 images.
    """
    if size_of(inputs) < FEWEST:
        raise ValueError(f"it takes {FEWEST} images at least")

    drawn: set[str] = set()

    def asked(seed: int, count: int) -> Tensor:
        with chance_kept():
            draw_from(seed)
            before = _states()
            outputs = run(rows(inputs, slice(count))).detach().float()
            drawn.update(name for name, state in _states().items() if state != before[name])
            return outputs

    first = asked(SEEDS[0], size_of(inputs))
    if not _same(asked(SEEDS[0], size_of(inputs)), first, tolerance):
        return Dependence(is_repeatable=False)
    if not _same(asked(SEEDS[1], size_of(inputs)), first, tolerance) or drawn:
        return Dependence(is_random=True, is_untraceable="others" in drawn)
    part = size_of(inputs) - 1
    return Dependence(depends_on_batch=not _same(asked(SEEDS[0], part), first.narrow(-2, 0, part), tolerance))


def _same(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    """Undefined outputs are the same where both are undefined: they are noticed elsewhere."""
    found, expected = (torch.nan_to_num(side) for side in (found, expected))
    return bool((found - expected).abs().max() <= tolerance * expected.abs().max().clamp(min=1e-12))


def _states() -> dict[str, object]:
    """Where the random numbers of torch and of others are; another after each that is drawn."""
    is_used = bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
    found = [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if is_used else [])]
    numbers = np.random.get_state(legacy=False)
    inner = numbers["state"]
    others = (inner["key"].tobytes(), inner["pos"], numbers["has_gauss"], random.getstate())
    return {"torch": [state.numpy().tobytes() for state in found], "others": others}


def draw_from(seed: int) -> None:
    """Let all random numbers begin at a seed."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextmanager
def chance_kept() -> Iterator[None]:
    """Inside, random numbers may be drawn; afterwards they go on where they were."""
    own, numbers = random.getstate(), np.random.get_state()
    is_used = bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
    try:
        with torch.random.fork_rng([torch.cuda.current_device()] if is_used else []):
            yield
    finally:
        random.setstate(own)
        np.random.set_state(numbers)


@contextmanager
def buffers_kept(module: nn.Module) -> Iterator[None]:
    """Inside, a module may change its buffers, as some do in eval mode too; afterwards they are what they were.

    All are copied back: torch's batch norm changes them without counting up their version.
    """
    kept = [
        (part, name, tensor, tensor.detach().clone())
        for part in module.modules()
        for name, tensor in part._buffers.items()
        if tensor is not None
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for part, name, tensor, before in kept:
                part._buffers[name] = tensor
                tensor.copy_(before)
