"""Blur: defocus, glass, motion, zoom, gaussian.

Takes uint8 images [H, W, C], the constants of a severity and a generator; gives floats 0..255. Source: `published.py`.
Suffixes: H x W pixels, C channels.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from swc.corrupt.filters import Bytes, Floats, magnified, smoothed, streaked

ZOOM_STEP = 0.01
REACH = 2  # pixels: no published disk reaches further, its smooth rim included


def defocus_blur(image_HWC: Bytes, _: Generator, radius: float, rim: float) -> Floats:
    """The image of a lens out of focus: a disk, its rim smoothed by `rim` pixels."""
    from scipy.ndimage import correlate

    kernel = disk(radius, rim)[:, :, None]
    made: Floats = correlate(image_HWC.astype(np.float64), kernel, mode="mirror")
    return made


def disk(radius: float, rim: float) -> Floats:
    """The kernel [5, 5]: the pixels within the radius, smoothed by three taps of a Gaussian in each direction."""
    places = np.arange(-REACH, REACH + 1)
    kernel = (places[:, None] ** 2 + places**2 <= radius**2).astype(np.float64)
    taps = np.exp(-(np.array([-1, 0, 1]) ** 2) / (2 * rim**2))
    taps /= taps.sum()
    smooth = np.array([np.convolve(row, taps, "same") for row in kernel])
    smooth = np.array([np.convolve(column, taps, "same") for column in smooth.T]).T
    made: Floats = smooth / smooth.sum()
    return made


def glass_blur(image_HWC: Bytes, draw: Generator, sigma: float, furthest: int, rounds: int) -> Floats:
    """Smoothed, each pixel replaced by itself or one above or to the left, smoothed again.

    The published loop means to swap the two, from the last pixel to the first, but its assignment overwrites one before
    it is read, so that the other keeps its value. The official arrays are made so, and so are these.
    """
    assert furthest == 1, "further away a pixel may have been replaced before it is taken"
    made = (255 * smoothed(image_HWC / 255, sigma)).astype(np.uint8)
    for _ in range(rounds):
        made = _shaken(made, draw)
    return 255 * smoothed(made / 255, sigma)


def _shaken(image_HWC: Bytes, draw: Generator) -> Bytes:
    """All pixels at once, but for the first two rows and columns: what is taken comes later in the published loop."""
    high, wide = image_HWC.shape[:2]
    up, left = draw.integers(0, 2, size=(2, high - 2, wide - 2))
    made = image_HWC.copy()
    made[2:, 2:] = image_HWC[np.arange(2, high)[:, None] - up, np.arange(2, wide) - left]
    return made


def motion_blur(image_HWC: Bytes, draw: Generator, radius: int, sigma: float) -> Floats:
    """Moved to one side, in a direction within 45 degrees of the horizontal."""
    return np.rint(streaked(image_HWC.astype(np.float64), radius, sigma, draw.uniform(-45, 45)))


def zoom_blur(image_HWC: Bytes, _: Generator, furthest: float) -> Floats:
    """The mean of the image and of itself at all factors from 1 on, the furthest left out but for rounding."""
    image = image_HWC / 255
    factors = np.arange(1, furthest, ZOOM_STEP)
    summed = image + sum(magnified(image, float(factor)) for factor in factors)
    made: Floats = 255 * summed / (len(factors) + 1)
    return made


def gaussian_blur(image_HWC: Bytes, _: Generator, sigma: float) -> Floats:
    """Smoothed by `sigma` pixels."""
    return 255 * smoothed(image_HWC / 255, sigma)
