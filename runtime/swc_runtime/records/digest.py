"""By what tensors are known again.

Takes tensors by name; gives text. Guarantees: it depends on names, types, shapes and numbers alone, not on the order or
the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import torch
from torch import Tensor


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 of tensors by name, with their types and shapes."""
    digest = sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
