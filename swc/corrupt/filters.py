"""What several corruptions do to an array: smoothing, magnifying, streaking.

Takes float arrays [H, W] or [H, W, C], gives such. Guarantees: the shape stays; nothing is clipped.
Suffixes: H x W pixels, C channels.
"""

from __future__ import annotations

from functools import lru_cache
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
    rows, columns = (_enlarging(length, factor) for length in image.shape[:2])
    if image.ndim == 2:
        return rows @ image @ columns.T
    made: Floats = np.moveaxis(rows @ np.moveaxis(image, 2, 0) @ columns.T, 0, 2)
    return made


@lru_cache(maxsize=256)
def _enlarging(length: int, factor: float) -> Floats:
    """The linear map [L, L] of a line to its enlarged middle: what scipy makes of each pixel alone."""
    from scipy.ndimage import zoom

    part = ceil(length / factor)
    enlarged = zoom(np.eye(part), (factor, 1), order=1)
    made = np.zeros((length, length))
    made[:, _middle(length, part)] = enlarged[_middle(len(enlarged), length)]
    return made


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
    reach = len(steps)
    high, wide = image.shape[:2]
    wider = np.pad(image, [(reach, reach), (reach, reach), *[(0, 0)] * (image.ndim - 2)], mode="edge")
    made = np.zeros(image.shape)
    for step, tap in enumerate(taps):
        top, left = (reach + ceil(step * part - 0.5) for part in (sin(radians(angle)), cos(radians(angle))))
        made += tap * wider[top : top + high, left : left + wide]
    return made
