"""Stored tensors that stand for a layer's own parameter: how they start, and whose weight decay they have."""

from __future__ import annotations

from collections.abc import Iterable

from swc.compiler.ir.graph import Layer, Tensor
from swc.program.expressions import Shape
from swc.program.program import TensorRole


def stored(name: str, layer: Layer, shape: Shape, fan_in: int | None = None) -> Tensor:
    """A tensor for the parameter that `layer` shares, of a shape and fan-in that may be larger than the layer's own.

    Weights start Kaiming-normal, scales of norms at one, and shifts and biases at zero, as torch's own.
    """
    if len(shape) > 1 or layer.kind == "parameter":
        return Tensor(name, shape, fan_in or layer.fan_in)
    # One dimension: the scale or shift of a norm, or a classifier's bias. Norms then start as the identity.
    is_shift = layer.path.rpartition(".")[2] == "bias"
    role: TensorRole = "norms" if layer.kind == "norm" else "biases"
    return Tensor(name, shape, 1, "zeros" if is_shift else "ones", role)


def common_fan_in(layers: Iterable[Layer]) -> int:
    """The fan-in of a tensor that layers of any kind read: the largest one.

    Embeddings and parameters of no layer, which sum no inputs, count only where there is nothing else.
    """
    numbers = [(layer.kind not in ("embedding", "parameter"), layer.fan_in) for layer in layers]
    return max(numbers)[1]
