"""A split of inputs that are no images: rows of features, tokens, or several tensors for each example.

Takes tensors in memory; gives a `Split`. Guarantees: what is fetched is what was given, to the bit: nothing is
normalised and nothing augmented.
"""

from __future__ import annotations

import torch
from attrs import evolve, frozen
from swc.program.datasets import DataFacts
from torch import Tensor

from swc_runtime.data.keys import Hashes, Integers
from swc_runtime.inputs import Inputs, together


@frozen(eq=False)
class TensorSplit:
    """Inputs held in memory: of each its examples, [N, ...] in the shape and type of the facts, with labels [N]."""

    facts: DataFacts
    tensors: tuple[Tensor, ...]
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def fetch(self, samples: Integers, crops: Hashes | None) -> Inputs:
        """Rows of every tensor; ValueError where they are to be cropped."""
        if crops is not None:
            raise ValueError("what is no image cannot be cropped")
        chosen = torch.from_numpy(samples).to(self.labels.device)
        return together([tensor[chosen] for tensor in self.tensors])

    def to(self, device: torch.device | str) -> TensorSplit:
        """A copy on the device."""
        return evolve(self, tensors=tuple(t.to(device) for t in self.tensors), labels=self.labels.to(device))

    def known_as(self, facts: DataFacts) -> TensorSplit:
        """The same inputs under other facts."""
        return evolve(self, facts=facts)

    def take(self, samples: Integers) -> TensorSplit:
        """A copy of these examples alone."""
        chosen = torch.from_numpy(samples).to(self.labels.device)
        return evolve(self, tensors=tuple(t[chosen] for t in self.tensors), labels=self.labels[chosen])
