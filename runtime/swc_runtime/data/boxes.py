"""The random-resized-crop of ImageNet training, keyed by sample.

Takes image sizes and a 64-bit number for each image, gives crop boxes in pixels. Guarantees: the same number gives the
same box; a box lies within its image.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from swc_runtime.data.keys import Hashes, Integers, hashes, uniform

AREA = (0.08, 1.0)
RATIO = (3 / 4, 4 / 3)
NUM_TRIES = 10


def crop_boxes(values: Hashes, heights: Integers, widths: Integers) -> Integers:
    """Boxes [N, 4] of (top, left, height, width): an area of 8% to 100% in a ratio of 3:4 to 4:3, tried ten times.

    Where no try fits, the largest central box of an allowed ratio (as torchvision's RandomResizedCrop does).
    """
    boxes = _central(heights, widths)
    found = np.zeros(len(values), dtype=bool)
    for attempt in range(NUM_TRIES):
        draws = np.stack([_draw(values, 4 * attempt + part) for part in range(4)])
        tried, fits = _try(draws, heights, widths)
        take = fits & ~found
        boxes[take] = tried[take]
        found |= fits
    return boxes


def _draw(values: Hashes, number: int) -> NDArray[np.float64]:
    return uniform(hashes(number, values.view(np.int64)))


def _try(draws: NDArray[np.float64], heights: Integers, widths: Integers) -> tuple[Integers, NDArray[np.bool_]]:
    area = heights * widths * (AREA[0] + draws[0] * (AREA[1] - AREA[0]))
    ratio = np.exp(np.log(RATIO[0]) + draws[1] * (np.log(RATIO[1]) - np.log(RATIO[0])))
    wide = np.rint(np.sqrt(area * ratio)).astype(np.int64)
    high = np.rint(np.sqrt(area / ratio)).astype(np.int64)
    fits = (wide > 0) & (wide <= widths) & (high > 0) & (high <= heights)
    top = np.floor(draws[2] * (heights - high + 1)).astype(np.int64)
    left = np.floor(draws[3] * (widths - wide + 1)).astype(np.int64)
    return np.stack([top, left, high, wide], axis=1), fits


def _central(heights: Integers, widths: Integers) -> Integers:
    wide = np.minimum(widths, np.rint(heights * RATIO[1]).astype(np.int64))
    high = np.minimum(heights, np.rint(widths / RATIO[0]).astype(np.int64))
    return np.stack([(heights - high) // 2, (widths - wide) // 2, high, wide], axis=1)
