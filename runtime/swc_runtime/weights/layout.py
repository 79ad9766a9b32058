"""Where images and weights may lie channels-last in memory, by a table of what was tried, and the way around the rest.

Takes an ensemble's members; gives convolutions that are safe to train. Guarantees: what is laid out plainly is settled
by the layer's shape, the device and torch's version alone, so that a run gives the same bits again; layers that are
safe keep their layout.

On a CPU the gradient of the weight of a narrow strided 1x1 convolution writes past its memory where torch hands it to
oneDNN channels-last. docs/explanation/cpu_layout.md has the table, a reproducer, and how it was tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode

NAMES = ("input", "weight", "bias", "stride")  # of the first arguments of every convolution
NARROW = 8  # input channels: what a vector of AVX2 holds
IS_SAFE: dict[str, bool] = {"2.14": False}  # by version of torch; one that was not tried counts as unsafe
SHOWN = 3  # layers that are named
CONVOLUTIONS = frozenset(
    {
        torch.conv1d,
        torch.conv2d,
        torch.conv3d,
        torch.conv_transpose1d,
        torch.conv_transpose2d,
        torch.conv_transpose3d,
        torch.convolution,
    }
)


def is_known_safe(version: str = torch.__version__) -> bool:
    """Whether this version of torch was tried, and all convolutions are safe channels-last."""
    return IS_SAFE.get(".".join(version.split(".")[:2]), False)


def is_unsafe(layer: nn.Module) -> bool:
    """Whether a layer is a convolution that a CPU may not be given channels-last."""
    return (
        isinstance(layer, _ConvNd)
        and layer.groups == 1
        and any(step > 1 for step in layer.stride)
        and all(size == 1 for size in layer.kernel_size)
        and (layer.out_channels if layer.transposed else layer.in_channels) < NARROW
    )


def lies_plainly(shape: tuple[int, ...]) -> bool:
    """Whether a weight of this shape gets plain strides, whatever layer reads it: it is 1x1 and its channels are few.

    Channels-last it would lie in the same order, so that nothing else changes, with any version of torch.
    """
    # For 64x3x1x1 both layouts put scalar (o, i) at 3 o + i; only the strides of the axes of size one differ.
    return len(shape) > 2 and shape[1] < NARROW and all(size == 1 for size in shape[2:])


def unsafe_layers(module: nn.Module) -> tuple[str, ...]:
    """The paths of the layers that a CPU may not be given channels-last; none where torch is known to be safe."""
    if is_known_safe():
        return ()
    return tuple(path for path, layer in module.named_modules() if is_unsafe(layer))


def plain(tensor: Tensor) -> Tensor:
    """The same numbers in torch's plain layout, with its own strides for axes of size one too; differentiable.

    Strides of such axes say nothing about memory, but torch reads off them how a tensor is meant to lie.
    """
    return tensor.reshape(-1).view(tensor.shape) if tensor.dim() > 2 else tensor


def in_order(weight: Tensor) -> Tensor:
    """A weight that no convolution reads as a parameter of its own would lie: only convolutions know channels-last.

    A model's code may call `view` on it. Differentiable; no copy of matrices, whose axes are in order anyway.
    """
    return weight.contiguous() if weight.dim() > 2 else weight


def protect(module: nn.Module) -> None:
    """See to it that the unsafe layers of a member read plain images, whoever calls them; again changes nothing."""
    for path in unsafe_layers(module):
        layer = module.get_submodule(path)
        if read_plainly not in layer._forward_pre_hooks.values():
            layer.register_forward_pre_hook(read_plainly)


def unprotect(module: nn.Module) -> None:
    """Take away what `protect` added."""
    for layer in module.modules():
        for number in [n for n, hook in layer._forward_pre_hooks.items() if hook is read_plainly]:
            del layer._forward_pre_hooks[number]


def read_plainly(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The inputs of a layer, laid out plainly where its weight may get a gradient on a CPU; its own weight is too."""
    if not inputs or not _is_at_risk(inputs[0]):
        return None
    _lay_plainly(layer)
    return (plain(inputs[0]), *inputs[1:])


def _lay_plainly(layer: nn.Module) -> None:
    """Give a layer's own weight plain strides, whatever laid it out before."""
    weight = layer._parameters.get("weight")
    if weight is not None and weight.stride() != plain(weight.detach()).stride():
        weight.data = plain(weight.data)


def _is_at_risk(images: object) -> bool:
    return isinstance(images, Tensor) and images.device.type == "cpu" and torch.is_grad_enabled()


def lay_weights(module: nn.Module) -> None:
    """Bring a member's own convolutions to channels-last, but for those that are unsafe on a CPU."""
    module.to(memory_format=torch.channels_last)
    for path in unsafe_layers(module):
        _lay_plainly(module.get_submodule(path))


class PlainConvolutions(TorchFunctionMode):
    """Inside, unsafe convolutions that a model's own code calls as functions get plain images and weights."""

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call `func`; a convolution with other arguments where it is unsafe."""
        if func not in CONVOLUTIONS:
            return func(*args, **(kwargs or {}))
        given = {**dict(zip(NAMES, args, strict=False)), **(kwargs or {})}
        if _is_call_unsafe(given):
            given |= {name: plain(given[name]) for name in ("input", "weight")}
        first = [given.pop(name) for name in NAMES[: len(args)]]
        return func(*first, *args[len(first) :], **given)


def _is_call_unsafe(given: Mapping[str, Any]) -> bool:
    """Whether a call is of a narrow strided 1x1 convolution; the weight's second axis is what counts, as in a layer."""
    weight, step = given.get("weight"), given.get("stride", 1)
    return (
        _is_at_risk(given.get("input"))
        and isinstance(weight, Tensor)
        and lies_plainly(tuple(weight.shape))
        and max([step] if isinstance(step, int) else step) > 1
    )


def guarded_calls(device: torch.device, *, has_own_code: bool) -> AbstractContextManager[object]:
    """The context for the forward pass of a member; it does nothing where no call of its code can be unsafe."""
    if has_own_code and device.type == "cpu" and torch.is_grad_enabled() and not is_known_safe():
        return PlainConvolutions()
    return nullcontext()


def layout_remark(members: Mapping[str, nn.Module], device: str) -> str | None:
    """What to tell of layers that are laid out plainly, by member; None where there are none."""
    if device != "cpu":
        return None
    found = {name: unsafe_layers(module) for name, module in members.items()}
    layers = [f"{name}.{path}" for name, paths in found.items() for path in paths]
    if not layers:
        return None
    shown = ", ".join(layers[:SHOWN]) + (f" and {len(layers) - SHOWN} more" if len(layers) > SHOWN else "")
    return f"in torch's plain memory layout, as channels-last is not safe on this CPU: {shown}"
