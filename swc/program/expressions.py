"""Weight expressions: what a layer's weight is, over stored tensors and SuperWeights.

A closed sum type. Shapes are torch's: (outputs, inputs, kernel...) for convolutions, (outputs, inputs) for linear
layers. Axis 0 is the outputs, axis 1 the inputs. Guarantees: an expression is plain data; `shape_of` and
`placements` read it, nothing else needs to walk it.
"""

from __future__ import annotations

from math import prod

from attrs import evolve, frozen

from swc.program.words import word

Shape = tuple[int, ...]


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
    """A tensor times a rank-one modulation: outputs scaled by `outputs`, inputs by `inputs` (stored vectors)."""

    of: Expression
    outputs: str
    inputs: str


@frozen
class Resize:
    """A stored bank resized to `shape` by `mode` (bilinear, repeat, mask, average)."""

    of: Expression
    shape: Shape
    mode: str


Expression = Stored | Combine | Slice | Concat | Scale | Resize


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
    match expression:
        case Concat(axis, parts):
            return _joined(axis, tuple(shape_of(part) for part in parts))
        case Slice(of, shape):
            return _checked_slice(shape_of(of), shape)
        case Scale(of, _, _):
            return shape_of(of)
        case Stored() | Combine() | Resize():
            return expression.shape


def _joined(axis: int, shapes: tuple[Shape, ...]) -> Shape:
    first = shapes[0]
    if any(s[:axis] + s[axis + 1 :] != first[:axis] + first[axis + 1 :] for s in shapes):
        raise ValueError(f"cannot join {shapes} along axis {axis}: the other axes differ")
    return (*first[:axis], sum(s[axis] for s in shapes), *first[axis + 1 :])


def _checked_slice(inner: Shape, shape: Shape) -> Shape:
    if len(inner) != len(shape) or any(want > have for want, have in zip(shape, inner, strict=True)):
        raise ValueError(f"cannot take {shape} out of {inner}")
    return shape


def placements(expression: Expression) -> tuple[Placement, ...]:
    """The visible blocks of an expression made of combine, concat and slice; ValueError for any other."""
    match expression:
        case Combine(slot, offset, shape):
            return (Placement(slot, offset, shape, shape, (0, 0)),)
        case Slice(of, shape):
            return tuple(cut for p in placements(of) if (cut := _clipped(p, shape)) is not None)
        case Concat(axis, parts):
            return _shifted(axis, parts)
        case _:
            raise ValueError(f"{type(expression).__name__} has no blocks of templates")


def _clipped(block: Placement, shape: Shape) -> Placement | None:
    outputs = min(block.visible[0], shape[0] - block.origin[0])
    inputs = min(block.visible[1], shape[1] - block.origin[1])
    if outputs <= 0 or inputs <= 0:
        return None
    return evolve(block, visible=(outputs, inputs, *block.visible[2:]))


def _shifted(axis: int, parts: tuple[Expression, ...]) -> tuple[Placement, ...]:
    placed: list[Placement] = []
    start = 0
    for part in parts:
        shift = (start, 0) if axis == 0 else (0, start)
        placed += [evolve(p, origin=(p.origin[0] + shift[0], p.origin[1] + shift[1])) for p in placements(part)]
        start += shape_of(part)[axis]
    return tuple(placed)


def num_scalars(shape: Shape) -> int:
    """How many scalars a tensor of this shape holds."""
    return prod(shape)


def slots_of(expression: Expression) -> tuple[str, ...]:
    """The ids of the slots an expression reads, each once, in order of first use."""
    match expression:
        case Combine(slot, _, _):
            return (slot,)
        case Slice(of, _) | Scale(of, _, _) | Resize(of, _, _):
            return slots_of(of)
        case Concat(_, parts):
            return tuple(dict.fromkeys(slot for part in parts for slot in slots_of(part)))
        case Stored():
            return ()


def tensors_of(expression: Expression) -> tuple[str, ...]:
    """The ids of the stored tensors an expression reads, each once, in order of first use."""
    match expression:
        case Stored(tensor, _):
            return (tensor,)
        case Slice(of, _) | Resize(of, _, _):
            return tensors_of(of)
        case Scale(of, outputs, inputs):
            return tuple(dict.fromkeys((*tensors_of(of), outputs, inputs)))
        case Concat(_, parts):
            return tuple(dict.fromkeys(tensor for part in parts for tensor in tensors_of(part)))
        case Combine():
            return ()


def text_of(expression: Expression) -> str:
    """The one textual form, e.g. `concat(0; combine(m.conv1#0 @0 [16,3,3,3]), ...)`."""
    match expression:
        case Stored(tensor, shape):
            return f"stored({word(tensor)} {_dims(shape)})"
        case Combine(slot, offset, shape):
            return f"combine({word(slot)} @{offset} {_dims(shape)})"
        case Slice(of, shape):
            return f"slice({text_of(of)} {_dims(shape)})"
        case Concat(axis, parts):
            return f"concat({axis}; {', '.join(text_of(part) for part in parts)})"
        case Scale(of, outputs, inputs):
            return f"scale({text_of(of)} by {word(outputs)}, {word(inputs)})"
        case Resize(of, shape, mode):
            return f"resize({text_of(of)} {_dims(shape)} {word(mode)})"


def _dims(shape: Shape) -> str:
    return "[" + ",".join(str(size) for size in shape) + "]"
