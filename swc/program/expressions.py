"""Weight expressions: what a layer's weight is, over stored tensors and SuperWeights.

A closed sum type. Shapes are torch's: (outputs, inputs, kernel...) for convolutions, (outputs, inputs) for linear
layers. Axis 0 is the outputs, axis 1 the inputs. Guarantees: an expression is plain data; `shape_of` and
`placements` read it, nothing else needs to walk it.
"""

from __future__ import annotations

import sys
from math import prod

from attrs import frozen

from swc.program.words import word

Shape = tuple[int, ...]
# A chain of 128 shapes, the longest there is, nests 256 expressions. What reads them calls itself, and the reader of
# plain data takes a dozen calls for a level: more than Python allows unless it is told.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 6_000))


@frozen
class Stored:
    """A tensor kept as it is, by id."""

    tensor: str
    shape: Shape


@frozen
class Combine:
    """Scalars `offset` .. `offset` + prod(shape) of a slot's SuperWeight, read as a block of `shape`.

    Inside a template the scalars of a block lie channels-last (outputs, kernel..., inputs), so that a layer of one
    block is a view. Paper section 2.1: a SuperWeight is the sum of templates weighted by the slot's coefficients.
    """

    slot: str
    offset: int
    shape: Shape


@frozen
class Slice:
    """The leading part of a tensor: the first `shape[a]` entries on every axis."""

    of: Expression
    shape: Shape


@frozen
class Concat:
    """Parts joined along an axis."""

    axis: int
    parts: tuple[Expression, ...]


@frozen
class Scale:
    """A tensor times a rank-one modulation: its first axis by `outputs`, its second by `inputs` (stored vectors).

    Most layers have them in this order; transposed convolutions and embeddings have inputs first, and their vectors are
    given the other way round. Where one of the two is "", nothing scales that side.
    """

    of: Expression
    outputs: str
    inputs: str


@frozen
class Resize:
    """A stored bank resized to `shape` by `mode` (bilinear, repeat, mask, average)."""

    of: Expression
    shape: Shape
    mode: str


@frozen
class Mix:
    """Consecutive pieces of `shape` of a flat stored bank, added up with the weights of the stored vector `by`.

    There are as many pieces as `by` has entries; the first begins at scalar `start`, and past the bank's end they go
    on at its beginning. With `softmax` the weights are the softmax of the vector.
    """

    of: Expression
    by: str
    start: int
    shape: Shape
    softmax: bool = False


@frozen
class Sum:
    """Tensors of one shape, added up."""

    parts: tuple[Expression, ...]


@frozen
class Product:
    """`factor` times the product of two matrices, read as a tensor of `shape`.

    `left` is [rows, rank] and `right` [rank, columns], with as many rows times columns as `shape` has scalars.
    """

    left: Expression
    right: Expression
    shape: Shape
    factor: float = 1.0


Expression = Stored | Combine | Slice | Concat | Scale | Resize | Mix | Sum | Product


@frozen
class Placement:
    """One visible block of a layer's weight.

    The leading `visible` part of the block `shape` at `offset` in the slot's SuperWeight stands at `origin`
    (output, input) of the weight.
    """

    slot: str
    offset: int
    shape: Shape
    visible: Shape
    origin: tuple[int, int]


def shape_of(expression: Expression) -> Shape:
    """The shape of the tensor an expression describes; ValueError where its parts do not fit."""
    return _measured(expression, {})


def _measured(expression: Expression, shapes: dict[int, Shape]) -> Shape:
    """The shape of an expression; those of it and of all its parts are noted in `shapes` by `id`."""
    match expression:
        case Concat(axis, parts):
            shape = _joined(axis, tuple(_measured(part, shapes) for part in parts))
        case Slice(of, wanted):
            shape = _checked_slice(_measured(of, shapes), wanted)
        case Scale(of, _, _):
            shape = _measured(of, shapes)
        case Sum(parts):
            shape = _common(tuple(_measured(part, shapes) for part in parts))
        case Product(left, right, wanted):
            shape = _multiplied(_measured(left, shapes), _measured(right, shapes), wanted)
        case Stored() | Combine() | Resize() | Mix():
            shape = expression.shape
    shapes[id(expression)] = shape
    return shape


def _joined(axis: int, shapes: tuple[Shape, ...]) -> Shape:
    first = shapes[0]
    if any(s[:axis] + s[axis + 1 :] != first[:axis] + first[axis + 1 :] for s in shapes):
        raise ValueError(f"cannot join {shapes} along axis {axis}: the other axes differ")
    return (*first[:axis], sum(s[axis] for s in shapes), *first[axis + 1 :])


def _checked_slice(inner: Shape, shape: Shape) -> Shape:
    if len(inner) != len(shape) or any(want > have for want, have in zip(shape, inner, strict=True)):
        raise ValueError(f"cannot take {shape} out of {inner}")
    return shape


def _common(shapes: tuple[Shape, ...]) -> Shape:
    if len(set(shapes)) != 1:
        raise ValueError(f"cannot add {shapes} up: they differ")
    return shapes[0]


def _multiplied(left: Shape, right: Shape, shape: Shape) -> Shape:
    # [16, 2] by [2, 27] are 432 scalars, which a weight of 16x3x3x3 has
    if len(left) != 2 or len(right) != 2 or left[1] != right[0]:
        raise ValueError(f"cannot multiply {left} by {right}")
    if left[0] * right[1] != prod(shape):
        raise ValueError(f"cannot read the product of {left} and {right} as {shape}")
    return shape


def parts_of(expression: Expression) -> tuple[Expression, ...]:
    """The expressions that one is made of, from left to right; none for what is read as it is."""
    match expression:
        case Concat(_, parts) | Sum(parts):
            return parts
        case Product(left, right):
            return left, right
        case Slice(of, _) | Scale(of, _, _) | Resize(of, _, _) | Mix(of, _, _, _):
            return (of,)
        case Stored() | Combine():
            return ()


def placements(expression: Expression) -> tuple[Placement, ...]:
    """The visible blocks of an expression made of combine, concat and slice; ValueError for any other.

    In one walk down: a chain of levels is as deep as it is long.
    """
    shapes: dict[int, Shape] = {}
    outer = _measured(expression, shapes)
    found: list[Placement] = []
    _place(expression, (0, 0), (outer[0], outer[1]), shapes, found)
    return tuple(found)


def _place(
    expression: Expression,
    origin: tuple[int, int],
    end: tuple[int, int],
    shapes: dict[int, Shape],
    found: list[Placement],
) -> None:
    """Note the blocks of an expression at `origin`, up to the `end` at which a slice around it cuts them off."""
    match expression:
        case Combine(slot, offset, shape):
            outputs, inputs = min(shape[0], end[0] - origin[0]), min(shape[1], end[1] - origin[1])
            if outputs > 0 and inputs > 0:
                found.append(Placement(slot, offset, shape, (outputs, inputs, *shape[2:]), origin))
        case Slice(of, shape):
            cut = (min(end[0], origin[0] + shape[0]), min(end[1], origin[1] + shape[1]))
            _place(of, origin, cut, shapes, found)
        case Concat(axis, parts):
            for part in parts:
                _place(part, origin, end, shapes, found)
                step = shapes[id(part)][axis]
                origin = (origin[0] + step, origin[1]) if axis == 0 else (origin[0], origin[1] + step)
        case _:
            raise ValueError(f"{type(expression).__name__} has no blocks of templates")


def num_scalars(shape: Shape) -> int:
    """How many scalars a tensor of this shape holds."""
    return prod(shape)


def slots_of(expression: Expression) -> tuple[str, ...]:
    """The ids of the slots an expression reads, each once, in order of first use."""
    return tuple(dict.fromkeys(block.slot for block in combines_of(expression)))


def tensors_of(expression: Expression) -> tuple[str, ...]:
    """The ids of the stored tensors an expression reads, each once, in order of first use."""
    found: dict[str, None] = {}
    _collect_tensors(expression, found)
    return tuple(found)


def _collect_tensors(expression: Expression, found: dict[str, None]) -> None:
    if isinstance(expression, Stored):
        found.setdefault(expression.tensor)
    for part in parts_of(expression):
        _collect_tensors(part, found)
    match expression:
        case Scale(_, outputs, inputs):
            found |= {name: None for name in (outputs, inputs) if name}
        case Mix(_, by):
            found.setdefault(by)
        case _:
            pass


def combines_of(expression: Expression) -> tuple[Combine, ...]:
    """The parts of SuperWeights an expression reads, from left to right."""
    found: list[Combine] = []
    waiting: list[Expression] = [expression]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Combine):
            found.append(one)
        waiting.extend(reversed(parts_of(one)))
    return tuple(found)


def text_of(expression: Expression) -> str:
    """The one textual form, e.g. `concat(0; combine(m.conv1#0 @0 [16,3,3,3]), ...)`."""
    match expression:
        case Stored(tensor, shape):
            text = f"stored({word(tensor)} {_dims(shape)})"
        case Combine(slot, offset, shape):
            text = f"combine({word(slot)} @{offset} {_dims(shape)})"
        case Slice(of, shape):
            text = f"slice({text_of(of)} {_dims(shape)})"
        case Concat(axis, parts):
            text = f"concat({axis}; {', '.join(text_of(part) for part in parts)})"
        case Scale(of, outputs, inputs):
            text = f"scale({text_of(of)} by {word(outputs)}, {word(inputs)})"
        case Resize(of, shape, mode):
            text = f"resize({text_of(of)} {_dims(shape)} {word(mode)})"
        case Mix(of, by, start, shape, softmax):
            how = "softmax" if softmax else "by"
            text = f"mix({text_of(of)} @{start} {_dims(shape)} {how} {word(by)})"
        case Sum(parts):
            text = f"sum({', '.join(text_of(part) for part in parts)})"
        case Product(left, right, shape, factor):
            text = f"product({text_of(left)}, {text_of(right)} {_dims(shape)} times {factor})"
    return text


def _dims(shape: Shape) -> str:
    return "[" + ",".join(str(size) for size in shape) + "]"
