"""Random state of each member's own: what one member draws is not changed by what others draw.

Takes a seed of the step, or torch's generators as they are; gives each member a stream that depends on it and on the
member's name alone. Guarantees: members that come or go, or begin to draw, leave the draws of the others alone; torch's
generators are afterwards as they were before a seeded step, and moved on by one number after an unseeded one in which
a member drew.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from hashlib import sha256

import numpy as np
import torch

from swc_runtime.members.seeds import derived_seed


class Noise:
    """What an ensemble's members draw from, on a device of the kind that was given last."""

    def __init__(self) -> None:
        self._seed: int | None = None
        self._runs: Counter[str] = Counter()
        self._looks = False  # for whether a member draws, which takes as long as to seed it
        self._drew = False

    @contextmanager
    def seeded(self, seed: int, device: torch.device) -> Iterator[None]:
        """Inside, each run of a member draws from `seed`, the member's name, and how often it has run inside."""
        before = self._seed, self._runs
        states = [generator.get_state() for generator in generators(device)]
        self._seed, self._runs = seed, Counter()
        try:
            yield
        finally:
            self._seed, self._runs = before
            for generator, state in zip(generators(device), states, strict=True):
                generator.set_state(state)

    @contextmanager
    def apart(self, device: torch.device) -> Iterator[None]:
        """As `seeded`, by a seed that torch's generator stands for; does nothing where a seed is given already.

        The generator moves on by one number where a member drew, so that the next time gives others, and the same ones
        after the same `torch.manual_seed`.
        """
        if self._seed is not None or torch.compiler.is_compiling() or device.type == "meta":
            yield
            return
        own = generators(device)[-1]
        before = own.get_state()
        self._drew, self._looks = False, True
        try:
            with self.seeded(int.from_bytes(sha256(before.numpy().tobytes()).digest()[:8], "big") >> 1, device):
                yield
        finally:
            self._looks = False
        if self._drew:
            torch.rand((), generator=own, device=own.device)

    @contextmanager
    def of(self, member: str, device: torch.device, has_own_code: bool = False) -> Iterator[None]:
        """Around a run of a member; does nothing where no seed is given.

        Code of one's own may draw from Python's and numpy's generators too: they are seeded, and left as they were.
        """
        if self._seed is None:
            yield
            return
        seed = derived_seed(self._seed, f"{member}/{self._runs[member]}")
        self._runs[member] += 1
        own = generators(device)
        for generator in own:
            generator.manual_seed(seed)
        fresh = own[-1].get_state() if self._looks else None
        with self._others(seed) if has_own_code else nullcontext():
            yield
        if fresh is not None:
            self._drew |= not torch.equal(fresh, own[-1].get_state())

    @contextmanager
    def _others(self, seed: int) -> Iterator[None]:
        before = random.getstate(), np.random.get_state()
        random.seed(seed)
        np.random.seed(seed % 2**32)
        fresh = _fingerprint() if self._looks else None
        try:
            yield
        finally:
            self._drew |= fresh is not None and fresh != _fingerprint()
            random.setstate(before[0])
            np.random.set_state(before[1])


def _fingerprint() -> tuple[object, bytes, int]:
    """What differs once something was drawn from Python's or numpy's generator."""
    state = np.random.get_state(legacy=False)
    assert isinstance(state, dict)
    return random.getstate(), state["state"]["key"].tobytes(), state["state"]["pos"]


def generators(device: torch.device) -> list[torch.Generator]:
    """Torch's own generators that code on a device may draw from; that of the device is the last."""
    if device.type != "cuda":
        return [torch.default_generator]
    number = torch.cuda.current_device() if device.index is None else device.index
    return [torch.default_generator, torch.cuda.default_generators[number]]
