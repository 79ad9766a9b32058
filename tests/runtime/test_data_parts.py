"""Parts of data sets: in proportion, exact, disjoint, nested, by seed, and the same on every machine."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from swc.diagnostics import DiagnosticError
from swc.language.semantics.check import check_text
from swc.program.data_parts import DataParts, Portion
from swc.program.datasets import DATASETS, DataFacts

from swc_runtime.data import open_data
from swc_runtime.data.cifar import shrunk
from swc_runtime.data.parts import divided, drawn, in_proportion
from swc_runtime.data.splits import Dataset, FolderSplit, MemorySplit

FACTS = DataFacts("mine", 3, (1, 2, 2), 0, 0, (0.5,), (0.5,), folder="mine")
LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(lambda found: np.array(found, dtype=np.int64))


def quiet(_: str) -> None:
    """Say nothing."""


def facts_of(data: str, seed: int = 0) -> DataFacts:
    train = f"  train {{\n    batch 8\n    seed {seed}\n    phase main: 1 epochs\n  }}\n"
    text = f"ensemble a {{\n  data {data}\n  member b = wrn(depth: 10, width: 1)\n{train}}}\n"
    return check_text(text, "a.sw").data


@given(labels=LABELS, seed=st.integers(0, 5), numbers=st.tuples(st.floats(0, 1), st.floats(0, 1)))
@settings(max_examples=60, deadline=None)
def test_parts_are_exact_disjoint_and_in_proportion(labels, seed, numbers) -> None:
    num_validation = int(numbers[0] * len(labels))
    num_train = int(numbers[1] * (len(labels) - num_validation))
    train, validation, others = drawn(labels, num_train, num_validation, seed)
    assert (len(train), len(validation)) == (num_train, num_validation)
    assert sorted([*train, *validation, *others]) == list(range(len(labels)))
    share, sizes = num_validation / len(labels), np.bincount(labels, minlength=5)
    off = np.abs(np.bincount(labels[validation], minlength=5) - share * sizes)
    assert (off <= 0.5 + (sizes > 0).sum() * sizes / (2 * len(labels)) + 1e-9).all()  # all were rounded at one place


@given(labels=LABELS, seed=st.integers(0, 5), data=st.data())
@settings(max_examples=60, deadline=None)
def test_parts_of_one_seed_are_nested(labels, seed, data) -> None:
    smaller, larger = sorted(data.draw(st.tuples(*[st.integers(0, len(labels))] * 2)))
    assert set(drawn(labels, 0, smaller, seed)[1]) <= set(drawn(labels, 0, larger, seed)[1])
    validation = len(labels) - larger
    few, many = (drawn(labels, count, validation, seed) for count in (smaller, larger))
    assert set(few[0]) <= set(many[0])
    assert few[1].tolist() == many[1].tolist(), "what validates does not depend on how many are trained on"


def test_the_example_of_the_docstring() -> None:
    labels = np.array([0, 0, 1, 1, 1, 1])
    assert labels[in_proportion(labels, np.arange(6), 5)].tolist() == [1, 0, 1, 1, 0, 1]


def test_draws_are_the_same_for_ever() -> None:
    labels = np.arange(40) % 4
    assert drawn(labels, 4, 4, 0)[0].tolist() == STABLE[0]
    assert drawn(labels, 4, 4, 0)[1].tolist() == STABLE[1]
    assert drawn(labels, 4, 4, 1)[1].tolist() != STABLE[1]


STABLE = ([18, 28, 33, 35], [13, 23, 26, 32])


def test_the_digits_without_an_argument_are_those_of_ever() -> None:
    dataset = open_data(DATASETS["digits"], None, True, quiet)
    assert dataset.digest() == "e78a97796badd953"


def test_digits_not_trained_on_are_tested_with() -> None:
    said: list[str] = []
    facts = facts_of("digits(train: 360)")
    assert (facts.num_train, facts.num_test, facts.title) == (360, 1437, "digits(train: 360)")
    dataset = open_data(facts, None, True, said.append)
    assert (len(dataset.train), len(dataset.test), dataset.validation) == (360, 1437, None)
    assert said == ["digits(train: 360): 360 images to train on, 1,437 to test with, drawn by seed 0"]
    assert dataset.facts == dataset.test.facts == facts
    assert set(dataset.train.labels.bincount().tolist()) <= {34, 35, 36, 37, 38}
    others = open_data(facts_of("digits(train: 360)", seed=1), None, True, quiet)
    assert others.digest() != dataset.digest()


def test_a_seed_is_noted_only_where_something_is_drawn() -> None:
    assert facts_of("digits", seed=7) == DATASETS["digits"]
    assert facts_of("digits(train: 20%)", seed=7).parts == DataParts(Portion(share=0.2), None, 1437, 360, 0, 7)
    assert facts_of("digits(train: 20%)", seed=7).num_train == 359


@pytest.mark.parametrize("size", [8, 16, 32])
def test_small_images_are_means_rounded_to_bytes(size: int) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), dtype=np.uint8))
    found = shrunk(images, size)
    means = torch.nn.functional.avg_pool2d(images.double(), 32 // size).round().to(torch.uint8)
    assert found.dtype == torch.uint8 and torch.equal(found, means)


def folder(counts: tuple[int, ...]) -> Dataset:
    labels = torch.tensor([number for number, count in enumerate(counts) for _ in range(count)])
    files = tuple(f"{label}/{number}.png" for number, label in enumerate(labels.tolist()))
    split = FolderSplit(FACTS, files, labels)
    return Dataset(FACTS, split, split)


def asked(train: Portion | None) -> DataFacts:
    return evolve(FACTS, parts=DataParts(train))


def test_files_of_a_folder_are_drawn() -> None:
    dataset = divided(folder((4, 4, 4)), asked(Portion(share=0.5)))
    assert dataset.train.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert all(
        file.startswith(f"{int(label)}/") for file, label in zip(dataset.train.files, dataset.train.labels, strict=True)
    )
    assert len(dataset.test) == 12


@pytest.mark.parametrize(("train", "code"), [(2, "SW513"), (13, "SW514")])
def test_parts_that_do_not_fit_opened_data_are_refused(train: int, code: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        divided(folder((4, 4, 4)), asked(Portion(train)))
    assert [one.code for one in caught.value.diagnostics] == [code]


def test_a_class_of_which_nothing_is_drawn_is_a_warning() -> None:
    [warning] = divided(folder((20, 20, 1)), asked(Portion(6))).warnings
    assert warning.code == "SW515"
    assert warning.message() == "`train` of `mine` draws no image of one class"


def test_what_validates_is_not_trained_on_and_the_test_images_stay() -> None:
    facts = evolve(FACTS, parts=DataParts(None, Portion(share=0.25), seed=3))
    whole = folder((4, 4, 4))
    dataset = divided(whole, facts)
    assert dataset.validation is not None and dataset.validation.labels.tolist() == [0, 1, 2]
    assert sorted([*dataset.train.files, *dataset.validation.files]) == sorted(whole.train.files)
    assert dataset.test.files == whole.test.files
    assert dataset.watched == "validation" and dataset.held_out("validation") is dataset.validation
    assert dataset.digest() != whole.digest() != divided(whole, facts.drawn_by(4)).digest() != dataset.digest()


def test_without_a_validation_part_the_test_images_are_watched() -> None:
    whole = folder((4, 4, 4))
    assert whole.watched == "" and whole.held_out("") is whole.held_out("test") is whole.test
    with pytest.raises(ValueError, match="no validation part"):
        whole.held_out("validation")


def test_memory_is_taken_in_order() -> None:
    images = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1)
    split = MemorySplit(FACTS, images, torch.tensor([0, 1, 2, 0])).take(np.array([3, 1]))
    assert (split.images.flatten().tolist(), split.labels.tolist()) == ([3, 1], [0, 1])
