"""The data sets of torchvision that a spec may name, `data torchvision("FashionMNIST")`: what is published of each.

Guarantees: plain data; how torchvision's classes are called, `swc_runtime.data.torchvision_sets` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen

from swc.program.data_facts import DataFacts

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@frozen
class PublishedSet:
    """A set by torchvision's name for it; `shape` is (channels, height, width), None where images differ in size.

    `mean` and `deviation` are by channel, for pixels in [0, 1], of the training images; ImageNet's where images differ
    in size. `num_train` and `num_test` are what torchvision gives as training and test part.
    """

    name: str
    num_classes: int
    shape: tuple[int, int, int] | None
    num_train: int
    num_test: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    deviation: tuple[float, ...] = IMAGENET_DEVIATION


SETS: dict[str, PublishedSet] = {
    one.name: one
    for one in (
        PublishedSet("MNIST", 10, (1, 28, 28), 60_000, 10_000, (0.1307,), (0.3081,)),
        PublishedSet("FashionMNIST", 10, (1, 28, 28), 60_000, 10_000, (0.2860,), (0.3530,)),
        PublishedSet("KMNIST", 10, (1, 28, 28), 60_000, 10_000, (0.1918,), (0.3483,)),
        PublishedSet("EMNIST", 47, (1, 28, 28), 112_800, 18_800, (0.1751,), (0.3332,)),
        PublishedSet("SVHN", 10, (3, 32, 32), 73_257, 26_032, (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)),
        PublishedSet("STL10", 10, (3, 96, 96), 5_000, 8_000, (0.4467, 0.4398, 0.4066), (0.2603, 0.2566, 0.2713)),
        PublishedSet("Flowers102", 102, None, 1_020, 6_149),
        PublishedSet("OxfordIIITPet", 37, None, 3_680, 3_669),
        PublishedSet("Food101", 101, None, 75_750, 25_250),
    )
}


def torchvision_facts(given: Mapping[str, Any]) -> DataFacts:
    """The facts of a call; ValueError where a size is needed and left out, or given where all images have one."""
    found = SETS.get(given["set"], SETS["MNIST"])  # a name that is none was told before
    size = given.get("size")
    if found.shape is None and not size:
        raise ValueError(f"the images of `{found.name}` differ in size: say to which they are brought, `size: 128`")
    if found.shape is not None and size:
        side = found.shape[1]
        raise ValueError(f"the images of `{found.name}` have {side} x {side} pixels: leave `size` out")
    shape = found.shape or (3, int(size or 1), int(size or 1))
    facts = DataFacts("torchvision", found.num_classes, shape, found.num_train, found.num_test, (), ())
    variant = f"{found.name}, size: {size}" if size else found.name
    return evolve(facts, mean=found.mean, deviation=found.deviation, variant=variant)


def torchvision_notes(given: Mapping[str, Any]) -> tuple[str, ...]:
    """What was chosen for sets of which nobody has said how pixels are normalised."""
    return ("mean and deviation those of imagenet",) if given.get("size") else ()
