"""What somebody gave as an array, as a tensor that everything can be asked of.

Takes arrays of numpy or torch, or nested lists; gives tensors on the CPU. Guarantees: no number changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)  # of which torch can hardly do more than convert them


def tensor_of(given: Any) -> Tensor:
    """A tensor in the processor's own order of bytes; unsigned numbers of more than a byte as int64.

    TypeError, ValueError or RuntimeError for what is no array of numbers, or holds one that int64 cannot.
    """
    if isinstance(given, np.ndarray) and not given.dtype.isnative:
        given = given.astype(given.dtype.newbyteorder("="))
    found = torch.as_tensor(given).detach().cpu()
    if found.dtype not in UNSIGNED:
        return found
    whole = found.to(torch.int64)
    if bool((whole < 0).any()):
        raise ValueError("a number is 2^63 or more")
    return whole
