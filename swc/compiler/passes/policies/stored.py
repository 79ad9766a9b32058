"""Stored tensors that stand for a layer's own parameter: who reads them, how they start, whose weight decay they have.

A place is a path inside members, and a shape: layers of one place are alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from swc.compiler.ir.graph import Layer, Tensor
from swc.program.expressions import Shape
from swc.program.program import Start, TensorRole
from swc.program.spec import Share

Place = tuple[str, Shape]  # path and shape


def start_of(share: Share) -> Start:
    """How the stored weights of a block begin, where its policy can be told."""
    found: Start = dict(share.arguments).get("start", "kaiming")  # type: ignore[assignment]
    return found


def place_of(layer: Layer) -> Place:
    """Where a layer stands in its member, and its shape."""
    return layer.path, layer.shape


def owner_of_places(layers: Sequence[Layer]) -> dict[Place, Layer]:
    """By place the layer that a tensor for all of the place is named after: the first."""
    owners: dict[Place, Layer] = {}
    for layer in layers:
        # Layers come member by member, so the owner is the first member with this path and shape.
        owners.setdefault(place_of(layer), layer)
    return owners


def stored(
    name: str, layer: Layer, shape: Shape, fan_in: int | None = None, *, start: Start = "kaiming", rate: float = 1.0
) -> Tensor:
    """A tensor for the parameter that `layer` shares, of a shape and fan-in that may be larger than the layer's own.

    Weights begin as `start` says; scales of norms at one, and shifts and biases at zero, as torch's own. `rate` scales
    the learning rate of weights; at 0 they are not trained.
    """
    if layer.kind != "bias" and (len(shape) > 1 or layer.kind == "parameter"):
        return Tensor(name, shape, fan_in or layer.fan_in, start, rate=rate)
    # The scale or shift of a norm, or a bias. Norms then start as the identity.
    is_shift = layer.kind == "bias" or layer.path.rpartition(".")[2] == "bias"
    role: TensorRole = "norms" if layer.kind == "norm" else "biases"
    return Tensor(name, shape, 1, "zeros" if is_shift else "ones", role)


def common_fan_in(layers: Iterable[Layer]) -> int:
    """The fan-in of a tensor that layers of any kind read: the largest one.

    Embeddings and parameters of no layer, which sum no inputs, count only where there is nothing else.
    """
    numbers = [(layer.kind not in ("embedding", "parameter"), layer.fan_in) for layer in layers]
    return max(numbers)[1]
