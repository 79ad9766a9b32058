"""What several corruptions do to an array: smoothing, magnifying, streaking.

Takes float arrays [H, W] or [H, W, C], gives such. Guarantees: the shape stays; nothing is clipped.
Suffixes: H x W pixels, C channels.
"""

from __future__ import annotations

from math import ceil, cos, radians, sin
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Bytes = NDArray[np.uint8]
Border = Literal["nearest", "reflect"]

LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R BT.601


def smoothed(image: Floats, sigma: float, border: Border = "nearest", truncate: float = 4.0) -> Floats:
    """A Gaussian blur of `sigma` pixels, not across channels, cut off at `truncate` sigmas."""
    from scipy.ndimage import gaussian_filter

    found: Floats = gaussian_filter(image, sigma, mode=border, truncate=truncate, axes=(0, 1))
    return found


def magnified(image: Floats, factor: float) -> Floats:
    """The middle of an image enlarged to the whole by linear interpolation, `factor` from 1 on."""
    from scipy.ndimage import zoom

    high, wide = image.shape[:2]
    rows, columns = _middle(high, ceil(high / factor)), _middle(wide, ceil(wide / factor))
    factors = (factor, factor, *(1,) * (image.ndim - 2))
    enlarged: Floats = zoom(image[rows, columns], factors, order=1)
    return enlarged[_middle(enlarged.shape[0], high), _middle(enlarged.shape[1], wide)]


def _middle(length: int, part: int) -> slice:
    start = (length - part) // 2
    return slice(start, start + part)


def streaked(image: Floats, radius: int, sigma: float, angle: float) -> Floats:
    """Motion blur to one side: a half Gaussian of 2 `radius` + 1 pixels along `angle` degrees, edges repeated.

    Source: the definition of ImageMagick's MotionBlurImage, with which the official arrays were made.
    """
    steps = np.arange(2 * radius + 1)
    taps = np.exp(-(steps**2) / (2 * sigma**2))
    taps /= taps.sum()
    made = np.zeros(image.shape)
    for step, tap in enumerate(taps):
        down, right = (ceil(step * part - 0.5) for part in (sin(radians(angle)), cos(radians(angle))))
        made += tap * _moved(image, down, right)
    return made


def _moved(image: Floats, down: int, right: int) -> Floats:
    """The pixel so far below and to the right of each, or the nearest one inside."""
    high, wide = image.shape[:2]
    rows = np.clip(np.arange(high) + down, 0, high - 1)
    columns = np.clip(np.arange(wide) + right, 0, wide - 1)
    return image[rows[:, None], columns]
