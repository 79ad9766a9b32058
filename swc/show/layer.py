"""`swc show --layer MEMBER.PATH`: how one weight is composed, block by block.

Takes a graph and a layer's name, gives a rich renderable. Raises DiagnosticError for a name nobody has.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from swc.compiler.ir.counts import discarded
from swc.compiler.ir.graph import Graph, Layer, Piece, Private, Slot
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.show import NoSuchLayer
from swc.diagnostics.suggest import closest
from swc.program.expressions import Expression, Placement, num_scalars, placements, slots_of, tensors_of, text_of
from swc.show.index import Index, index_of
from swc.show.plain import table
from swc.show.wording import exact, gain_text, shape_text, share_of

COMPOSING = "Combine", "Slice", "Concat"


def layer_view(graph: Graph, name: str) -> RenderableType:
    """How a parameter (`name` is its layer's id, or `member.` and its full name) is made, or why it stays private."""
    index = index_of(graph)
    named = {f"{layer.member}.{layer.parameter}": layer for layer in graph.layers} | index.layers
    if name in named:
        return _shared(index, named[name])
    below = tuple(layer for id_, layer in index.layers.items() if id_.startswith(f"{name}."))
    private = private_of(graph, name)
    if below or private:
        return Group(*([_below(index, below), Text()] if below else []), *([_private(private)] if private else []))
    candidates = [*index.layers, *(f"{p.member}.{p.path}" for p in graph.private)]
    raise DiagnosticError(NoSuchLayer(name=name, ensemble=graph.ensemble, suggestion=closest(name, candidates)))


def _below(index: Index, layers: tuple[Layer, ...]) -> RenderableType:
    made = table("layer", "shape", ">scalars", "cluster")
    for layer in layers:
        cluster = index.cluster_of_layer.get(layer.id)
        shared = f"{cluster.id}  {cluster.label}" if cluster else "-"
        made.add_row(layer.id, shape_text(layer.shape), exact(num_scalars(layer.shape)), shared)
    return made


def private_of(graph: Graph, name: str) -> tuple[Private, ...]:
    """The private parameters called `name`, or below it."""
    return tuple(p for p in graph.private if f"{p.member}.{p.path}.".startswith(name + "."))


def _private(private: tuple[Private, ...]) -> RenderableType:
    made = table("parameter", "shape", ">scalars", "stays private because of")
    for p in private:
        made.add_row(f"{p.member}.{p.path}", shape_text(p.shape), exact(num_scalars(p.shape)), _why(p))
    return made


def _why(private: Private) -> str:
    return f"{private.reason}; begins like that of {private.like}" if private.like else private.reason


def _shared(index: Index, layer: Layer) -> RenderableType:
    expression = index.expressions.get(layer.id)
    parts: list[RenderableType] = [*_head(index, layer)]
    if expression is None:
        return Group(*parts, Text("its weight is not composed yet"))
    if slots_of(expression):
        parts += [Text(), slot_table(index, layer)]
    if is_of_blocks(expression):
        parts += [Text(), block_table(index, expression)]
    for tensor in tensors_of(expression):
        parts.append(Text(f"reads the stored tensor {tensor}"))
    parts += _tail(index, layer, expression)
    return Group(*parts)


def _head(index: Index, layer: Layer) -> Iterable[Text]:
    yield Text(layer.id, style="bold")
    yield Text(
        f"layer {layer.index} of {layer.member}, {layer.kind}, {shape_text(layer.shape)}: "
        f"{exact(num_scalars(layer.shape))} scalars"
    )
    cluster = index.cluster_of_layer.get(layer.id)
    if cluster:
        others = len(cluster.layers) - 1
        company = f"with {others} other layer{'s' * (others != 1)}" if others else "alone"
        yield Text(f"cluster {cluster.id} ({cluster.label}), {company}")


def slot_table(index: Index, layer: Layer) -> Table:
    """One row for each SuperWeight of a layer: its bank, its coefficients and with whom they are shared.

    Where any slot of the graph has a gain, each tells its own.
    """
    gains = [">gain"] if index.has_gains else []
    made = table("slot", "bank", ">templates", ">of size", *gains, "coefficients", "shared with")
    for slot in index.slots_of_layer.get(layer.id, ()):
        bank = index.banks[slot.bank]
        made.add_row(
            slot.id.removeprefix(layer.id),
            bank.id,
            exact(bank.num_templates),
            exact(bank.template_size),
            *([gain_text(slot.gain)] if gains else []),
            slot.coefficient,
            _company(index, slot),
        )
    return made


def _company(index: Index, slot: Slot) -> str:
    others = [other.layer for other in index.slots_of_coefficient[slot.coefficient] if other.id != slot.id]
    if not others:
        return "nobody"
    return ", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else "")


def block_table(index: Index, expression: Expression) -> Table:
    """One row for each block: where it stands in the weight, how much of it is seen, and how much is cut off."""
    made = table("block of", "shape", "at output, input", "seen", ">discarded")
    seen = placements(expression)
    for slot in slots_of(expression):
        for block, piece in _blocks(index, slot, seen):
            made.add_row(index.slots[slot].bank, shape_text(piece.shape), *_seen(block, piece))
    return made


def _blocks(index: Index, slot: str, seen: tuple[Placement, ...]) -> Iterable[tuple[Placement | None, Piece]]:
    """The pieces of a slot's level, each with its place in this weight (None where nothing of it is left)."""
    start = 0
    by_offset = {block.offset: block for block in seen if block.slot == slot}
    for piece in index.levels[index.slots[slot].bank].pieces:
        yield by_offset.get(start), piece
        start += num_scalars(piece.shape)


def _seen(block: Placement | None, piece: Piece) -> tuple[str, str, str]:
    if block is None:
        return "-", "nothing", exact(num_scalars(piece.shape))
    cut = num_scalars(piece.shape) - num_scalars(block.visible)
    return f"{block.origin[0]}, {block.origin[1]}", shape_text(block.visible), exact(cut)


def is_of_blocks(expression: Expression) -> bool:
    """Whether the weight is made of blocks of templates alone."""
    if type(expression).__name__ not in COMPOSING or tensors_of(expression):
        return False
    try:
        return bool(placements(expression))
    except ValueError:  # a scaled or resized part
        return False


def _tail(index: Index, layer: Layer, expression: Expression) -> Iterable[Text]:
    generated = sum(index.banks[slot.bank].template_size for slot in index.slots_of_layer.get(layer.id, ()))
    lost = discarded(index.graph)[layer.id]
    yield Text()
    if generated:
        yield Text(f"generated {exact(generated)} scalars, discarded {exact(lost)} ({share_of(lost, generated)})")
    yield Text(f"expression {text_of(expression)}")
