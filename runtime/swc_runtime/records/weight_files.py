"""Files of weights that others have written: tensors by torch's names.

Takes a file; gives its tensors on the CPU. Guarantees: no code of a file runs, as torch's files are read by its
weights-only loader; nothing is "not a number"; what cannot be read is a ValueError that says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

INSIDE = ("state_dict", "model")  # what trainers call the state inside of what they save


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a `.safetensors`, `.pt` or `.pth` file by name; ValueError where they cannot be read."""
    try:
        found: object = load_file(path) if path.suffix == ".safetensors" else _load(path)
    except (SafetensorError, UnpicklingError, RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(first) from error
    return _checked(found)


def _load(path: Path) -> object:
    found: object = torch.load(path, map_location="cpu", weights_only=True)
    inner = [found[name] for name in INSIDE if name in found] if isinstance(found, Mapping) else []
    return inner[0] if inner and isinstance(inner[0], Mapping) else found


def _checked(found: object) -> dict[str, Tensor]:
    if not isinstance(found, Mapping):
        raise ValueError(f"it holds a {type(found).__name__}, not tensors by name")
    tensors: dict[str, Tensor] = {}
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ValueError(f"under {name!r} it holds a {type(tensor).__name__}, not a tensor")
        if torch.isnan(tensor).any():
            raise ValueError(f"`{name}` holds what is not a number (nan)")
        tensors[name] = tensor.detach()
    return tensors
