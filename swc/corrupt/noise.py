"""Noise: gaussian, shot, impulse, speckle.

Takes uint8 images [H, W, C], the constants of a severity and a generator; gives floats 0..255, not yet clipped.
Guarantees: every channel of every pixel is drawn on its own. Source: `published.py`.
Suffixes: H x W pixels, C channels.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from swc.corrupt.filters import Bytes, Floats


def gaussian_noise(image_HWC: Bytes, draw: Generator, deviation: float) -> Floats:
    """Normal noise; the deviation is for pixels in [0, 1]."""
    return image_HWC + 255 * draw.normal(0, deviation, image_HWC.shape)


def shot_noise(image_HWC: Bytes, draw: Generator, photons: float) -> Floats:
    """As many photons as a Poisson law gives, where white is `photons` in the mean."""
    counts: Floats = draw.poisson(image_HWC / 255 * photons) / photons
    return 255 * counts


def impulse_noise(image_HWC: Bytes, draw: Generator, share: float) -> Floats:
    """Salt and pepper: this share of the values becomes 0 or 255, either as likely."""
    is_hit = draw.random(image_HWC.shape) < share
    is_salt = draw.random(image_HWC.shape) < 0.5
    return np.where(is_hit, 255.0 * is_salt, image_HWC)


def speckle_noise(image_HWC: Bytes, draw: Generator, deviation: float) -> Floats:
    """Normal noise in proportion to the pixel."""
    return image_HWC * (1 + draw.normal(0, deviation, image_HWC.shape))
