"""Whether two builds of a member's source are one model: all but the numbers that a checkpoint keeps.

Takes two modules; gives the names of what differs, and whether they share memory. Guarantees: neither module is run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from swc_runtime.members.memory import has_storage, storage_of, tensors_of


def differences(first: nn.Module, second: nn.Module) -> tuple[str, ...]:
    """What is not the same in two modules: layers, parameters, buffers and the constants no checkpoint keeps."""
    one, two = dict(_described(first)), dict(_described(second))
    names = [*one, *(name for name in two if name not in one)]
    unlike = [name for name in names if one.get(name) != two.get(name)]
    return tuple(unlike) or _unlike_constants(constants_of(first), constants_of(second))


def _described(module: nn.Module) -> Iterator[tuple[str, tuple[object, ...]]]:
    for path, part in module.named_modules():
        yield path or "the model itself", ("layer", f"{type(part).__module__}.{type(part).__qualname__}")
        yield from ((f"{path}.{name}".lstrip("."), ("empty",)) for name, held in part._buffers.items() if held is None)
    kept = module.state_dict().keys()
    for name, tensor in tensors_of(module):
        kind = "parameter" if isinstance(tensor, nn.Parameter) else "buffer"
        yield name, (kind, tuple(tensor.shape), tensor.dtype, tensor.layout, tensor.requires_grad, name in kept)


def constants_of(module: nn.Module) -> dict[str, Tensor]:
    """The buffers that no checkpoint keeps, by name."""
    kept = module.state_dict().keys()
    return {name: buffer for name, buffer in module.named_buffers() if name not in kept}


def _unlike_constants(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> tuple[str, ...]:
    return tuple(name for name in first if not same_bits(first[name], second[name]))


def same_bits(first: Tensor, second: Tensor) -> bool:
    """Whether two dense tensors of one shape hold the same bits; nan is the same as nan."""
    if not has_storage(first) or not has_storage(second):
        return first.shape == second.shape
    bits = (tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8) for tensor in (first, second))
    return torch.equal(*bits)


def share_memory(first: nn.Module, second: nn.Module) -> bool:
    """Whether a tensor of the one lies in the same memory as one of the other."""
    memory = {storage_of(tensor) for _, tensor in tensors_of(second) if has_storage(tensor)}
    return any(storage_of(tensor) in memory for _, tensor in tensors_of(first) if has_storage(tensor))
