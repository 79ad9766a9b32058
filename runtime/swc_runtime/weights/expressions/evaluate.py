"""Any weight expression, evaluated with ordinary torch operations and so with ordinary autograd.

Takes an expression, the SuperWeights of its slots and the stored tensors; gives the weight. What is made of template
blocks alone is left to `swc_runtime.weights.compose`, which does all banks at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from swc.program.expressions import (
    Combine,
    Concat,
    Expression,
    Mix,
    Product,
    Resize,
    Scale,
    Shape,
    Slice,
    Stored,
    Sum,
)
from torch import Tensor

from swc_runtime.weights.compose import block_view
from swc_runtime.weights.layout import lies_plainly, plain


def weight_of(expression: Expression, rows: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> Tensor:
    """As `evaluate`, with the strides that a layer may be given: plain where channels-last is not safe on a CPU."""
    made = evaluate(expression, rows, tensors)
    return plain(made) if lies_plainly(tuple(made.shape)) else made


def evaluate(expression: Expression, rows: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> Tensor:
    """The weight that an expression describes.

    `rows` are the flat SuperWeights by slot id, `tensors` the stored tensors by id; KeyError for a missing one,
    ValueError for an unknown mode of resizing.
    """
    match expression:
        case Stored(tensor, _):
            made = tensors[tensor]
        case Combine(slot, offset, shape):
            made = block_view(rows[slot], offset, shape)
        case Slice(of, shape):
            made = evaluate(of, rows, tensors)[tuple(slice(size) for size in shape)]
        case Concat(axis, parts):
            made = torch.cat([evaluate(part, rows, tensors) for part in parts], dim=axis)
        case Scale(of, outputs, inputs):
            sides = (tensors[name] if name else None for name in (outputs, inputs))
            made = scaled(evaluate(of, rows, tensors), *sides)
        case Resize(of, shape, mode):
            made = resize(evaluate(of, rows, tensors), shape, mode)
        case Mix(of, by, start, shape, softmax):
            weights = softmaxed(tensors[by]) if softmax else tensors[by]
            made = mixed(evaluate(of, rows, tensors), weights, start, shape)
        case Sum(parts):
            made = added(*(evaluate(part, rows, tensors) for part in parts))
        case Product(left, right, shape, factor):
            made = product(evaluate(left, rows, tensors), evaluate(right, rows, tensors), shape, factor)
    return made


def added(first: Tensor, *others: Tensor) -> Tensor:
    """Tensors of one shape added up, from left to right."""
    for other in others:
        first = first + other
    return first


def product(left: Tensor, right: Tensor, shape: Shape, factor: float) -> Tensor:
    """`factor` times a matrix product, read as a tensor of `shape`."""
    return (left @ right * factor).view(shape)


def scaled(weight: Tensor, outputs: Tensor | None, inputs: Tensor | None) -> Tensor:
    """A weight times one number for each output and one for each input, where there are such numbers."""
    kernel = (1,) * (weight.dim() - 2)
    made = weight if outputs is None else weight * outputs.view(-1, 1, *kernel)
    return made if inputs is None else made * inputs.view(1, -1, *kernel)


def softmaxed(logits: Tensor) -> Tensor:
    """Positive weights that add up to one."""
    return logits.softmax(dim=0)


def mixed(bank: Tensor, weights: Tensor, start: int, shape: Shape) -> Tensor:
    """Consecutive pieces of a bank, one for each weight, from scalar `start` on and round its end, added up."""
    # A bank of 10, two weights, pieces of 3 scalars from 6 on: 6, 7, 8 and 9, 0, 1.
    flat = bank.flatten()
    num_scalars = weights.numel() * torch.Size(shape).numel()
    pieces, over = flat[start : start + num_scalars], start + num_scalars - flat.numel()
    if over > 0:
        pieces = torch.cat((pieces, flat[:over]))
    return (weights @ pieces.view(weights.numel(), -1)).view(shape)


def resize(tensor: Tensor, shape: Shape, mode: str) -> Tensor:
    """A tensor brought to another shape.

    `bilinear` interpolates over outputs and inputs; `average` averages over the cells of the target; `repeat` tiles
    the flat tensor and cuts it; `mask` sets what lies beyond the tensor to zero.
    """
    match mode:
        case "bilinear":
            return _over_channels(tensor, shape, mode)
        case "average":
            return _over_channels(tensor, shape, mode)
        case "repeat":
            return _repeated(tensor, shape)
        case "mask":
            return _masked(tensor, shape)
        case _:
            raise ValueError(f"unknown mode of resizing `{mode}`: it is bilinear, average, repeat or mask")


def _over_channels(tensor: Tensor, shape: Shape, mode: str) -> Tensor:
    if tensor.shape[2:] != torch.Size(shape[2:]):
        raise ValueError(f"`{mode}` resizes outputs and inputs only, not the kernel of {tuple(tensor.shape)}")
    # One plane [outputs, inputs] for each place of the kernel: an image of as many channels to torch.
    planes = tensor.flatten(2).permute(2, 0, 1)[None] if tensor.dim() > 2 else tensor[None, None]
    if mode == "bilinear":
        sized = F.interpolate(planes, size=shape[:2], mode="bilinear", align_corners=False)
    else:
        sized = F.adaptive_avg_pool2d(planes, (shape[0], shape[1]))
    return sized[0].permute(1, 2, 0).reshape(shape)


def _repeated(tensor: Tensor, shape: Shape) -> Tensor:
    num = torch.Size(shape).numel()
    # rounded up: 10 scalars to fill 25 are repeated 3 times, and cut
    times = -(-num // tensor.numel())
    return tensor.flatten().repeat(times)[:num].view(shape)


def _masked(tensor: Tensor, shape: Shape) -> Tensor:
    common = tuple(slice(min(pair)) for pair in zip(tensor.shape, shape, strict=True))
    made = tensor.new_zeros(shape)
    made[common] = tensor[common]
    return made


RESIZING = (resize, _over_channels, _repeated, _masked)  # all that resizing needs, for code that is carried away
