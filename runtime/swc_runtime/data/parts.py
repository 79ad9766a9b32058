"""Parts of a data set: which images are trained on, which validate, and of some sets which test.

Takes a data set as it is read and the facts of the spec, gives one of the parts that these ask for. Guarantees: classes
stand in proportion; the numbers are exact; no image is in two parts; the same seed draws the same images, whatever
versions are installed. Of one seed a smaller part is within a larger one, and the validation part doesn't depend on how
many images are trained on.
"""

from __future__ import annotations

import numpy as np
import torch
from attrs import evolve
from numpy.typing import NDArray
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.data_parts import ClassesNotDrawn, ValidationNotAsSaid
from swc.program.datasets import DataFacts
from swc.program.dividing import fault_of_parts, tests_with_others

from swc_runtime.data.keys import TRAIN, VALIDATION, Integers, base_of, hashes
from swc_runtime.data.splits import Dataset, MemorySplit, Split
from swc_runtime.data.tensors import TensorSplit

TENTHS = 10  # strata of a number to predict


def divided(dataset: Dataset, facts: DataFacts) -> Dataset:
    """The data set in the parts of `facts`; DiagnosticError where they cannot be drawn from the images there are."""
    _check_given(dataset, facts)
    if facts.parts is None:
        return dataset
    is_pool = tests_with_others(facts)
    pool = joined(dataset.train, dataset.test) if is_pool else dataset.train
    wrong = fault_of_parts(facts, len(pool))
    if wrong is not None:
        raise DiagnosticError(wrong)
    train, validation, others = drawn(strata_of(pool), *facts.parts.counts(len(pool)), facts.parts.seed)
    given = dataset.validation.known_as(facts) if dataset.validation is not None else None
    chosen = pool.take(validation).known_as(facts) if len(validation) else given
    found = evolve(
        dataset,
        facts=facts,
        train=pool.take(train).known_as(facts),
        test=(pool.take(others) if is_pool else dataset.test).known_as(facts),
        validation=chosen,
    )
    return evolve(found, warnings=(*dataset.warnings, *_warnings(pool, found)))


def _check_given(dataset: Dataset, facts: DataFacts) -> None:
    """The data set has a validation part of its own where the spec says so, and nowhere else."""
    portion = facts.parts.validation if facts.parts is not None else None
    is_wanted = portion is not None and portion.is_given
    if is_wanted != (dataset.validation is not None):
        raise DiagnosticError(ValidationNotAsSaid(name=facts.title, is_given=not is_wanted))


def counts_of(dataset: Dataset) -> str:
    """How many images, or other examples, of each part were drawn, and by which seed, in a line."""
    parts = dataset.facts.parts
    assert parts is not None, "something was drawn"
    what = "images" if dataset.facts.are_images else "examples"
    counts = [f"{len(dataset.train):,} {what} to train on", f"{len(dataset.test):,} to test with"]
    if dataset.validation is not None:
        counts.insert(1, f"{len(dataset.validation):,} to validate with")
    return f"{dataset.facts.title}: {', '.join(counts)}, drawn by seed {parts.seed}"


def drawn(labels: Integers, num_train: int, num_validation: int, seed: int) -> tuple[Integers, Integers, Integers]:
    """The numbers of images to train on, to validate with, and of the others, each rising; `labels` is [N]."""
    everything = np.arange(len(labels), dtype=np.int64)
    validation = in_proportion(labels, everything, base_of(seed, 0, 0, VALIDATION))[:num_validation]
    left = np.setdiff1d(everything, validation)
    order = in_proportion(labels[left], left, base_of(seed, 0, 0, TRAIN))
    return np.sort(order[:num_train]), np.sort(validation), np.sort(order[num_train:])


def strata_of(split: Split) -> Integers:
    """What stands in proportion in every part, a number [N] for each image.

    The classes; of a single number to predict the tenth of the images, by size, that it lies in; of several numbers or
    labels nothing, so that parts are drawn at random.
    """
    targets = split.labels.cpu().numpy()
    if targets.ndim == 1:
        return targets
    if split.facts.task.row.targets != "numbers" or targets.shape[1] != 1:
        return np.zeros(len(targets), dtype=np.int64)
    ranks = np.empty(len(targets), dtype=np.int64)
    ranks[np.argsort(targets[:, 0], kind="stable")] = np.arange(len(targets))
    return ranks * TENTHS // len(targets)


def in_proportion(labels: Integers, samples: Integers, base: int) -> Integers:
    """The samples [N] in a random order of which every beginning holds the classes in proportion; labels [N].

    An image that is number r of its class of n, from 0, in an order drawn at random stands at (2 r + 1) / 2 n of the
    whole: the first N t images hold round(t n) of each class. Images of several classes at one place are in an order
    drawn at random. A worked example: of a class of two (a, b) and one of four (c to f), a and b stand at 1/4 and
    3/4, c to f at 1/8, 3/8, 5/8, 7/8, which gives c a d e b f.
    """
    keys = hashes(base, samples)
    by_class = np.lexsort((samples, keys, labels))
    sizes = np.bincount(labels)
    starts = np.cumsum(sizes) - sizes
    ordered = labels[by_class]
    places: NDArray[np.float64] = (2 * (np.arange(len(labels)) - starts[ordered]) + 1) / (2 * sizes[ordered])
    order: Integers = samples[by_class][np.lexsort((samples[by_class], keys[by_class], places))]
    return order


def joined(first: Split, second: Split) -> MemorySplit | TensorSplit:
    """The examples of both, in this order; ValueError where they are not held in memory."""
    if isinstance(first, TensorSplit) and isinstance(second, TensorSplit):
        tensors = tuple(torch.cat(pair) for pair in zip(first.tensors, second.tensors, strict=True))
        return TensorSplit(first.facts, tensors, torch.cat((first.labels, second.labels)))
    if not (isinstance(first, MemorySplit) and isinstance(second, MemorySplit)):
        raise ValueError("only examples in memory are one pool")
    images, labels = (torch.cat(pair) for pair in ((first.images, second.images), (first.labels, second.labels)))
    return MemorySplit(first.facts, images, labels)


def _warnings(pool: Split, found: Dataset) -> list[Diagnostic]:
    """Classes of which there are images, but none in a part."""
    if found.facts.task.row.targets != "class":
        return []
    present = _num_classes_in(pool)
    parts = (("train", found.train), ("validation", found.validation))
    lacking = [(name, present - _num_classes_in(part)) for name, part in parts if part is not None]
    return [ClassesNotDrawn(name=found.facts.title, part=name, num_classes=count) for name, count in lacking if count]


def _num_classes_in(split: Split) -> int:
    return len(np.unique(split.labels.cpu().numpy()))
