"""From images to corrupted images.

Takes uint8 images, a type, a severity and a seed; gives uint8 images of the same shape. Guarantees: what becomes of an
image depends on the seed, the type, the severity and its own number alone, so that it does not matter how many
processes share the work.
Suffixes: N images, H x W pixels, C channels.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.random import Generator, default_rng

from swc.corrupt.filters import LUMA, Bytes
from swc.corrupt.published import CORRUPTIONS, LEAST_SIDE


def corrupted(image_HWC: Bytes, name: str, severity: int, draw: Generator) -> Bytes:
    """One image, of one or three channels, corrupted with a severity from 1 to 5.

    A grey image is made three equal channels for types that need colour, and their luma is kept. Values between two
    levels become the lower, as published. ValueError for an unknown type or severity, or an image that is too small.
    """
    if name not in CORRUPTIONS or not 1 <= severity <= len(CORRUPTIONS[name].constants):
        raise ValueError(f"there is no corruption `{name}` of severity {severity}")
    high, wide, channels = image_HWC.shape
    if min(high, wide) < LEAST_SIDE or channels not in (1, 3):
        raise ValueError(f"an image of {high}x{wide} pixels and {channels} channels cannot be corrupted")
    found = CORRUPTIONS[name]
    is_tinted = found.needs_colour and channels == 1
    image = np.repeat(image_HWC, 3, axis=2) if is_tinted else image_HWC
    made = np.clip(found.make(image, draw, *found.constants[severity - 1]), 0, 255)
    levels: Bytes = (made @ LUMA[:, None] if is_tinted else made).astype(np.uint8)
    return levels


def corrupted_images(images_NHWC: Bytes, name: str, severity: int, seed: int, first: int) -> Bytes:
    """A batch of images, the first of which has the number `first` in its data set."""
    return np.stack(
        [
            corrupted(image, name, severity, generator_of(seed, name, severity, first + place))
            for place, image in enumerate(images_NHWC)
        ]
    )


def generator_of(seed: int, name: str, severity: int, number: int) -> Generator:
    """The random numbers of one image under one corruption."""
    return default_rng([seed, crc32(name.encode()), severity, number])
