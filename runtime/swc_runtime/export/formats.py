"""Files of plain members, and how far what they hold is from what was written.

Takes a module; writes one file, whole or not at all. Guarantees: nothing of this project is needed to read it; each
`reread_*` goes by the file alone and gives the module's outputs for some inputs.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from swc.files.whole import fill, whole
from torch import Tensor, nn

from swc_runtime.inputs import Inputs, tensors_of

# What torch says of recurrent layers, whose weights it also holds in a list, and of nothing beside them. Harmless: the
# weights are parameters, and what was written is read back and compared.
FLAT_WEIGHTS = r"The tensor attributes? (self\.[\w.]*_flat_weights\[\d+\](, )?)+ (was|were) assigned during export"
TOLERANCE = 1e-5  # of the outputs, relative to the largest


def write_safetensors(module: nn.Module, path: Path, notes: Mapping[str, str], _: Inputs) -> None:
    """The state by torch's names, with the notes as JSON: several keys would stand in no settled order."""
    # cloned, because two names may stand for one tensor, which safetensors does not take
    state = {name: t.clone(memory_format=torch.contiguous_format) for name, t in module.state_dict().items()}
    with whole(path) as partial:
        fill(partial, save(state, metadata={"notes": json.dumps(notes, sort_keys=True)}))


def write_torch(module: nn.Module, path: Path, _: Mapping[str, str], __: Inputs) -> None:
    """The state by torch's names, for `torch.load(..., weights_only=True)`."""
    made = BytesIO()
    torch.save(module.state_dict(), made)
    with whole(path) as partial:
        fill(partial, made.getbuffer())


def write_exported(module: nn.Module, path: Path, notes: Mapping[str, str], inputs: Inputs) -> None:
    """A program of `torch.export`, for batches of any size; whatever torch.export raises passes through."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", FLAT_WEIGHTS, UserWarning)
        given = tensors_of(inputs)
        traced = torch.export.export(module, given, dynamic_shapes=tuple({0: torch.export.Dim.DYNAMIC} for _ in given))
    made = BytesIO()
    torch.export.save(traced, made, extra_files=dict(notes))
    with whole(path) as partial:
        fill(partial, made.getbuffer())


def reread_safetensors(module: nn.Module, path: Path, inputs: Inputs) -> Tensor:
    """The outputs of another build of the module, which is given the state that the file holds."""
    return _asked(_with_state(module, load_file(path)), inputs)


def reread_torch(module: nn.Module, path: Path, inputs: Inputs) -> Tensor:
    """The outputs of another build of the module, with the state that the file holds."""
    return _asked(_with_state(module, torch_state(path)), inputs)


def torch_state(path: Path) -> Mapping[str, Tensor]:
    """The state that a file of torch holds."""
    found: Mapping[str, Tensor] = torch.load(path, weights_only=True)
    return found


def reread_exported(_: nn.Module, path: Path, inputs: Inputs) -> Tensor:
    """The outputs of the program that the file holds."""
    return _asked(torch.export.load(path).module(), inputs)


def _with_state(module: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.zero_()  # so that only the file can make it right
    module.load_state_dict(state)
    return module


def _asked(module: nn.Module, inputs: Inputs) -> Tensor:
    with torch.no_grad():
        made: Tensor = module(*tensors_of(inputs))
    return made


def difference(found: Tensor, expected: Tensor) -> float:
    """The largest difference of outputs, relative to the largest finite one; equal infinities do not differ."""
    gap = torch.where(found == expected, 0.0, found - expected).abs().max()
    return float(gap / expected.abs().where(expected.isfinite(), 0.0).max().clamp(min=1e-12))
