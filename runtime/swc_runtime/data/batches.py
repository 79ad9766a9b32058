"""Batches as pure functions of seed, phase, epoch and step.

Takes a split, gives inputs with labels: normalised images, or what else it holds. Guarantees: nothing is remembered
between batches, so a run taken up at any step sees the batches it would have seen; an image's augmentation does not
depend on its place in a batch. The last batch may be smaller; one of a single image is left out of training, because
BatchNorm has no variance of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from zlib import crc32

import numpy as np
import torch
from attrs import evolve, field, frozen
from torch import Tensor

from swc_runtime.data import keys
from swc_runtime.data.augment import Draw, Steps, augmented, normalised, reading_crops
from swc_runtime.data.keys import Hashes, Integers
from swc_runtime.data.mixing import mixed, mixing_steps, with_partner
from swc_runtime.data.requests import Reader, Request
from swc_runtime.data.shares import SMALLEST, WHOLE, Deal
from swc_runtime.data.splits import Split
from swc_runtime.inputs import Inputs, blank, moved, size_of

LabelledInputs = tuple[Inputs, Tensor]


@frozen(eq=False)
class OwnBatches:
    """What each network of this process sees in one step, in the order of the ensemble's networks."""

    by_network: tuple[LabelledInputs, ...]


def num_batches(num_images: int, batch: int) -> int:
    """The batches of a training epoch: all images, but for a last batch of a single one."""
    whole, rest = divmod(num_images, batch)
    return whole + (rest >= SMALLEST)


@frozen
class EpochPlan:
    """What the batches of an epoch are a function of, beside the examples of a split.

    `train` shuffles and augments; without it the same images come in the order of the files, as they are. Batches come
    from `start_step` on, to the `device`, and each rank has its `deal` of them.
    """

    augmentation: Steps
    batch: int
    seed: int
    phase: int
    epoch: int
    start_step: int = 0
    train: bool = field(default=True, kw_only=True)
    device: torch.device | str = field(default="cpu", kw_only=True)
    deal: Deal = field(default=WHOLE, kw_only=True)

    @property
    def place(self) -> tuple[int, int, int]:
        """Seed, phase and epoch, which all random numbers begin with."""
        return (self.seed, self.phase, self.epoch)

    @property
    def steps(self) -> Steps | None:
        """What is done to images; None where they come as they are."""
        return self.augmentation if self.train else None


def epoch_batches(split: Split, plan: EpochPlan) -> Iterator[LabelledInputs]:
    """The batches of one epoch: inputs, images float32 [B, C, H, W] or others, and labels [B].

    Where a step of augmentation mixes images, labels are float32 [B, classes]. ValueError for a batch below two images.
    """
    return batches_of(split, epoch_reads(split, plan))


@frozen(eq=False)
class BatchRead:
    """The samples of a batch with their crops, and what makes inputs with labels of them once they are read."""

    samples: Integers
    crops: Hashes | None
    finish: Callable[[Inputs], LabelledInputs]


def batches_of(split: Split, reads: Iterable[BatchRead]) -> Iterator[LabelledInputs]:
    """The batches of some reads, in their order; a split with a reader is asked for several ahead."""
    coming: deque[BatchRead] = deque()

    def requests() -> Iterator[Request]:
        for read in reads:
            coming.append(read)
            yield read.samples, read.crops

    for inputs in read_inputs(split, requests()):
        yield coming.popleft().finish(inputs)


def read_inputs(split: Split, requests: Iterable[Request]) -> Iterator[Inputs]:
    """The inputs of each request, in order, as they are read; by the reader of a split that has one."""
    reader: Reader | None = getattr(split, "reader", None)
    if reader is not None:
        return reader.read(requests)
    # one of several ranks may have no share of the last batch
    return (split.fetch(*request) if len(request[0]) else blank(split.facts, 0) for request in requests)


def epoch_reads(split: Split, plan: EpochPlan) -> Iterator[BatchRead]:
    """What the batches of `epoch_batches` are made of."""
    if plan.batch < SMALLEST:
        raise ValueError(f"a training batch needs at least {SMALLEST} images, not {plan.batch}")
    order, mixing = _order(len(split), plan), mixing_steps(plan.steps or ())
    for step in range(plan.start_step, num_batches(len(split), plan.batch)):
        whole = order[step * plan.batch : (step + 1) * plan.batch]
        share = plan.deal.share(len(whole))
        samples = with_partner(whole, share) if mixing else whole[share]
        read = _read(split, samples, plan.steps, plan.place, plan.device)
        if mixing and len(samples):
            number = int(keys.hashes(keys.base_of(*plan.place, keys.MIXING), np.array([step]))[0])
            mix = partial(_mixed, steps=mixing, number=number, num_classes=split.facts.num_classes)
            read = evolve(read, finish=_then(read.finish, partial(mix, size=len(whole[share]))))
        yield read


def _then(
    first: Callable[[Inputs], LabelledInputs], second: Callable[[LabelledInputs], LabelledInputs]
) -> Callable[[Inputs], LabelledInputs]:
    return lambda inputs: second(first(inputs))


def _mixed(made: LabelledInputs, steps: Steps, number: int, num_classes: int, size: int) -> LabelledInputs:
    """The last `size` images of a batch, mixed, with labels [B, classes]."""
    images, labels = made
    assert isinstance(images, Tensor), "images are one tensor"
    images, labels = mixed(images, labels, steps, number, num_classes)
    return images[-size:], labels[-size:]


def own_batches(split: Split, by_network: Sequence[Iterable[BatchRead]]) -> Iterator[OwnBatches]:
    """The steps of an epoch in which every network sees batches of its own, all of one length."""
    made = batches_of(split, (read for step in zip(*by_network, strict=True) for read in step))
    while drawn := tuple(islice(made, len(by_network))):
        yield OwnBatches(drawn)


def own_seed(seed: int, member: str) -> int:
    """The seed of the order and augmentation that a network has of its own, by the name of the member that holds it."""
    return keys.base_of(seed, crc32(member.encode()), 0, keys.MEMBER)


def test_batches(split: Split, batch: int, device: torch.device | str = "cpu") -> Iterator[LabelledInputs]:
    """Every example once, in order, images normalised: inputs with labels [B]."""
    places = (np.arange(start, min(start + batch, len(split))) for start in range(0, len(split), batch))
    return batches_of(split, (_read(split, samples, None, (0, 0, 0), device) for samples in places))


def _order(size: int, plan: EpochPlan) -> Integers:
    if not plan.train:
        return np.arange(size, dtype=np.int64)
    return keys.permutation(keys.base_of(*plan.place, keys.ORDER), size)


def _read(
    split: Split,
    samples: Integers,
    augmentation: Steps | None,
    place: tuple[int, int, int],
    device: torch.device | str,
) -> BatchRead:
    def draw(purpose: int) -> Hashes:
        return keys.hashes(keys.base_of(*place, purpose), samples)

    def finish(fetched: Inputs) -> LabelledInputs:
        labels = split.labels[torch.from_numpy(samples).to(split.labels.device)].to(device)
        return _finished(split, moved(fetched, device), augmentation, draw), labels

    crops = None if augmentation is None or len(samples) == 0 else reading_crops(augmentation, draw)
    return BatchRead(samples, crops, finish)


def _finished(split: Split, fetched: Inputs, augmentation: Steps | None, draw: Draw) -> Inputs:
    if not split.facts.are_images or size_of(fetched) == 0:
        return fetched
    assert isinstance(fetched, Tensor), "images are one tensor"
    if augmentation is None:
        return normalised(fetched, split.facts)
    return augmented(fetched, augmentation, draw, split.facts)
