"""What members are given for a batch: one tensor, or a tuple of several where the data describe several inputs.

Takes and gives `Inputs`. Guarantees: each tensor has the examples along its first axis; the form stays the same, a
tensor or a tuple. A member is called with all of them in order: `model(*tensors_of(inputs))`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from swc.program.datasets import DataFacts
from torch import Tensor

Inputs = Tensor | tuple[Tensor, ...]
DTYPES = {"float32": torch.float32, "int64": torch.int64}


def tensors_of(inputs: Inputs) -> tuple[Tensor, ...]:
    """The tensors, in the order in which a member takes them."""
    return (inputs,) if isinstance(inputs, Tensor) else inputs


def mapped(inputs: Inputs, change: Callable[[Tensor], Tensor]) -> Inputs:
    """Each tensor changed, in the same form."""
    return change(inputs) if isinstance(inputs, Tensor) else tuple(map(change, inputs))


def together(tensors: Sequence[Tensor]) -> Inputs:
    """A tensor alone where there is one, else a tuple."""
    return tensors[0] if len(tensors) == 1 else tuple(tensors)


def moved(inputs: Inputs, device: torch.device | str) -> Inputs:
    """The inputs on a device."""
    return mapped(inputs, lambda tensor: tensor.to(device))


def copied(inputs: Inputs) -> Inputs:
    """Copies, which a member may change."""
    return mapped(inputs, Tensor.clone)


def rows(inputs: Inputs, which: slice | Tensor) -> Inputs:
    """Some examples of a batch."""
    return mapped(inputs, lambda tensor: tensor[which])


def size_of(inputs: Inputs) -> int:
    """How many examples there are."""
    return len(tensors_of(inputs)[0])


def device_of(inputs: Inputs) -> torch.device:
    """Where the inputs lie."""
    return tensors_of(inputs)[0].device


def split(inputs: Inputs, sizes: list[int]) -> list[Inputs]:
    """Consecutive parts of so many examples each."""
    parts = zip(*(torch.split(tensor, sizes) for tensor in tensors_of(inputs)), strict=True)
    return list(map(together, parts))


def blank(facts: DataFacts, count: int) -> Inputs:
    """Zeros of the shapes and types that members take, of `count` examples, on torch's default device."""
    if facts.are_images:
        return torch.zeros(count, *facts.image_shape)
    return together([torch.zeros(count, *one.shape, dtype=DTYPES[one.dtype]) for one in facts.inputs])


def drawn(facts: DataFacts, count: int, generator: torch.Generator) -> Inputs:
    """As `blank`, of normal numbers where they are floats; whole numbers stay 0, which every table of them has."""
    if facts.are_images:
        return torch.randn(count, *facts.image_shape, generator=generator)
    tensors = tensors_of(blank(facts, count))
    return together(
        [torch.randn(t.shape, generator=generator) if t.is_floating_point() else t for t in tensors],
    )
