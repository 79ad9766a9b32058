"""The policy `shapeshifter`: layers of any shape are mixed from pieces of one flat bank for each group.

Shapeshifter networks (Plummer et al., 2022); paper, section 4 and supplementary section 1.1.1. Takes the groups from
`clusters`, which a pretraining phase may have found. Guarantees: the banks have sizes in proportion to what their
groups' layers would own, and together the size of the room, less what no layer could read; every layer of every member
has coefficients of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isqrt, prod

from attrs import frozen

from swc.compiler.ir.graph import Graph, Layer, Tensor, Weight
from swc.compiler.passes.budget import apportioned
from swc.compiler.passes.clustering import LayerGroup, mixed_groups
from swc.compiler.passes.policies import pretraining
from swc.compiler.passes.policies.policy import Room
from swc.compiler.passes.policies.pretraining import bank_id, coefficients_id
from swc.compiler.passes.policies.stored import common_fan_in
from swc.diagnostics import Diagnostic, Sink
from swc.diagnostics.catalogue.policies import BanksTooLarge, BankTooSmall
from swc.program.expressions import Expression, Mix, Resize, Shape, Stored, num_scalars
from swc.program.spec import Share

MOST_TEMPLATES = 8
LEFT_OVER = 0.01  # a smaller part of the room may be left over without a word


@frozen
class ShapeShifter:
    """Mixed pieces of flat banks, up-sampled where a layer is larger than its bank."""

    name: str = "shapeshifter"
    composes: bool = True
    has_banks: bool = False
    fills_room: bool = True
    least_dims: int = 2

    def complaints(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Diagnostic, ...]:
        """Every group must hold layers, and every bank at least what its layers cannot do without."""
        if share.clusters.kind == "pretraining":
            return pretraining.complaints(layers, share, room)
        sink = Sink()
        groups = mixed_groups(layers, share.clusters, sink)
        if sink.errors:
            return tuple(sink.diagnostics)
        shares = _shares(groups, room)
        return (*sink.diagnostics, *_too_small(groups, shares, share), *_too_large(groups, shares, share))

    def tensors(self, layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[Tensor, ...]:
        """The banks, each with the coefficients of its layers behind it."""
        if share.clusters.kind == "pretraining":
            return tuple(pretraining.tensors(layers, room))
        groups = _groups(layers, share)
        return tuple(
            tensor
            for number, (group, size) in enumerate(zip(groups, _shares(groups, room), strict=True))
            for tensor in _stored(group, _bank_id(layers, number), _reached(group, size))
        )

    def weights(self, graph: Graph, layers: Sequence[Layer], share: Share) -> tuple[Weight, ...]:
        """What each layer reads of its group's bank."""
        sizes = {tensor.id: num_scalars(tensor.shape) for tensor in graph.tensors}
        mode = str(dict(share.arguments)["upsample"])
        if share.clusters.kind == "pretraining":
            return tuple(pretraining.weights(layers, graph.tensors, mode))
        found: dict[str, Expression] = {}
        for number, group in enumerate(_groups(layers, share)):
            bank = Stored(name := _bank_id(layers, number), (sizes[name],))
            for layer, start in zip(group.layers, _starts(group, sizes[name]), strict=True):
                found[layer.id] = _weight(layer, bank, start, mode)
        return tuple(Weight(layer.id, found[layer.id]) for layer in layers)


def _groups(layers: Sequence[Layer], share: Share) -> tuple[LayerGroup, ...]:
    return mixed_groups(layers, share.clusters, Sink())


def _bank_id(layers: Sequence[Layer], number: int) -> str:
    return f"{bank_id(layers[0].share)}.{number}"


def num_templates(layer: Layer, bank: int) -> int:
    """How many templates of its own size a layer takes from a bank; one where the bank is smaller than the layer."""
    return max(1, min(bank // num_scalars(layer.shape), MOST_TEMPLATES))


def _shares(groups: Sequence[LayerGroup], room: Room | None) -> tuple[int, ...]:
    """Each group's part of what there is for banks; of an unlimited budget what its layers would own."""
    natives = [sum(num_scalars(layer.shape) for layer in group.layers) for group in groups]
    if room is None:
        return tuple(natives)
    return apportioned(_most_for_banks(groups, natives, room), natives)


def _most_for_banks(groups: Sequence[LayerGroup], natives: Sequence[int], room: Room) -> int:
    """All scalars of the room, or as many as leave enough to pay the coefficients: larger banks need more of them."""
    if not room.pays_coefficients:
        return room.scalars
    # Bisection: larger banks hold more templates of a layer's size, so that coefficients grow with the banks. `low`
    # always fits, whatever the rounding of the parts does.
    low, high = 0, room.scalars
    while low < high:
        tried = (low + high + 1) // 2
        needed = tried + _num_coefficients(groups, apportioned(tried, natives))
        low, high = (tried, high) if needed <= room.scalars else (low, tried - 1)
    return low


def _num_coefficients(groups: Sequence[LayerGroup], sizes: Sequence[int]) -> int:
    pairs = zip(groups, sizes, strict=True)
    return sum(num_templates(layer, size) for group, size in pairs for layer in group.layers)


def _reached(group: LayerGroup, size: int) -> int:
    """How much of a bank of `size` its layers read when each begins where the last one ended."""
    # A bank of 100 with layers of 9 and 6 scalars, eight templates each at most: 72 + 48 = 120 scalars reach its end.
    # With the second layer alone 48 are read, and the other 52 would only be stored.
    if any(num_scalars(layer.shape) > size for layer in group.layers):
        return size
    return min(size, sum(num_templates(layer, size) * num_scalars(layer.shape) for layer in group.layers))


def _starts(group: LayerGroup, bank: int) -> Iterator[int]:
    """Where each layer's first template begins; layers that are larger than the bank read it from its beginning."""
    # A bank of 10, layers of 4 and 3 scalars: the first mixes 2 templates from 0 on, the second 3 from 8 on, round the
    # end to 6.
    place = 0
    for layer in group.layers:
        size = num_scalars(layer.shape)
        yield place if size <= bank else 0
        if size <= bank:
            place = (place + num_templates(layer, bank) * size) % bank


def _stored(group: LayerGroup, bank: str, size: int) -> Iterator[Tensor]:
    """The bank, which suits its largest layer; then the coefficients, each layer's of norm one."""
    yield Tensor(bank, (size,), common_fan_in(group.layers))
    for layer in group.layers:
        yield Tensor(coefficients_id(layer), (num_templates(layer, size),), 1, "direction", "coefficients")


def _weight(layer: Layer, bank: Stored, start: int, mode: str) -> Expression:
    (size,) = bank.shape
    by = coefficients_id(layer)
    if num_scalars(layer.shape) <= size:
        return Mix(bank, by, start, layer.shape)
    read = (size,) if mode == "repeat" else largest_within(layer.shape, size)
    return Resize(Mix(bank, by, start, read), layer.shape, mode)


def largest_within(shape: Shape, size: int) -> Shape:
    """A shape of the same kernel, and of outputs and inputs in about the same proportion, of at most `size` scalars."""
    # 8x4x3x3 within 100 scalars: 11 kernels of 9. The proportion 2:1 wants sqrt(22) = 4 outputs, so 4x2 or 5x2:
    # 5x2x3x3.
    pairs = size // prod(shape[2:])
    most = min(shape[0], pairs)
    outputs = min(most, max(1, isqrt(pairs * shape[0] // shape[1])))
    tried = [(number, min(shape[1], pairs // number)) for number in (outputs, outputs + 1) if number <= most]
    return (*max(tried, key=prod), *shape[2:])


def _too_small(groups: Sequence[LayerGroup], sizes: Sequence[int], share: Share) -> Iterator[Diagnostic]:
    mode = dict(share.arguments)["upsample"]
    for group, size in zip(groups, sizes, strict=True):
        needed, layer = max(((_least(layer, size, str(mode)), layer) for layer in group.layers), key=lambda row: row[0])
        if size < needed:
            yield BankTooSmall(span=share.span, group=group.label, layer=layer.id, size=size, needed=needed)


def _least(layer: Layer, bank: int, mode: str) -> int:
    """What a bank must hold for a layer: one scalar, or a kernel where it is up-sampled over outputs and inputs."""
    return 1 if mode == "repeat" or num_scalars(layer.shape) <= bank else prod(layer.shape[2:])


def _too_large(groups: Sequence[LayerGroup], sizes: Sequence[int], share: Share) -> Iterator[Diagnostic]:
    used = sum(_reached(group, size) for group, size in zip(groups, sizes, strict=True))
    if sum(sizes) - used > LEFT_OVER * sum(sizes):
        yield BanksTooLarge(span=share.span, used=used, size=sum(sizes))
