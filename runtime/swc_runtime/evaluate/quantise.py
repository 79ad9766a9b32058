"""Weights that are stored in few bits: what an ensemble predicts with them, and the bytes that they take.

Takes a trained ensemble; gives a copy whose stored weights are rounded, and counts of bytes. Guarantees: nothing is
trained, fitted or looked at but the weights themselves; the ensemble that is given stays as it is.

What is rounded: templates, the stored tensors of other policies, and the weights that members keep to themselves
(convolutions, linear layers, any other parameter of two axes or more). What stays in float32: coefficients and fast
weights, norms, biases, and other vectors; together a per cent or two of the whole.

The scheme is that of 4-bit weight-only inference (GPTQ, AWQ, torchao): symmetric, to the nearest, a scale for each
group of 64 scalars of a row, kept as bfloat16. A row is an output channel, or a template. The same groups serve 8 bits,
so that shared and unshared weights are treated alike: a template has no output channels, as layers of several widths
read it.

Suffixes: R rows, N scalars of a row, G groups of a row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
import torch.nn.functional as F
from swc.files.evaluation import Storage
from swc.program.expressions import Shape, num_scalars
from torch import Tensor, nn

from swc_runtime.carry.rebuild import rebuilt_member
from swc_runtime.ensemble import Ensemble, state_parameters
from swc_runtime.training.optimiser import roles_of
from swc_runtime.weights.bank import Parts

BITS: dict[Storage, int] = {"float32": 32, "int8": 8, "int4": 4}
GROUP = 64  # scalars that share a scale
BYTE = 8  # bits
SCALE_BYTES = 2  # bfloat16, which has the range of float32: a dead channel's scale is no zero


def quantise(ensemble: Ensemble, storage: Storage) -> Ensemble:
    """A copy of an ensemble whose stored weights are rounded to `storage`; with `float32` a copy as it is.

    ValueError while the ensemble holds composed weights.
    """
    made = _copy_of(ensemble)
    if storage == "float32":
        return made
    chosen = rounded_ids(made)
    with torch.no_grad():
        for name, parameter in state_parameters(made).items():
            if name in chosen:
                parameter.copy_(rounded(parameter, BITS[storage]))
    return made


def stored_bytes(shapes: Mapping[str, Shape], chosen: Collection[str], storage: Storage) -> int:
    """The bytes of parameters of these shapes, the chosen ones rounded: codes, scales, and what stays in float32.

    Like `stored_scalars` it counts parameters alone, no running statistics.
    """
    return sum(bytes_of(shape, BITS[storage] if name in chosen else BITS["float32"]) for name, shape in shapes.items())


def rounded_ids(ensemble: Ensemble) -> frozenset[str]:
    """The ids of the parameters that are stored in few bits, as `state_parameters` names them."""
    roles = roles_of(ensemble)
    return frozenset(
        name
        for name, parameter in state_parameters(ensemble).items()
        # a stored tensor may be a flat bank, of one axis; a vector among a member's own weights is a token or a scale
        if roles[name] in ("templates", "tensors") or (roles[name] == "weights" and parameter.dim() > 1)
    )


def rounded(weight: Tensor, bits: int) -> Tensor:
    """The numbers that a weight stands for once it is kept in `bits`: a code times the scale of its group.

    With 4 bits the codes are -7 .. 7. A group of 0.7, -0.3, 0.02 has the scale 0.1 and the codes 7, -3, 0.
    """
    most = 2 ** (bits - 1) - 1
    rows_RN = weight.reshape(_rows(tuple(weight.shape)), -1)
    num_rows, num = rows_RN.shape
    groups = F.pad(rows_RN, (0, -num % GROUP)).reshape(num_rows, -1, GROUP)
    scales_RG1 = (groups.abs().amax(-1, keepdim=True) / most).to(torch.bfloat16).to(weight.dtype)
    steps = torch.where(scales_RG1 > 0, scales_RG1, 1)  # a group of zeros
    # a scale that was rounded down would give the largest scalar a code that there is none of
    codes = (groups / steps).round().clamp(-most, most)
    made: Tensor = (codes * scales_RG1).flatten(1)[:, :num].reshape(weight.shape)
    return made


def bytes_of(shape: Shape, bits: int) -> int:
    """What a tensor takes: 4 bytes a scalar in float32, else its codes, packed, and a scale for each group.

    A convolution of 16 x 16 x 3 x 3 has rows of 144, three groups each: in 4 bits 1,152 bytes of codes, 96 of scales.
    """
    if bits == BITS["float32"]:
        return num_scalars(shape) * bits // BYTE
    rows = _rows(shape)
    groups = rows * -(-num_scalars(shape) // rows // GROUP)
    return -(-num_scalars(shape) * bits // BYTE) + groups * SCALE_BYTES


def _rows(shape: Shape) -> int:
    """Rows of a tensor: one for each output, or template; a flat bank is one."""
    return shape[0] if len(shape) > 1 else 1


def _copy_of(ensemble: Ensemble) -> Ensemble:
    """An ensemble of the same numbers that shares no memory with it."""

    def cloned(tensors: nn.ParameterList) -> tuple[Tensor, ...]:
        return tuple(tensor.detach().clone() for tensor in tensors)

    members = tuple(rebuilt_member(ensemble, number) for number in range(len(ensemble.members)))
    banks, tables = cloned(ensemble.banks), cloned(ensemble.coefficients)
    made = Ensemble(ensemble.program, Parts(banks, tables, cloned(ensemble.tensors), members), ensemble.own)
    return made.to(next(ensemble.parameters()).device)
