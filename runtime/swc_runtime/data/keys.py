"""Random numbers as pure functions of what they are for, by the splitmix64 hash.

Takes a seed, a phase, an epoch, a purpose and sample numbers; gives integers. Guarantees: a sample's numbers do not
depend on its place in a batch, on the other samples or on what was drawn before, so that a run can be taken up
anywhere and a batch be divided among devices without changing an image.

Source of the constants: G. Steele, D. Lea, C. Flood, Fast Splittable Pseudorandom Number Generators, 2014.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Integers = NDArray[np.int64]

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
FIRST = 0xBF58476D1CE4E5B9
SECOND = 0x94D049BB133111EB

# what a number is for: each purpose draws from a stream of its own
ORDER, CROP_ROW, CROP_COLUMN, FLIP, CUTOUT_ROW, CUTOUT_COLUMN, RESIZED_CROP, NOISE, SKETCH, VALIDATION = range(10)
TRAIN, MEMBER, RANDAUGMENT, TRIVIAL_AUGMENT, ERASING, MIXING, TEST, ITEM = range(10, 18)


def base_of(seed: int, phase: int, epoch: int, purpose: int) -> int:
    """One 64-bit number for all samples of an epoch and a purpose."""
    state = 0
    for part in (seed, phase, epoch, purpose):
        state = int(_mixed(np.array([(state ^ (part & MASK)) + GOLDEN & MASK], dtype=np.uint64))[0])
    return state


def hashes(base: int, samples: Integers) -> Hashes:
    """A 64-bit number for each sample: [N] to [N]."""
    steps = (samples.astype(np.uint64) + np.uint64(1)) * np.uint64(GOLDEN)
    return _mixed(steps + np.uint64(base))


def below(values: Hashes, limit: int) -> Integers:
    """Each 64-bit number brought to 0 .. limit - 1, by its upper half (limit below 2^31)."""
    return ((values >> np.uint64(32)) * np.uint64(limit) >> np.uint64(32)).astype(np.int64)


def uniform(values: Hashes) -> NDArray[np.float64]:
    """Each 64-bit number brought to [0, 1)."""
    return (values >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(base: int, size: int) -> Integers:
    """The numbers 0 .. size - 1 in an order fixed by `base`."""
    order: Integers = np.argsort(hashes(base, np.arange(size, dtype=np.int64)), kind="stable")
    return order


def _mixed(values: NDArray[Any]) -> Hashes:
    mixed = values.astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(FIRST)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(SECOND)
    result: Hashes = mixed ^ (mixed >> np.uint64(31))
    return result
