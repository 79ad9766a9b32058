"""Stored tensors that stand for a layer's own parameter: how they start, and whose weight decay they have."""

from __future__ import annotations

from math import prod

from swc.compiler.ir.graph import Layer, Tensor
from swc.program.expressions import Shape
from swc.program.program import TensorRole


def stored(name: str, layer: Layer, shape: Shape) -> Tensor:
    """A tensor for the parameter that `layer` shares, of a shape that may be larger than the layer's.

    Weights start Kaiming-normal, scales of norms at one, and shifts and biases at zero, as torch's own.
    """
    if len(shape) > 1:
        return Tensor(name, shape, prod(shape[1:]))
    # One dimension: the scale or shift of a norm, or a classifier's bias. Norms then start as the identity.
    is_shift = layer.path.rpartition(".")[2] == "bias"
    role: TensorRole = "norms" if layer.kind == "norm" else "biases"
    return Tensor(name, shape, 1, "zeros" if is_shift else "ones", role)
