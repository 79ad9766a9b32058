"""The steps of augmentation: one row for each, in the order in which they are taken, whatever a recipe's order."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, RegistryRow


@frozen(kw_only=True)
class AugmentationRow(RegistryRow):
    """A step of augmentation. What its `implementation` takes and gives beside its arguments depends on its `stage`.

    `reading` gives the numbers by which images are cropped and resized as they are read; `placing` changes which pixels
    are seen, a `Selection`; `pixels` changes images of 8 bits, or floats from 0 to 1 where somebody's own data are
    such, `values` normalised ones, both [B, C, H, W]. All draw their numbers by a `Draw`, so that what happens to an
    image depends on its own numbers alone. `mixing` makes images and labels of several, see `swc_runtime.data.mixing`.
    See `swc_runtime.data.augment`. A step whose argument `in_pixels` is 0 does nothing, and is left out. One that
    `seeds_torch` draws from torch's random state, seeded and put back, so that no thread may draw from it meanwhile;
    one `in_colour` takes images of 1 or 3 channels.
    """

    stage: Literal["reading", "placing", "pixels", "values", "mixing"]
    seeds_torch: bool = False
    in_colour: bool = False


TORCHVISION, MIXING = "swc_runtime.data.torchvision_steps", "swc_runtime.data.mixing"
PLACE = "swc_runtime.data.augment"
AUGMENTATIONS: Registry[AugmentationRow] = Registry(
    "augmentation",
    "swc.augmentations",
    AugmentationRow,
    (
        AugmentationRow(
            name="resized_crop",
            words="the random crop and resize of ImageNet training",
            implementation=f"{PLACE}:resized_crop",
            stage="reading",
        ),
        AugmentationRow(
            name="crop",
            words="pads with zeros on each side and crops at random to the former size",
            implementation=f"{PLACE}:crop",
            arguments=(ArgumentRow("pad", "whole number", least=0, in_pixels=True),),
            stage="placing",
        ),
        AugmentationRow(
            name="flip", words="mirrors half of the images", implementation=f"{PLACE}:flip", stage="placing"
        ),
        AugmentationRow(
            name="randaugment",
            words="`num_ops` random operations of torchvision's RandAugment, all of one strength (Cubuk et al., 2020)",
            implementation=f"{TORCHVISION}:randaugment",
            arguments=(
                ArgumentRow("num_ops", "whole number", least=1, most=14, default=2),
                ArgumentRow("magnitude", "whole number", least=0, most=30, default=9),
            ),
            stage="pixels",
            seeds_torch=True,
            in_colour=True,
        ),
        AugmentationRow(
            name="trivial_augment",
            words="one random operation of random strength, torchvision's TrivialAugmentWide (Müller and Hutter, 2021)",
            implementation=f"{TORCHVISION}:trivial_augment",
            stage="pixels",
            seeds_torch=True,
            in_colour=True,
        ),
        AugmentationRow(
            name="cutout",
            words="sets a square around a random pixel to zero, the mean colour",
            implementation=f"{PLACE}:cutout",
            arguments=(ArgumentRow("size", "whole number", least=0, in_pixels=True),),
            stage="values",
        ),
        AugmentationRow(
            name="erasing",
            words="sets a random rectangle of some images to the mean colour (torchvision's RandomErasing)",
            implementation=f"{TORCHVISION}:erasing",
            arguments=(ArgumentRow("probability", "number", least=0, most=1, default=0.25),),
            stage="values",
            seeds_torch=True,
        ),
        AugmentationRow(
            name="mixup",
            words="each image and its label are mixed with another's, by one share of Beta(alpha, alpha) a batch",
            implementation=f"{MIXING}:mixup",
            arguments=(ArgumentRow("alpha", "number", above=0, most=1_000, default=0.2),),
            stage="mixing",
            seeds_torch=True,
        ),
        AugmentationRow(
            name="cutmix",
            words="a rectangle of each image is another's, and so much of its label, by Beta(alpha, alpha)",
            implementation=f"{MIXING}:cutmix",
            arguments=(ArgumentRow("alpha", "number", above=0, most=1_000, default=1.0),),
            stage="mixing",
            seeds_torch=True,
        ),
    ),
)
