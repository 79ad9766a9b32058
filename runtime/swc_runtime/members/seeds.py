"""Seeds: one for each name, and random numbers that leave the global ones alone.

Takes the seed of an ensemble and a name, gives a seed. Guarantees: the same on every machine; two names get
independent numbers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import numpy as np
import torch
from swc.program.program import Program


def seed_of(program: Program) -> int:
    """The seed that fixes an ensemble's start: its recipe's, 0 without a recipe."""
    return program.training.recipe.seed if program.training else 0


def derived_seed(seed: int, name: str) -> int:
    """A seed of 63 bits for a name, the same on every machine."""
    return int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:8], "big") >> 1


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from generators of one's own on the CPU, and leave the global ones as they were: torch's, numpy's, Python's.

    The last two are for models that draw their first weights, or their wiring, with them.
    """
    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        seed_all(seed)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])


def seed_all(seed: int) -> None:
    """Seed the global generators of torch, numpy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
