"""Which tensors of a module share memory, and giving each its own.

Takes a module; guarantees that afterwards every parameter and buffer can be written, saved and read back by itself.
One tensor under two names (a tied weight) stays one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import torch
from torch import Tensor, nn


def tensors_of(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every parameter and buffer once, by its first name; those too that no checkpoint keeps."""
    yield from module.named_parameters()
    yield from module.named_buffers()


def own_memory(module: nn.Module) -> tuple[str, ...]:
    """Give each tensor that shares memory, with others or within itself (`expand`), its own; their names."""
    names = shared_memory(module)
    tensors = dict(tensors_of(module))
    for name in names:
        tensors[name].data = tensors[name].detach().clone(memory_format=torch.contiguous_format)
    return names


def spread(module: nn.Module) -> None:
    """Give each tensor memory of its own in which one number stands for several, so that it can be written to."""
    for _, tensor in tensors_of(module):
        if has_storage(tensor) and _overlaps_itself(tensor):
            tensor.data = tensor.detach().clone(memory_format=torch.contiguous_format)


def shared_memory(module: nn.Module) -> tuple[str, ...]:
    """The tensors that lie in one storage with another one, or in which one number stands for several."""
    held: dict[int, list[str]] = defaultdict(list)
    overlapping = set()
    for name, tensor in tensors_of(module):
        if has_storage(tensor):
            held[storage_of(tensor)].append(name)
            if _overlaps_itself(tensor):
                overlapping.add(name)
    together = {name for names in held.values() if len(names) > 1 for name in names}
    return tuple(name for name, _ in tensors_of(module) if name in together | overlapping)


def twice_named(module: nn.Module) -> tuple[str, ...]:
    """The names of buffers that are one tensor under several names; a move to another device makes several of it."""
    uses = Counter(id(buffer) for _, buffer in module.named_buffers(remove_duplicate=False))
    return tuple(name for name, buffer in module.named_buffers(remove_duplicate=False) if uses[id(buffer)] > 1)


def has_storage(tensor: Tensor) -> bool:
    """Whether a tensor is a dense one with numbers in it."""
    return tensor.layout is torch.strided and not tensor.is_quantized and tensor.numel() > 0


def storage_of(tensor: Tensor) -> int:
    """A number that stands for the memory of a dense tensor as long as that lives, on the meta device too."""
    return int(tensor.untyped_storage()._cdata)


def _overlaps_itself(tensor: Tensor) -> bool:
    """Whether two places of a tensor may be one in memory: a stride that is shorter than what lies within it."""
    reach = 0
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1:
            if stride <= reach:
                return True
            reach += stride * (size - 1)
    return False
