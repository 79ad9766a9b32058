"""Greedy channel search on a trained slimmable network.

Takes the channel numbers of a WRN, what a cut costs and saves, and limits of multiply-adds; gives channel numbers
within each limit. Source: Yu and Huang, AutoSlim, 2019. Guarantees: the same measures give the same numbers; a cut
takes the last channels of a group, as slices keep the first; the path to a smaller limit goes through the larger ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from math import inf, isnan

import torch
from attrs import define, frozen
from swc.program.training import Loss
from torch import Tensor, nn
from torch.func import functional_call

from swc_runtime.inputs import Inputs, tensors_of
from swc_runtime.members.modes import in_eval_mode, norms_of_the_batch
from swc_runtime.models.wrn import blocks_per_stage
from swc_runtime.precision import Arithmetic, laid_out
from swc_runtime.training.losses import LossFunction, loss_of
from swc_runtime.training.steps.losses import widened

Numbers = tuple[int, ...]  # channel numbers in the order of `swc_runtime.models.wrn`
PARTS = 8  # a cut takes one in so many of the channels that a group had at first


class OutOfReachError(ValueError):
    """A limit lies below what the smallest network takes, `least`."""

    def __init__(self, limit: int, least: int) -> None:
        self.limit = limit
        self.least = least
        super().__init__(f"no network has {limit:,} multiply-adds: the smallest takes {least:,}")


@frozen
class SlimmedChannels:
    """Channel numbers with what an image costs, and the loss with the weights that the slimmable network left them."""

    numbers: Numbers
    multiply_adds: int
    loss: float


@frozen
class ChannelGroup:
    """Places among the channel numbers that are cut together, `step` channels at a time."""

    places: tuple[int, ...]
    step: int


@frozen
class Measures:
    """What the search asks of channel numbers: the loss on some images, and the multiply-adds of one."""

    loss: Callable[[Numbers], float]
    cost: Callable[[Numbers], int]


def groups_of(numbers: Numbers) -> tuple[ChannelGroup, ...]:
    """One group for each number, but for the stem and the first stage where a sum without a shortcut ties them."""
    first = ((0, 1),) if numbers[0] == numbers[1] else ((0,), (1,))
    places = (*first, *((place,) for place in range(2, len(numbers))))
    return tuple(ChannelGroup(own, max(1, numbers[own[0]] // PARTS)) for own in places)


def cut(numbers: Numbers, group: ChannelGroup) -> Numbers | None:
    """The numbers with one step less in a group; None where nothing would be left of it.

    Where the stem would come to equal the first stage, which have a shortcut between them, one more channel goes: the
    network would lose the shortcut otherwise.
    """
    left = numbers[group.places[0]] - group.step
    if group.places in ((0,), (1,)) and left == numbers[1 - group.places[0]]:
        left -= 1
    if left < 1:
        return None
    return tuple(left if place in group.places else number for place, number in enumerate(numbers))


def smallest(numbers: Numbers) -> Numbers:
    """The numbers once every group is cut as often as can be."""
    for group in groups_of(numbers):
        while (less := cut(numbers, group)) is not None:
            numbers = less
    return numbers


def search(start: Numbers, measures: Measures, limits: Sequence[int]) -> tuple[SlimmedChannels, ...]:
    """For each limit of multiply-adds, from the largest down, the first network on the way that keeps within it.

    Each round cuts where the loss rises least for every multiply-add saved. OutOfReachError for a limit below the
    smallest network.
    """
    least = measures.cost(smallest(start))
    if min(limits) < least:
        raise OutOfReachError(min(limits), least)
    groups = groups_of(start)
    here = SlimmedChannels(start, measures.cost(start), measures.loss(start))
    found: list[SlimmedChannels] = []
    for limit in sorted(limits, reverse=True):
        while here.multiply_adds > limit:
            here = _cheapest(here, groups, measures, limit)
        found.append(here)
    return tuple(found)


def _cheapest(here: SlimmedChannels, groups: Sequence[ChannelGroup], measures: Measures, limit: int) -> SlimmedChannels:
    """The best cut of all; of equally good ones the first."""
    tried = [SlimmedChannels(less, measures.cost(less), measures.loss(less)) for less in _cuts(here.numbers, groups)]
    if not tried:
        raise OutOfReachError(limit, here.multiply_adds)
    return min(tried, key=lambda one: (one.loss - here.loss) / (here.multiply_adds - one.multiply_adds))


def _cuts(numbers: Numbers, groups: Sequence[ChannelGroup]) -> Iterator[Numbers]:
    return (less for less in (cut(numbers, group) for group in groups) if less is not None)


@define(eq=False, slots=False)
class Slimmer:
    """The measures of a WRN of this depth that is cut, on batches of images [B, C, H, W] and their targets.

    `criterion` gives the sum of losses over a batch, as the task of the targets has them; cross-entropy by default.
    Norms take the statistics of the batch at hand, as those that were kept belong to the uncut network; nothing is
    drawn, by dropout or otherwise.
    """

    module: nn.Module
    depth: int
    batches: Sequence[tuple[Inputs, Tensor]]
    arithmetic: Arithmetic
    criterion: LossFunction = loss_of(Loss.of())

    def measures(self) -> Measures:
        """What `search` asks."""
        return Measures(self.loss, self.cost)

    @cached_property
    def numbers(self) -> Numbers:
        """The channel numbers of the uncut network."""
        found = {
            place: size
            for name, tensor in self.module.state_dict().items()
            for size, place in zip(tensor.shape, self._axes(name.rpartition(".")[0], tensor), strict=False)
            if place is not None
        }
        return tuple(size for _, size in sorted(found.items()))

    def loss(self, numbers: Numbers) -> float:
        """The mean loss of the cut network on all images; infinite where it is not a number."""
        state = self.state(numbers)
        total = 0.0
        with torch.no_grad(), self.arithmetic.autocast(), norms_of_the_batch(self.module):
            for inputs, labels in self.batches:
                logits = functional_call(self.module, state, tensors_of(laid_out(inputs)))
                total += float(self.criterion(widened(logits), labels))
        mean = total / sum(len(labels) for _, labels in self.batches)
        return inf if isnan(mean) else mean

    def cost(self, numbers: Numbers) -> int:
        """The multiply-adds of one image."""
        weights = {path: self.module.get_submodule(path).get_parameter("weight") for path in self._areas}
        return sum(area * self._cut(path, weights[path], numbers).numel() for path, area in self._areas.items())

    def state(self, numbers: Numbers) -> dict[str, Tensor]:
        """The state of the network cut to these numbers: of every tensor a copy of the leading part."""
        state = self.module.state_dict().items()
        return {name: self._cut(name.rpartition(".")[0], tensor, numbers).clone() for name, tensor in state}

    def _cut(self, layer: str, tensor: Tensor, numbers: Numbers) -> Tensor:
        sizes = (None if place is None else numbers[place] for place in self._axes(layer, tensor))
        return tensor[tuple(slice(size) for size in sizes)] if tensor.dim() else tensor

    def _axes(self, layer: str, tensor: Tensor) -> tuple[int | None, ...]:
        """Which channel numbers the first axes of a layer's tensor are: of a bias and of what a norm keeps, one."""
        return self._places[layer][: tensor.dim()]

    @cached_property
    def _places(self) -> dict[str, tuple[int | None, ...]]:
        return places(self.depth)

    @cached_property
    def _areas(self) -> dict[str, int]:
        """By layer how often each of its weights is used for one image: a cut changes none of these."""
        found: dict[str, int] = {}

        def note(path: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
            return lambda _, inputs, output: found.update({path: output[0, 0].numel()})

        layers = [(path, m) for path, m in self.module.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        hooks = [layer.register_forward_hook(note(path)) for path, layer in layers]
        with torch.no_grad(), in_eval_mode(self.module):
            self.module(self.batches[0][0][:1])
        for hook in hooks:
            hook.remove()
        return found


def places(depth: int) -> dict[str, tuple[int | None, ...]]:
    """By layer which channel numbers its outputs and inputs are (None: neither), by their places."""
    num_blocks = blocks_per_stage(depth)
    found: dict[str, tuple[int | None, ...]] = {"conv1": (0, None)}
    inputs = 0
    for stage in range(3):
        outputs = 1 + stage * (1 + num_blocks)
        for block in range(num_blocks):
            path, inner = f"block{stage + 1}.{block}", outputs + 1 + block
            found |= {f"{path}.bn1": (inputs,), f"{path}.conv1": (inner, inputs)}
            found |= {f"{path}.bn2": (inner,), f"{path}.conv2": (outputs, inner)}
            found[f"{path}.shortcut"] = (outputs, inputs)
            inputs = outputs
    return found | {"bn": (inputs,), "fc": (None, inputs)}
