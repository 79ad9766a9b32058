"""Batches as pure functions of seed, phase, epoch and step.

Takes a split, gives inputs with labels: normalised images, or what else it holds. Guarantees: nothing is remembered
between batches, so a run taken up at any step sees the batches it would have seen; an image's augmentation does not
depend on its place in a batch. The last batch may be smaller; one of a single image is left out of training, because
BatchNorm has no variance of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np
import torch
from attrs import frozen
from torch import Tensor

from swc_runtime.data import keys
from swc_runtime.data.augment import Draw, Steps, augmented, normalised, reading_crops
from swc_runtime.data.keys import Hashes, Integers
from swc_runtime.data.mixing import mixed, mixing_steps, with_partner
from swc_runtime.data.shares import SMALLEST, WHOLE, Deal
from swc_runtime.data.splits import Split
from swc_runtime.inputs import Inputs, blank, moved

LabelledInputs = tuple[Inputs, Tensor]


@frozen(eq=False)
class OwnBatches:
    """What each network of this process sees in one step, in the order of the ensemble's networks."""

    by_network: tuple[LabelledInputs, ...]


def num_batches(num_images: int, batch: int) -> int:
    """The batches of a training epoch: all images, but for a last batch of a single one."""
    whole, rest = divmod(num_images, batch)
    return whole + (rest >= SMALLEST)


def epoch_batches(  # noqa: PLR0913 - the eight values are what a batch is a function of
    split: Split,
    augmentation: Steps,
    batch: int,
    seed: int,
    phase: int,
    epoch: int,
    start_step: int = 0,
    *,
    train: bool = True,
    device: torch.device | str = "cpu",
    deal: Deal = WHOLE,
) -> Iterator[LabelledInputs]:
    """The batches of one epoch from `start_step` on: inputs, images float32 [B, C, H, W] or others, and labels [B].

    `train` shuffles and augments; without it the same images come in the order of the files, as they are. Where a step
    of augmentation mixes images, labels are float32 [B, classes]. ValueError for a batch below two images.
    """
    if batch < SMALLEST:
        raise ValueError(f"a training batch needs at least {SMALLEST} images, not {batch}")
    order = _order(len(split), seed, phase, epoch, train)
    for step in range(start_step, num_batches(len(split), batch)):
        whole = order[step * batch : (step + 1) * batch]
        share, mixing = deal.share(len(whole)), mixing_steps(augmentation) if train else ()
        samples = with_partner(whole, share) if mixing else whole[share]
        made = _training_batch(split, samples, augmentation if train else None, (seed, phase, epoch), device)
        if mixing and len(samples):
            number = int(keys.hashes(keys.base_of(seed, phase, epoch, keys.MIXING), np.array([step]))[0])
            made = _mixed(made, mixing, number, split.facts.num_classes, len(whole[share]))
        yield made


def _mixed(made: LabelledInputs, mixing: Steps, number: int, num_classes: int, size: int) -> LabelledInputs:
    """The last `size` images of a batch, mixed, with labels [B, classes]."""
    images, labels = made
    assert isinstance(images, Tensor), "images are one tensor"
    images, labels = mixed(images, labels, mixing, number, num_classes)
    return images[-size:], labels[-size:]


def own_batches(by_network: Sequence[Iterator[LabelledInputs]]) -> Iterator[OwnBatches]:
    """The steps of an epoch in which every network sees batches of its own, all of one length."""
    return (OwnBatches(drawn) for drawn in zip(*by_network, strict=True))


def own_seed(seed: int, member: str) -> int:
    """The seed of the order and augmentation that a network has of its own, by the name of the member that holds it."""
    return keys.base_of(seed, crc32(member.encode()), 0, keys.MEMBER)


def test_batches(split: Split, batch: int, device: torch.device | str = "cpu") -> Iterator[LabelledInputs]:
    """Every example once, in order, images normalised: inputs with labels [B]."""
    for start in range(0, len(split), batch):
        samples = np.arange(start, min(start + batch, len(split)), dtype=np.int64)
        yield _training_batch(split, samples, None, (0, 0, 0), device)


def _order(size: int, seed: int, phase: int, epoch: int, train: bool) -> Integers:
    if not train:
        return np.arange(size, dtype=np.int64)
    return keys.permutation(keys.base_of(seed, phase, epoch, keys.ORDER), size)


def _training_batch(
    split: Split,
    samples: Integers,
    augmentation: Steps | None,
    place: tuple[int, int, int],
    device: torch.device | str,
) -> LabelledInputs:
    def draw(purpose: int) -> Hashes:
        return keys.hashes(keys.base_of(*place, purpose), samples)

    labels = split.labels[torch.from_numpy(samples).to(split.labels.device)].to(device)
    return _inputs(split, samples, augmentation, draw, device), labels


def _inputs(
    split: Split, samples: Integers, augmentation: Steps | None, draw: Draw, device: torch.device | str
) -> Inputs:
    if len(samples) == 0:  # one of several ranks may have no share of the last batch
        return moved(blank(split.facts, 0), device)
    crops = None if augmentation is None else reading_crops(augmentation, draw)
    fetched = moved(split.fetch(samples, crops), device)
    if not split.facts.are_images:
        return fetched
    assert isinstance(fetched, Tensor), "images are one tensor"
    if augmentation is None:
        return normalised(fetched, split.facts)
    return augmented(fetched, augmentation, draw, split.facts)
