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
    are seen, a `Selection`; `values` changes normalised images [B, C, H, W]. All draw their numbers by a `Draw`, so
    that what happens to an image depends on its own numbers alone. See `swc_runtime.data.augment`. A step whose
    argument `in_pixels` is 0 does nothing, and is left out.
    """

    stage: Literal["reading", "placing", "values"]


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
            name="cutout",
            words="sets a square around a random pixel to zero, the mean colour",
            implementation=f"{PLACE}:cutout",
            arguments=(ArgumentRow("size", "whole number", least=0, in_pixels=True),),
            stage="values",
        ),
    ),
)
