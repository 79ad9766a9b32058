"""Images and other inputs that a function of one's own gives: taken as they are, or refused with what was wanted."""

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
from swc.diagnostics.catalogue.inputs import IterableData
from swc.program.data_parts import Portion
from swc.program.datasets import DATA, DataFacts
from swc.program.dividing import divided
from swc.program.training import AugmentationStep
from torch.utils.data import IterableDataset

from swc_runtime.data import Dataset, EpochPlan, epoch_batches, open_data
from swc_runtime.data import test_batches as batches_of

FACTS = evolve(
    DATA["python"].facts({"function": "given_data:load", "classes": 3, "shape": ((2, 5, 4),)}), arguments=(("size", 7),)
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
        next(iter(epoch_batches(split, EpochPlan(augmentation, 7, 0, 0, 0))))[0] for split in (found.train, found.test)
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
    "a whole number, not the text 'cat'": lambda size: (PART, Items(IMAGES, ["cat"] * 7)),
    "the images of train of `given_data:load` should be [N, 2, 5, 4], not uint8 [7, 5, 4]": lambda size: (
        (IMAGES[:, 0], LABELS),
        PART,
    ),
    "should be bytes (uint8), or floats from 0 to 1, not int64": lambda size: ((IMAGES.astype(np.int64), LABELS), PART),
    "should be finite numbers, not `nan` in example": lambda size: ((NAN, LABELS), PART),
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
    ],
)
def test_what_the_function_raises_is_told(given: Callable[..., Dataset], answer: Any, words: str) -> None:
    found = refusal(lambda: given(answer))
    assert found.code == "SW511"
    assert words in found.message() and "and more" not in found.message()
    assert found.notes()


def test_what_an_item_raises_is_told(given: Callable[..., Dataset]) -> None:
    found = refusal(lambda: given(lambda size: (Items(IMAGES[:3], LABELS), PART)))
    assert found.code == "SW518" and "item 3 of train" in found.message() and "IndexError" in found.message()


@pytest.mark.parametrize("function", ["given_data:lod", "given_data:answer", "nowhere_at_all:load", "os:walk"])
def test_a_function_that_is_none_is_told(given: Callable[..., Dataset], function: str) -> None:
    assert refusal(lambda: given("text", evolve(FACTS, function=function))).code == "SW511"


# --- inputs that are no images ----------------------------------------------------------------------------------------

ROWS = evolve(
    DATA["python"].facts(
        {"function": "given_data:load", "classes": 3, "shape": ((4,), (2,)), "dtype": ("float32", "int64")}
    ),
    arguments=(("size", 7),),
)
NUMBERS = np.random.default_rng(1).normal(size=(7, 4))
CODES = np.arange(14).reshape(7, 2)
ROW_PART = ((NUMBERS, CODES), LABELS)


class Rows(Items):
    """Items of two inputs."""

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        return tuple(one[number] for one in self.images), self.labels[number]


@pytest.mark.parametrize("part", [ROW_PART, Rows((NUMBERS, CODES), LABELS), Rows((NUMBERS, CODES), list(LABELS))])
def test_several_inputs_are_taken_as_they_are(given: Callable[..., Dataset], part: Any) -> None:
    found = given(lambda size: (part, ROW_PART, list("abc")), ROWS)
    for split in (found.train, found.test):
        ((numbers, codes), labels) = next(iter(batches_of(split, 5)))
        assert numbers.dtype == torch.float32 and codes.dtype == torch.int64
        assert numbers.numpy().tolist() == NUMBERS[:5].astype(np.float32).tolist()
        assert codes.tolist() == CODES[:5].tolist() and labels.tolist() == LABELS[:5].tolist()


def test_an_epoch_of_rows_begins_in_the_middle_with_the_same_bits(given: Callable[..., Dataset]) -> None:
    split = given(lambda size: (ROW_PART, ROW_PART), ROWS).train
    whole, rest = (list(epoch_batches(split, EpochPlan((), 2, 5, 1, 3, start_step=start))) for start in (0, 2))
    assert len(whole) == 3 and len(rest) == 1  # a last batch of one example is left out
    (inputs, labels), (again, labels_again) = whole[2], rest[0]
    assert all(map(torch.equal, inputs, again)) and torch.equal(labels, labels_again)
    rows = [CODES.tolist().index(code) for (_, codes), _ in whole for code in codes.tolist()]
    assert len(set(rows)) == 6 and rows != sorted(rows)


def test_one_input_is_one_tensor(given: Callable[..., Dataset]) -> None:
    facts = evolve(DATA["python"].facts({"function": "given_data:load", "classes": 3, "shape": ((4,),)}))
    found = given(lambda: ((NUMBERS, LABELS), Items(torch.from_numpy(NUMBERS), LABELS)), facts)
    for split in (found.train, found.test):
        inputs, _ = next(iter(batches_of(split, 7)))
        assert isinstance(inputs, torch.Tensor) and inputs.shape == (7, 4)


def test_one_other_number_is_another_data_set_of_rows(given: Callable[..., Dataset]) -> None:
    other = NUMBERS.copy()
    other[3, 1] += 1
    first, second = (
        given(lambda size, numbers=numbers: (ROW_PART, ((numbers, CODES), LABELS)), ROWS)
        for numbers in (NUMBERS, other)
    )
    assert first.digest() != second.digest()


def test_a_validation_part_is_given_by_its_name(given: Callable[..., Dataset]) -> None:
    facts = divided(ROWS, None, Portion(is_given=True))
    parts = {"train": ROW_PART, "test": ROW_PART, "validation": ((NUMBERS[:3], CODES[:3]), LABELS[:3])}
    found = given(lambda size: parts, facts)
    assert found.validation is not None and len(found.validation) == 3 and len(found.train) == 7
    assert refusal(lambda: given(lambda size: parts, ROWS)).code == "SW517"
    assert refusal(lambda: given(lambda size: (ROW_PART, ROW_PART), facts)).code == "SW517"


def stream(size: int) -> Any:
    return (one for one in range(size)), ROW_PART


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([])


@pytest.mark.parametrize("answer", [stream, lambda size: (ROW_PART, Stream())])
def test_a_stream_is_refused_with_the_reason(given: Callable[..., Dataset], answer: Any) -> None:
    found = refusal(lambda: given(answer, ROWS))
    assert isinstance(found, IterableData) and "examples have no numbers" in found.message()


NOT_A_NUMBER = NUMBERS.copy()
NOT_A_NUMBER[6, 3] = np.nan
WRONG_ROWS = {
    "should be float32 [N, 4], not int64 [7, 4]": lambda size: (((NUMBERS.astype(int), CODES), LABELS), ROW_PART),
    "should be int64 [N, 2], not float64 [7, 2]": lambda size: (((NUMBERS, CODES / 2), LABELS), ROW_PART),
    "should be float32 [N, 4], not <U32 [7, 4]": lambda size: (((NUMBERS.astype(str), CODES), LABELS), ROW_PART),
    "should be float32 [N, 4], not object [7, 4]": lambda size: (((NUMBERS.astype(object), CODES), LABELS), ROW_PART),
    "should be finite": lambda size: (ROW_PART, ((NOT_A_NUMBER, CODES), LABELS)),
    "should be 2 arrays, not 1": lambda size: (((NUMBERS,), LABELS), ROW_PART),
    "of as many examples each, not 7 and 6": lambda size: (((NUMBERS, CODES[1:]), LABELS), ROW_PART),
    "should be 7 whole numbers, one for each example": lambda size: (((NUMBERS, CODES), LABELS[1:]), ROW_PART),
    "should be 7 whole numbers, one for each example, not <U21": lambda size: (
        ((NUMBERS, CODES), LABELS.astype(str)),
        ROW_PART,
    ),
    "should be a tuple of 2 inputs and a label": lambda size: (Items(NUMBERS, LABELS), ROW_PART),
    "an input of train of `given_data:load` should be float32 [4], not float64 [3]": lambda size: (
        Rows((NUMBERS[:, 1:], CODES), LABELS),
        ROW_PART,
    ),
    "a third part is given by its name, not three parts": lambda size: (ROW_PART, ROW_PART, ROW_PART),
    "not a dictionary of train, valid": lambda size: {"train": ROW_PART, "valid": ROW_PART},
    "should be a pair of arrays (inputs, labels), or": lambda size: ((NUMBERS, LABELS), ROW_PART),
}


@pytest.mark.parametrize("words", WRONG_ROWS)
def test_what_does_not_fit_the_inputs_is_refused(given: Callable[..., Dataset], words: str) -> None:
    found = refusal(lambda: given(WRONG_ROWS[words], ROWS))
    assert found.code == "SW512"
    assert words in found.message()
