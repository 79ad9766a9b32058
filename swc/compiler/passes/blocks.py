"""Cutting a cluster's shapes into levels: pure geometry, before any node exists.

Takes distinct weight shapes (outputs, inputs, kernel...) of one kernel; gives a `Plan`: the levels, and for each
shape the levels it uses and the weight expression over them. Guarantees: a shape's blocks cover its weight exactly
once; a level is never empty; the order is settled by element count, then outputs, then inputs.
Source: authors' release for `chain`; `grid` is this project's. See docs/explanation/method.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from attrs import frozen

from swc.compiler.ir.graph import Piece
from swc.program.expressions import Combine, Concat, Expression, Shape, Slice, num_scalars


@frozen
class Cut:
    """One level: its pieces, and the leading part of earlier levels that survives it (None: all of it)."""

    pieces: tuple[Piece, ...]
    keep: tuple[int, int] | None = None

    @property
    def size(self) -> int:
        """The scalars of one template of this level."""
        return sum(num_scalars(piece.shape) for piece in self.pieces)


@frozen
class Plan:
    """The levels of a cluster, and for each of its shapes the numbers of the levels it uses, rising."""

    blocks: str
    cuts: tuple[Cut, ...]
    uses: tuple[tuple[Shape, tuple[int, ...]], ...]

    @property
    def minimum(self) -> int:
        """The scalars of one template for each level."""
        return sum(cut.size for cut in self.cuts)

    def levels_by_shape(self) -> dict[Shape, tuple[int, ...]]:
        """The uses as a mapping."""
        return dict(self.uses)


def in_order(shapes: Iterable[Shape]) -> tuple[Shape, ...]:
    """The distinct shapes by element count, then outputs, then inputs."""
    return tuple(sorted(set(shapes), key=lambda shape: (num_scalars(shape), shape)))


def chain(shapes: Iterable[Shape]) -> Plan:
    """Each shape appends to the one before it what it needs beyond it, after a crop where it is narrower."""
    # 16x16, 32x16 and 32x32 (times a kernel) give three levels: 16x16 at the origin; 16x16 below it, for outputs 16 to
    # 31; 32x16 beside both, for inputs 16 to 31. A layer of 32x16 uses the first two.
    ordered = in_order(shapes)
    first = Cut((Piece(ordered[0], (0, 0)),))
    cuts = (first, *(_appended(built, wanted) for built, wanted in pairwise(ordered)))
    uses = tuple((shape, tuple(range(place + 1))) for place, shape in enumerate(ordered))
    return Plan("chain", cuts, uses)


def _appended(built: Shape, wanted: Shape) -> Cut:
    """What `wanted` adds to a tensor of shape `built` of the same kernel, along inputs first, then along outputs."""
    (old_outputs, old_inputs), (outputs, inputs, *kernel) = built[:2], wanted
    # After 64x16 comes 48x32 (more scalars, fewer outputs): outputs 48 to 63 are cropped, so `keep` is (48, 16), and
    # the one piece is 48x16 at input 16.
    kept = (min(old_outputs, outputs), min(old_inputs, inputs))
    pieces: list[Piece] = []
    if inputs > old_inputs:
        pieces.append(Piece((kept[0], inputs - old_inputs, *kernel), (0, old_inputs)))
    if outputs > old_outputs:
        pieces.append(Piece((outputs - old_outputs, inputs, *kernel), (old_outputs, 0)))
    return Cut(tuple(pieces), None if kept == (old_outputs, old_inputs) else kept)


def grid(shapes: Iterable[Shape]) -> Plan:
    """Cut the union of the shapes at all their edges; a level is a cell, and a shape uses the cells inside it."""
    # 2x3 and 4x1 cut the plane at outputs 2, 4 and inputs 1, 3. 4x1 uses the cells that end at (2, 1) and (4, 1), 2x3
    # those that end at (2, 1) and (2, 3). No shape holds the fourth, at (4, 3), so it is not a level.
    ordered = in_order(shapes)
    cells = _cells(ordered)
    places: dict[tuple[int, int], int] = {}
    for shape in ordered:
        for corner in _inside(cells, shape):
            places.setdefault(corner, len(places))
    cuts = tuple(Cut((cells[corner],)) for corner in places)
    uses = tuple((shape, tuple(sorted(places[corner] for corner in _inside(cells, shape)))) for shape in ordered)
    return Plan("grid", cuts, uses)


_Cells = dict[tuple[int, int], Piece]


def _cells(shapes: Sequence[Shape]) -> _Cells:
    """All cells of the bounding grid by their far corner (outputs, inputs), in the order of the corners."""
    kernel = shapes[0][2:]
    rows = [0, *sorted({shape[0] for shape in shapes})]
    columns = [0, *sorted({shape[1] for shape in shapes})]
    return {
        (bottom, right): Piece((bottom - top, right - left, *kernel), (top, left))
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    }


def _inside(cells: _Cells, shape: Shape) -> list[tuple[int, int]]:
    return [corner for corner in cells if corner[0] <= shape[0] and corner[1] <= shape[1]]


BLOCKS: dict[str, Callable[[Iterable[Shape]], Plan]] = {"chain": chain, "grid": grid}


@frozen
class SlotBlocks:
    """A slot with the blocks of its level, ready to be placed in a layer's weight."""

    slot: str
    pieces: tuple[Piece, ...]
    keep: tuple[int, int] | None


def chain_expression(slots: Sequence[SlotBlocks]) -> Expression:
    """The weight of a layer that uses these levels of a chain, from the innermost out."""
    built: Expression | None = None
    for slot in slots:
        built = _append(built, slot)
    assert built is not None, "a layer uses at least one level"
    return built


def _append(built: Expression | None, slot: SlotBlocks) -> Expression:
    # Pieces lie one behind the other in the slot's SuperWeight; a piece whose origin has outputs goes below what is
    # built.
    kernel, offset = slot.pieces[0].shape[2:], 0
    if built is not None and slot.keep is not None:
        built = Slice(built, (*slot.keep, *kernel))
    for piece in slot.pieces:
        block = Combine(slot.slot, offset, piece.shape)
        axis = 0 if piece.origin[0] > 0 else 1
        built = block if built is None else Concat(axis, (built, block))
        offset += num_scalars(piece.shape)
    assert built is not None, "a level has at least one piece"
    return built


def grid_expression(slots: Sequence[SlotBlocks]) -> Expression:
    """The weight of a layer made of grid cells: rows of cells joined along the inputs, then along the outputs."""
    rows: dict[int, list[tuple[int, Expression]]] = {}
    for slot in slots:
        (piece,) = slot.pieces
        rows.setdefault(piece.origin[0], []).append((piece.origin[1], Combine(slot.slot, 0, piece.shape)))
    strips = [_joined(1, [cell for _, cell in sorted(rows[top], key=lambda row: row[0])]) for top in sorted(rows)]
    return _joined(0, strips)


def _joined(axis: int, parts: Sequence[Expression]) -> Expression:
    return parts[0] if len(parts) == 1 else Concat(axis, tuple(parts))


EXPRESSIONS: dict[str, Callable[[Sequence[SlotBlocks]], Expression]] = {
    "chain": chain_expression,
    "grid": grid_expression,
}
