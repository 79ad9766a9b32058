"""Digital: contrast, elastic transform, pixelate, JPEG, saturate.

Takes uint8 images [H, W, C], the constants of a severity and a generator; gives values 0..255. Saturate takes three
channels. Source: `published.py`.
Suffixes: H x W pixels, C channels.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.random import Generator

from swc.corrupt.filters import Bytes, Floats, smoothed

if TYPE_CHECKING:
    from PIL import Image


def contrast(image_HWC: Bytes, _: Generator, factor: float) -> Floats:
    """Every channel drawn towards its mean."""
    image = image_HWC / 255
    means = image.mean(axis=(0, 1))
    made: Floats = 255 * ((image - means) * factor + means)
    return made


def elastic_transform(image_HWC: Bytes, draw: Generator, strength: float, sigma: float, shift: float) -> Floats:
    """A random affine map, then smooth random displacements; the constants are in shorter sides of the image."""
    from scipy.ndimage import map_coordinates

    image = _skewed(image_HWC / 255, draw, shift)
    high, wide = image.shape[:2]
    side = min(high, wide)
    right, down = (
        strength * side * smoothed(draw.uniform(-1, 1, (high, wide)), sigma * side, "reflect", truncate=3)
        for _ in range(2)
    )
    rows, columns = np.mgrid[:high, :wide]
    places = np.array([rows + down, columns + right])
    planes = [map_coordinates(plane, places, order=1, mode="reflect") for plane in np.moveaxis(image, 2, 0)]
    return 255 * np.stack(planes, axis=2)


def _skewed(image_HWC: Floats, draw: Generator, shift: float) -> Floats:
    """The affine map that moves three points around the middle by up to `shift` shorter sides, each way."""
    from scipy.ndimage import affine_transform

    shape = np.array(image_HWC.shape[:2])
    side = shape.min()
    points = shape // 2 + side // 3 * np.array([[1, 1], [-1, 1], [-1, -1]])
    moved = points + draw.uniform(-shift * side, shift * side, points.shape)
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), points)  # from where a pixel comes
    planes = [
        affine_transform(plane, back[:2].T, back[2], order=1, mode="mirror") for plane in np.moveaxis(image_HWC, 2, 0)
    ]
    return np.stack(planes, axis=2)


def pixelate(image_HWC: Bytes, _: Generator, factor: float) -> Bytes:
    """Made smaller and large again, each time by the mean over boxes."""
    from PIL import Image

    picture = picture_of(image_HWC)
    small = picture.resize((int(picture.width * factor), int(picture.height * factor)), Image.Resampling.BOX)
    return _pixels(small.resize(picture.size, Image.Resampling.BOX), image_HWC)


def jpeg_compression(image_HWC: Bytes, _: Generator, quality: int) -> Bytes:
    """Written as JPEG of this quality, and read."""
    from PIL import Image

    stream = BytesIO()
    picture_of(image_HWC).save(stream, "JPEG", quality=quality)
    return _pixels(Image.open(stream), image_HWC)


def picture_of(image_HWC: Bytes) -> Image.Image:
    """A Pillow image, in colour or grey."""
    from PIL import Image

    return Image.fromarray(image_HWC.squeeze(2) if image_HWC.shape[2] == 1 else image_HWC)


def _pixels(picture: Image.Image, like_HWC: Bytes) -> Bytes:
    return np.asarray(picture).reshape(like_HWC.shape)


def saturate(image_HWC: Bytes, _: Generator, factor: float, added: float) -> Floats:
    """The saturation of HSV scaled and shifted."""
    from matplotlib.colors import hsv_to_rgb, rgb_to_hsv

    hsv = rgb_to_hsv(image_HWC / 255)
    hsv[..., 1] = np.clip(hsv[..., 1] * factor + added, 0, 1)
    made: Floats = 255 * hsv_to_rgb(hsv)
    return made
