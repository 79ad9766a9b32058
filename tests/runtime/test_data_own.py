"""Images that a function of one's own gives: taken as they are, or refused with what was wanted."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from PIL import Image
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.program.datasets import DATA, DataFacts
from swc.program.training import AugmentationStep

from swc_runtime.data import Dataset, epoch_batches, open_data
from swc_runtime.data import test_batches as batches_of

FACTS = evolve(
    DATA["python"].facts({"function": "given_data:load", "classes": 3, "shape": (2, 5, 4)}), arguments=(("size", 7),)
)
IMAGES = np.random.default_rng(0).integers(0, 256, (7, 2, 5, 4), dtype=np.uint8)
LABELS = np.arange(7) % 3
PART = (IMAGES, LABELS)


class Items:
    """A data set of items, as torch has them."""

    def __init__(self, images: Any, labels: Any) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        return self.images[number], self.labels[number]


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[..., Any]], Dataset]]:
    """Opens the data that a function gives, as `given_data:load`."""
    (tmp_path / "given_data.py").write_text("def load(**given):\n    return answer(**given)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))

    def opened(answer: Callable[..., Any], facts: DataFacts = FACTS) -> Dataset:
        import given_data  # type: ignore[import-not-found]

        given_data.answer = answer
        return open_data(facts, None, True, lambda _: None)

    yield opened
    sys.modules.pop("given_data", None)


def refusal(act: Callable[[], object]) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        act()
    return caught.value.diagnostics[0]


def test_arrays_are_taken_as_they_are(given: Callable[..., Dataset]) -> None:
    found = given(lambda size: (PART, (torch.from_numpy(IMAGES[:size]), torch.from_numpy(LABELS[:size])), list("abc")))
    assert found.classes == ("a", "b", "c")
    for split in (found.train, found.test):
        assert split.fetch(np.arange(7), None).numpy().tolist() == IMAGES.tolist()
        assert split.labels.tolist() == LABELS.tolist() and split.labels.dtype == torch.int64


def test_floats_are_pixels_from_0_to_1(given: Callable[..., Dataset]) -> None:
    found = given(lambda size: ((IMAGES / 255, LABELS), PART))
    (floats, _), (whole, _) = (next(iter(batches_of(split, 7))) for split in (found.train, found.test))
    torch.testing.assert_close(floats, whole, rtol=0, atol=1e-5)
    assert floats.min() < -0.9 and floats.max() > 0.9  # mean and deviation of a half


def test_floats_are_cropped_and_padded_as_bytes_are(given: Callable[..., Dataset]) -> None:
    found = given(lambda size: ((IMAGES / 255, LABELS), PART))
    augmentation = tuple(
        AugmentationStep.of(name, **given)
        for name, given in (("resized_crop", {}), ("crop", {"pad": 1}), ("flip", {}), ("cutout", {"size": 2}))
    )
    floats, whole = (
        next(iter(epoch_batches(split, augmentation, 7, 0, 0, 0)))[0] for split in (found.train, found.test)
    )
    torch.testing.assert_close(floats, whole, rtol=0, atol=2 / 255)  # crops of bytes are rounded to bytes


@pytest.mark.parametrize("labels", [LABELS, list(map(int, LABELS)), torch.from_numpy(LABELS)])
def test_items_are_read_through_once(given: Callable[..., Dataset], labels: Any) -> None:
    found = given(lambda size: (Items(IMAGES, labels), Items(torch.from_numpy(IMAGES), labels)))
    for split in (found.train, found.test):
        assert split.fetch(np.arange(7), None).numpy().tolist() == IMAGES.tolist()
        assert split.labels.tolist() == LABELS.tolist()


def test_images_of_pillow_have_their_channels_moved(given: Callable[..., Dataset]) -> None:
    grey = [Image.fromarray(image[0]) for image in IMAGES]
    colours = [Image.fromarray(np.repeat(image[0][..., None], 3, axis=2)) for image in IMAGES]
    for pictures, channels in ((grey, 1), (colours, 3)):
        facts = evolve(FACTS, image_shape=(channels, 5, 4), mean=(0.5,) * channels, deviation=(0.5,) * channels)
        found = given(lambda size, pictures=pictures: (Items(pictures, LABELS), Items(pictures, LABELS)), facts)
        wanted = np.repeat(IMAGES[:, :1], channels, axis=1)
        assert found.train.fetch(np.arange(7), None).numpy().tolist() == wanted.tolist()


def test_chance_is_the_same_each_time_and_left_as_it_was(given: Callable[..., Dataset]) -> None:
    def drawn(size: int) -> Any:
        part = (np.stack([np.random.rand(2, 5, 4), torch.rand(2, 5, 4).numpy()]), [random.randrange(3), 0])
        return (part[0], np.array(part[1])), PART

    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    first = given(drawn).digest()
    after = (random.random(), np.random.rand(), torch.rand(1).item())
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    assert after == (random.random(), np.random.rand(), torch.rand(1).item())
    assert given(drawn).digest() == first


def test_one_other_pixel_is_another_data_set(given: Callable[..., Dataset]) -> None:
    other = IMAGES.copy()
    other[3, 1, 2, 2] ^= 1
    assert given(lambda size: (PART, PART)).digest() != given(lambda size: (PART, (other, LABELS))).digest()


def with_label(label: int) -> Any:
    labels = LABELS.copy()
    labels[2] = label
    return (IMAGES, labels), PART


class Flat:
    """Items that are no pairs."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, number: int) -> int:
        return number


NAN = (IMAGES / 255).copy()
NAN[0, 0, 0, 0] = np.nan
WRONG = {
    "`(train, test)` or": lambda size: PART[0],
    "not a tuple of 4": lambda size: (PART,) * 4,
    "train of `given_data:load` should be a pair of arrays": lambda size: (PART[0], PART),
    "train of `given_data:load` should be a pair of arrays (images, labels), or": lambda size: ({}, PART),
    "an item of test of": lambda size: (PART, Flat()),
    "should be at least one image": lambda size: (Items([], []), PART),
    "an image of train of `given_data:load` should be [2, 5, 4], not uint8 [5, 4]": lambda size: (
        Items(IMAGES[:, 0], LABELS),
        PART,
    ),
    "a label of test of": lambda size: (PART, Items(IMAGES, ["cat"] * 7)),
    "the images of train of `given_data:load` should be [N, 2, 5, 4], not uint8 [7, 5, 4]": lambda size: (
        (IMAGES[:, 0], LABELS),
        PART,
    ),
    "should be bytes (uint8), or floats from 0 to 1, not int64": lambda size: ((IMAGES.astype(np.int64), LABELS), PART),
    "should be finite": lambda size: ((NAN, LABELS), PART),
    "should be floats from 0 to 1, not from 0 to 255": lambda size: ((IMAGES * (255 / IMAGES.max()), LABELS), PART),
    "should be 7 whole numbers, one for each image, not float64 [7]": lambda size: ((IMAGES, LABELS / 2), PART),
    "should be 7 whole numbers, one for each image, not int64 [6]": lambda size: (PART, (IMAGES, LABELS[1:])),
    "the class names of `given_data:load` should be 3 texts": lambda size: (PART, PART, ["a", "b"]),
    "should be a list of texts, not one text": lambda size: (PART, PART, "abc"),
    "should be a list of texts": lambda size: (PART, PART, [1, 2, 3]),
}


@pytest.mark.parametrize("words", WRONG)
def test_what_does_not_fit_is_refused(given: Callable[..., Dataset], words: str) -> None:
    found = refusal(lambda: given(WRONG[words]))
    assert found.code == "SW512"
    assert words in found.message()


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_without_a_class_is_refused(given: Callable[..., Dataset], label: int) -> None:
    found = refusal(lambda: given(lambda size: with_label(label)))
    assert found.code == "SW504"
    assert f"have a label {label}" in found.message()


def fails(size: int) -> Any:
    raise OSError("no such disk\nand more")


def ends(size: int) -> Any:
    sys.exit(3)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (fails, "OSError: no such disk"),
        (ends, "SystemExit: 3"),
        (lambda: (PART, PART), "TypeError"),
        (lambda size: (Items(IMAGES[:3], LABELS), PART), "IndexError"),
    ],
)
def test_what_the_function_raises_is_told(given: Callable[..., Dataset], answer: Any, words: str) -> None:
    found = refusal(lambda: given(answer))
    assert found.code == "SW511"
    assert words in found.message() and "and more" not in found.message()
    assert found.notes()


@pytest.mark.parametrize("function", ["given_data:lod", "given_data:answer", "nowhere_at_all:load", "os:walk"])
def test_a_function_that_is_none_is_told(given: Callable[..., Dataset], function: str) -> None:
    assert refusal(lambda: given("text", evolve(FACTS, function=function))).code == "SW511"
