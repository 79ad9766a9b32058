"""Weather: snow, frost, fog, brightness, spatter.

Takes uint8 images [H, W, C], the constants of a severity and a generator; gives floats 0..255. Snow, frost, brightness
and spatter are colours, and take three channels. Source: `published.py`.
Suffixes: H x W pixels, C channels.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from swc.corrupt.filters import LUMA, Bytes, Floats, magnified, streaked
from swc.corrupt.pictures import frost_pictures

PICTURES = 5  # of the six: the published draw leaves out the last
REDUCED = 5  # frost pictures are taken at every fifth pixel


def snow(  # noqa: PLR0913, PLR0917 - the published constants
    image_HWC: Bytes,
    draw: Generator,
    mean: float,
    deviation: float,
    zoom: float,
    threshold: float,
    radius: int,
    sigma: float,
    kept: float,
) -> Floats:
    """Flakes falling in streaks, over an image that is partly whitened."""
    image = image_HWC / 255
    flakes = magnified(draw.normal(mean, deviation, image.shape[:2]), zoom)
    flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1)
    levels = np.floor(255 * flakes)
    fallen = np.rint(streaked(levels, radius, sigma, draw.uniform(-135, -45)))[:, :, None] / 255
    pale = np.maximum(image, (image @ LUMA)[:, :, None] * 1.5 + 0.5)
    made: Floats = 255 * (kept * image + (1 - kept) * pale + fallen + np.rot90(fallen, 2))
    return made


def frost(image_HWC: Bytes, draw: Generator, kept: float, weight: float) -> Floats:
    """A random part of one of the pictures of frost laid over the image."""
    picture = frost_pictures()[draw.integers(PICTURES)]
    part = _part(picture, image_HWC.shape[:2], draw)
    made: Floats = kept * image_HWC + weight * part
    return made


def _part(picture_HWC: Bytes, shape: tuple[int, ...], draw: Generator) -> Bytes:
    """A random window of the reduced picture; an image too large for that gets a picture reduced less, or mirrored."""
    room = min(length // wanted for length, wanted in zip(picture_HWC.shape, shape, strict=False))
    step = max(1, min(REDUCED, room))
    reduced = picture_HWC[step // 2 :: step, step // 2 :: step]
    missing = [(0, max(0, wanted + 1 - length)) for length, wanted in zip(reduced.shape, shape, strict=False)]
    reduced = np.pad(reduced, (*missing, (0, 0)), mode="symmetric")
    top, left = (int(draw.integers(reduced.shape[axis] - shape[axis])) for axis in (0, 1))
    return reduced[top : top + shape[0], left : left + shape[1]]


def fog(image_HWC: Bytes, draw: Generator, strength: float, decay: float) -> Floats:
    """Clouds added, and all of it dimmed so that the brightest stays as bright."""
    image = image_HWC / 255
    high, wide = image.shape[:2]
    brightest = image.max()
    size = 1 << (max(high, wide) - 1).bit_length()
    clouds = plasma(size, decay, draw)[:high, :wide, None]
    made: Floats = 255 * (image + strength * clouds) * brightest / (brightest + strength)
    return made


def plasma(size: int, decay: float, draw: Generator) -> Floats:
    """Clouds [size, size] from 0 to 1 by the diamond-square algorithm on a torus; `size` is a power of two.

    Each round halves the step and divides the disturbance by `decay`, whose square is what is drawn from.
    """
    heights = np.zeros((size, size))
    step, disturbance = size, 100.0
    while step >= 2:
        _refine(heights, step, disturbance, draw)
        step, disturbance = step // 2, disturbance / decay
    heights -= heights.min()
    made: Floats = heights / heights.max()
    return made


def _refine(heights: Floats, step: int, disturbance: float, draw: Generator) -> None:
    """The middles of all squares of a grid, then those of their sides: the mean of four neighbours, disturbed."""
    half = step // 2
    corners = heights[::step, ::step]

    def disturbed(total: Floats) -> Floats:
        made: Floats = total / 4 + disturbance * draw.uniform(-disturbance, disturbance, total.shape)
        return made

    right = corners + np.roll(corners, -1, axis=1)
    below = corners + np.roll(corners, -1, axis=0)
    middles = disturbed(right + np.roll(right, -1, axis=0))
    heights[half::step, half::step] = middles
    heights[::step, half::step] = disturbed(right + middles + np.roll(middles, 1, axis=0))
    heights[half::step, ::step] = disturbed(below + middles + np.roll(middles, 1, axis=1))


def brightness(image_HWC: Bytes, _: Generator, added: float) -> Floats:
    """The value of HSV raised."""
    from matplotlib.colors import hsv_to_rgb, rgb_to_hsv

    hsv = rgb_to_hsv(image_HWC / 255)
    hsv[..., 2] = np.clip(hsv[..., 2] + added, 0, 1)
    made: Floats = 255 * hsv_to_rgb(hsv)
    return made
