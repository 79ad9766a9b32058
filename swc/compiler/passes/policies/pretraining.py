"""How layers of `shapeshifter` are pretrained, before it is known which of them belong in one group.

All layers of the block, whatever their shapes, mix the same templates of one bank: the softmax of a layer's own vector
says how much it takes of each, and the sum is up-sampled or down-sampled to the layer's shape. What layers took can so
be compared, and those that took alike are put in a group. Source: paper, supplementary section 1.1.1.

Guarantees: every layer reads the same scalars as template t, whatever its kernel, for a template is a whole number of
kernels of every size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isqrt, lcm, log, prod

from attrs import frozen

from swc.compiler.ir.graph import Layer, Tensor, Weight
from swc.compiler.passes.policies.policy import Room
from swc.compiler.passes.policies.stored import common_fan_in
from swc.diagnostics.catalogue.policies import BankTooSmall
from swc.program.expressions import Mix, Resize, Shape, Stored, num_scalars
from swc.program.spec import Share

NUM_TEMPLATES = 4


@frozen
class PretrainingBank:
    """The one bank: its id, and its templates of `kernels` x `side`^2 scalars each.

    `kernels` is a common multiple of the sizes of all kernels; `side` is 0 where there is no room for a bank.
    """

    id: str
    kernels: int
    side: int

    @classmethod
    def of(cls, layers: Sequence[Layer], room: Room | None) -> PretrainingBank:
        """The largest bank that the room holds, or one of what the layers would own where it is unlimited."""
        kernels = lcm(*(prod(layer.shape[2:]) for layer in layers))
        return cls(bank_id(layers[0].share), kernels, isqrt(_scalars(layers, room) // (NUM_TEMPLATES * kernels)))

    @property
    def size(self) -> int:
        """Scalars in all templates."""
        return NUM_TEMPLATES * self.kernels * self.side**2

    def template_for(self, shape: Shape) -> Shape:
        """A template as a layer of this shape reads it: of its kernel, outputs and inputs about in its proportion."""
        # Kernels of 3x3 and 1x1 make `kernels` 9. A 3x3 layer reads a template of side s as s x s; a 1x1 layer as 9 s^2
        # scalars, for which 1 x 9, 3 x 3 and 9 x 1 (times s) are possible: 64x32 wants sqrt(18) = 4.2 outputs, and 3 is
        # nearest in ratio.
        across = self.kernels // prod(shape[2:])
        divisors = [number for number in range(1, across + 1) if across % number == 0]
        wanted = log(across * shape[0] / shape[1]) / 2
        outputs = min(divisors, key=lambda number: abs(log(number) - wanted))
        return (outputs * self.side, across // outputs * self.side, *shape[2:])


def bank_id(share: int) -> str:
    """The id of the one bank of a share block, by the block's number."""
    return f"bank/{share}"


def complaints(layers: Sequence[Layer], share: Share, room: Room | None) -> tuple[BankTooSmall, ...]:
    """There must be room for templates of one kernel at least."""
    bank = PretrainingBank.of(layers, room)
    if bank.side:
        return ()
    needed = NUM_TEMPLATES * bank.kernels
    scalars = _scalars(layers, room)
    return (BankTooSmall(span=share.span, group="all", layer=layers[0].id, size=scalars, needed=needed),)


def tensors(layers: Sequence[Layer], room: Room | None) -> Iterator[Tensor]:
    """The bank, which suits its largest layer, and a vector for each layer."""
    bank = PretrainingBank.of(layers, room)
    yield Tensor(bank.id, (bank.size,), common_fan_in(layers))
    for layer in layers:
        yield Tensor(coefficients_id(layer), (NUM_TEMPLATES,), 1, "direction", "coefficients")


def weights(layers: Sequence[Layer], stored: Sequence[Tensor], mode: str) -> Iterator[Weight]:
    """Every template mixed and resized, for each layer."""
    kernels = lcm(*(prod(layer.shape[2:]) for layer in layers))
    name = bank_id(layers[0].share)
    (size,) = next(tensor.shape for tensor in stored if tensor.id == name)
    bank = PretrainingBank(name, kernels, isqrt(size // (NUM_TEMPLATES * kernels)))
    for layer in layers:
        read = bank.template_for(layer.shape)
        mix = Mix(Stored(name, (size,)), coefficients_id(layer), 0, read, softmax=True)
        yield Weight(layer.id, mix if read == layer.shape else Resize(mix, layer.shape, mode))


def coefficients_id(layer: Layer) -> str:
    """The id of the numbers by which a layer mixes templates of its bank."""
    return f"{layer.id}/coefficients"


def _scalars(layers: Sequence[Layer], room: Room | None) -> int:
    """What there is for the bank."""
    if room is None:
        return sum(num_scalars(layer.shape) for layer in layers)
    paid = NUM_TEMPLATES * len(layers) if room.pays_coefficients else 0
    return max(0, room.scalars - paid)
