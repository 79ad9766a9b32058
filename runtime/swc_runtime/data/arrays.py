"""A split whose images lie in an array on disk, and are read when they are asked for.

Takes an array, memory-mapped or not; gives a `Split`. Guarantees: reading an image twice gives the same bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from attrs import evolve, frozen
from numpy.typing import NDArray
from swc.program.datasets import DataFacts
from torch import Tensor

from swc_runtime.data.keys import Hashes, Integers


@frozen(eq=False)
class ArraySplit:
    """Images uint8 [N, H, W, C] that stay where they are; they are only looked at, never augmented."""

    facts: DataFacts
    images: NDArray[Any]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def fetch(self, samples: Integers, crops: Hashes | None) -> Tensor:
        """Some rows of the array [B, C, H, W]; ValueError where they are to be cropped."""
        if crops is not None:
            raise ValueError("images of an array are not cropped at random")
        return torch.from_numpy(np.ascontiguousarray(self.images[samples])).permute(0, 3, 1, 2)

    def to(self, device: torch.device | str) -> ArraySplit:
        """The same: batches are moved one by one."""
        return self

    def known_as(self, facts: DataFacts) -> ArraySplit:
        """The same images, normalised by other facts."""
        return evolve(self, facts=facts)

    def take(self, samples: Integers) -> ArraySplit:
        """A copy of these rows alone."""
        return evolve(self, images=self.images[samples], labels=self.labels[torch.from_numpy(samples)])
