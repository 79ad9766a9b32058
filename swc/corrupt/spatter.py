"""Spatter: drops of water or of mud on the lens.

Takes uint8 images [H, W, 3], the constants of a severity and a generator; gives floats 0..255. Source: `published.py`.
Suffixes: H x W pixels, C channels.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from swc.corrupt.filters import Bytes, Floats, smoothed

WATER = np.array([175, 238, 238]) / 255  # pale turquoise
MUD = np.array([63, 42, 20]) / 255
OPAQUE = 0.8  # mud that is thinner does not show
FURTHEST = 20  # pixels from an edge, from where on it makes no difference
EDGES = (50, 150)  # thresholds of Canny's edge finder, for grey levels
LIGHT = np.array([[-2.0, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])  # falls on the drops from below right


def spatter(
    image_HWC: Bytes,
    draw: Generator,
    mean: float,
    deviation: float,
    sigma: float,
    threshold: float,
    strength: float,
    mud: int,
) -> Floats:
    """Water, or mud where `mud` is 1; `strength` is how bright water is, and by how many pixels mud is smoothed."""
    image = image_HWC / 255
    liquid_HW = smoothed(draw.normal(mean, deviation, image.shape[:2]), sigma)
    if mud:
        cover_HW1 = _mud(liquid_HW > threshold, strength)[:, :, None]
        return 255 * (image * (1 - cover_HW1) + cover_HW1 * MUD)
    shine_HW1 = _water(np.where(liquid_HW < threshold, 0, liquid_HW))[:, :, None]
    return 255 * (image + strength * shine_HW1 * WATER)


def _mud(is_wet_HW: NDArray[np.bool_], sigma: float) -> Floats:
    cover_HW = smoothed(is_wet_HW.astype(np.float64), sigma)
    return np.where(cover_HW < OPAQUE, 0, cover_HW)


def _water(liquid_HW: Floats) -> Floats:
    """How drops shine, from 0 to 1: by their thickness, and by the slope towards their edges; zero without a drop."""
    import cv2  # edges and distances by other libraries give other drops

    levels = (255 * liquid_HW).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(levels, *EDGES), cv2.DIST_L2, 5)
    near = cv2.blur(np.minimum(distance, FURTHEST), (3, 3)).astype(np.uint8)
    lit = cv2.blur(cv2.filter2D(cv2.equalizeHist(near), cv2.CV_8U, LIGHT), (3, 3))
    shine = levels.astype(np.float64) * lit
    made: Floats = shine / max(shine.max(), 1.0)
    return made
