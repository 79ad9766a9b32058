"""Batches: pure functions of their place, equal to a plain augmentation written image by image."""

from __future__ import annotations

from time import perf_counter

import numpy as np
import pytest
import torch
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
from swc.program.datasets import DATASETS, DataFacts
from swc.program.training import AugmentationStep
from torch import Tensor

from support.examples import percent
from swc_runtime.data import EpochPlan, epoch_batches, keys, num_batches
from swc_runtime.data import test_batches as in_order
from swc_runtime.data.boxes import crop_boxes
from swc_runtime.data.splits import MemorySplit
from swc_runtime.models import build_model

FACTS = DataFacts("mine", 10, (2, 9, 7), 23, 5, (0.4, 0.6), (0.2, 0.3))


@frozen
class Augmentation:
    """What is done to an image: pads with `pad` zeros, flips, cuts out a square of `cutout`."""

    pad: int = 0
    flip: bool = False
    cutout: int = 0
    resized_crop: bool = False

    @property
    def steps(self) -> tuple[AugmentationStep, ...]:
        """As a recipe has it."""
        found = [
            *([AugmentationStep.of("resized_crop")] if self.resized_crop else []),
            *([AugmentationStep.of("crop", pad=self.pad)] if self.pad else []),
            *([AugmentationStep.of("flip")] if self.flip else []),
            *([AugmentationStep.of("cutout", size=self.cutout)] if self.cutout else []),
        ]
        return tuple(found)


FULL = Augmentation(pad=2, flip=True, cutout=3)


def split(count: int = 23, facts: DataFacts = FACTS) -> MemorySplit:
    """Random images whose labels are their numbers."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (count, *facts.image_shape), dtype=torch.uint8, generator=generator)
    return MemorySplit(facts, images, torch.arange(count))


def by_label(augmentation: Augmentation = FULL, batch: int = 4, place=(0, 0, 0), count: int = 23) -> dict[int, Tensor]:
    return {
        int(label): image
        for images, labels in epoch_batches(split(count), EpochPlan(augmentation.steps, batch, *place))
        for image, label in zip(images, labels, strict=True)
    }


def slowly(image: Tensor, sample: int, place: tuple[int, int, int], augmentation: Augmentation) -> Tensor:
    """The augmentation of one image, step by step."""

    def number(purpose: int, limit: int) -> int:
        return int(keys.below(keys.hashes(keys.base_of(*place, purpose), np.array([sample])), limit)[0])

    _, height, width = image.shape
    pad, cutout = augmentation.pad, augmentation.cutout
    padded = torch.zeros(image.shape[0], height + 2 * pad, width + 2 * pad)
    padded[:, pad : pad + height, pad : pad + width] = image
    top, left = number(keys.CROP_ROW, 2 * pad + 1), number(keys.CROP_COLUMN, 2 * pad + 1)
    image = padded[:, top : top + height, left : left + width]
    if augmentation.flip and number(keys.FLIP, 2):
        image = image.flip(2)
    image = (image / 255 - torch.tensor(FACTS.mean)[:, None, None]) / torch.tensor(FACTS.deviation)[:, None, None]
    if cutout:
        top = number(keys.CUTOUT_ROW, height) - cutout // 2
        left = number(keys.CUTOUT_COLUMN, width) - cutout // 2
        image[:, max(0, top) : max(0, top + cutout), max(0, left) : max(0, left + cutout)] = 0
    return image


@pytest.mark.parametrize(
    "augmentation",
    [Augmentation(), FULL, Augmentation(pad=1), Augmentation(flip=True), Augmentation(cutout=4), Augmentation(pad=4)],
)
def test_batches_equal_the_plain_augmentation(augmentation: Augmentation) -> None:
    place = (5, 1, 3)
    for label, image in by_label(augmentation, place=place).items():
        expected = slowly(split().images[label].float(), label, place, augmentation)
        assert torch.allclose(image, expected, atol=1e-5)


def test_an_epoch_shows_every_image_once_in_a_new_order() -> None:
    orders = [
        torch.cat([labels for _, labels in epoch_batches(split(), EpochPlan(FULL.steps, 5, 0, phase, epoch))]).tolist()
        for phase, epoch in [(0, 0), (0, 1), (1, 0)]
    ]
    assert all(sorted(order) == list(range(23)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


@pytest.mark.parametrize("start", [0, 1, 3, 4, 5])
def test_a_resumed_epoch_goes_on_with_the_same_bits(start: int) -> None:
    whole = list(epoch_batches(split(), EpochPlan(FULL.steps, 5, 7, 1, 2)))
    rest = list(epoch_batches(split(), EpochPlan(FULL.steps, 5, 7, 1, 2, start)))
    assert len(whole) == 5
    assert len(rest) == 5 - start
    for (images, labels), (again, labels_again) in zip(whole[start:], rest, strict=True):
        assert torch.equal(images, again)
        assert torch.equal(labels, labels_again)


def test_an_image_does_not_depend_on_its_place_in_a_batch() -> None:
    few, many = by_label(batch=3), by_label(batch=23)
    assert few.keys() == many.keys() | few.keys()
    assert all(torch.equal(few[label], many[label]) for label in few)


@pytest.mark.parametrize("place", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_seed_phase_and_epoch_each_change_the_images(place: tuple[int, int, int]) -> None:
    before, after = by_label(), by_label(place=place)
    same = [label for label in before if torch.equal(before[label], after[label])]
    assert len(same) < 5


def test_without_training_the_images_come_as_they_are() -> None:
    batches = list(epoch_batches(split(), EpochPlan(FULL.steps, 10, 0, 0, 0, train=False)))
    assert torch.cat([labels for _, labels in batches]).tolist() == list(range(23))
    plain = torch.cat([images for images, _ in in_order(split(), 10)])
    assert torch.equal(torch.cat([images for images, _ in batches]), plain)


def test_a_last_image_alone_is_left_out_of_training_only() -> None:
    assert [len(labels) for _, labels in epoch_batches(split(21), EpochPlan(FULL.steps, 5, 0, 0, 0))] == [5, 5, 5, 5]
    assert [len(labels) for _, labels in epoch_batches(split(22), EpochPlan(FULL.steps, 5, 0, 0, 0))] == [5, 5, 5, 5, 2]
    assert [len(labels) for _, labels in in_order(split(21), 5)] == [5, 5, 5, 5, 1]
    assert (num_batches(21, 5), num_batches(22, 5), num_batches(20, 5), num_batches(1, 5)) == (4, 5, 4, 0)
    with pytest.raises(ValueError, match="at least 2"):
        next(epoch_batches(split(), EpochPlan(FULL.steps, 1, 0, 0, 0)))


def test_random_crops_lie_evenly_and_flips_are_half() -> None:
    values = keys.hashes(keys.base_of(0, 0, 0, keys.CROP_ROW), np.arange(90_000))
    counts = np.bincount(keys.below(values, 9), minlength=9)
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 26.1  # chi-squared, 8 degrees, 0.1%
    flips = keys.below(keys.hashes(keys.base_of(0, 0, 0, keys.FLIP), np.arange(90_000)), 2)
    assert abs(flips.mean() - 0.5) < 0.006
    assert abs(np.corrcoef(flips, values.astype(float))[0, 1]) < 0.012


def test_hashes_are_splitmix64s() -> None:
    # the first outputs of the published generator for seed 1234567
    assert keys.hashes(1234567, np.arange(3)).tolist() == [
        6457827717110365317, 3203168211198807973, 9817491932198370423,
    ]  # fmt: skip


@percent(60)
@given(seed=st.integers(0, 2**62), height=st.integers(1, 400), width=st.integers(1, 400))
def test_boxes_lie_within_their_image(seed: int, height: int, width: int) -> None:
    values = keys.hashes(seed, np.arange(20))
    boxes = crop_boxes(values, np.full(20, height), np.full(20, width))
    top, left, high, wide = boxes.T
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] > 0).all()
    assert (top + high <= height).all()
    assert (left + wide <= width).all()


@pytest.mark.parametrize(("height", "width"), [(300, 400), (400, 300), (224, 224)])
def test_boxes_are_spread_as_torchvisions(height: int, width: int) -> None:
    from torchvision.transforms import RandomResizedCrop

    values = keys.hashes(3, np.arange(3000))
    ours = crop_boxes(values, np.full(3000, height), np.full(3000, width)).astype(float)
    torch.manual_seed(0)
    image = torch.empty(1, height, width)
    draws = [RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(3000)]
    theirs = np.array(draws, dtype=float)
    spread = theirs.std(axis=0) * (2 / 3000) ** 0.5
    assert (abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 4 * spread).all()
    assert np.allclose(
        np.quantile(ours, [0.1, 0.5, 0.9], axis=0), np.quantile(theirs, [0.1, 0.5, 0.9], axis=0), atol=14
    )


def test_resized_crops_in_memory_show_part_of_the_image() -> None:
    facts = DataFacts("mine", 10, (1, 24, 24), 8, 0, (0.0,), (1 / 255,))  # pixels come out as they went in
    ramp = torch.arange(24, dtype=torch.uint8).mul(10).expand(8, 1, 24, 24).contiguous()
    images, _ = next(
        epoch_batches(
            MemorySplit(facts, ramp, torch.arange(8)), EpochPlan(Augmentation(resized_crop=True).steps, 8, 0, 0, 0)
        )
    )
    assert images.shape == (8, 1, 24, 24)
    assert (images.diff(dim=3) >= -1).all()  # still a ramp, over a smaller range
    assert (images.amax((1, 2, 3)) - images.amin((1, 2, 3)) < 230).all()


def test_normalised_images_have_zero_mean_and_unit_deviation() -> None:
    facts = DATASETS["cifar100"]
    pixels = torch.tensor(facts.mean).view(1, 3, 1, 1).mul(255).round().to(torch.uint8).expand(2, 3, 32, 32)
    images, _ = next(in_order(MemorySplit(facts, pixels.contiguous(), torch.zeros(2, dtype=torch.int64)), 2))
    assert images.dtype == torch.float32
    assert images.abs().max() < 0.01


def test_a_cifar_batch_costs_a_fraction_of_a_forward_pass() -> None:
    """Side by side with the smallest of networks, whose step costs three times its forward pass."""
    facts = DATASETS["cifar10"]
    batches = epoch_batches(
        split(128 * 12, facts), EpochPlan(Augmentation(pad=4, flip=True, cutout=16).steps, 128, 0, 0, 0)
    )
    model = build_model("family", "wrn", {"depth": 10, "width": 1}, 10, facts.image_shape)
    making, forward = [], []
    for _ in range(12):
        start = perf_counter()
        images, _ = next(batches)
        middle = perf_counter()
        with torch.no_grad():
            model(images)
        making.append(middle - start)
        forward.append(perf_counter() - middle)
    assert min(making) < 0.5 * min(forward)
