"""Augmentation and normalisation of whole batches, without a loop over images.

Takes uint8 images and a 64-bit number per image and purpose, gives float images. Guarantees: what happens to an image
depends on its own numbers alone.

Shapes: B images, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from swc.program.datasets import DataFacts
from swc.program.training import Augmentation
from torch import Tensor
from torch.nn import functional as F

from swc_runtime.data import keys
from swc_runtime.data.keys import Hashes, Integers

Draw = Callable[[int], Hashes]  # a purpose to one number for each image of the batch


def augmented(images_BCHW: Tensor, augmentation: Augmentation, draw: Draw, facts: DataFacts) -> Tensor:
    """Padded, cropped, flipped, normalised images with a square cut out: uint8 to float32, [B, C, H, W].

    Zeros are padded before normalisation (black), the square is zero after it (the mean colour).
    """
    placed = _placed(images_BCHW, augmentation, draw)
    normal = normalised(placed, facts)
    return _cut_out(normal, augmentation.cutout, draw) if augmentation.cutout else normal


def normalised(images_BCHW: Tensor, facts: DataFacts) -> Tensor:
    """Pixels 0..255 to zero mean and unit deviation per channel, by the facts of the data set."""
    scale = torch.tensor([1 / (255 * d) for d in facts.deviation], device=images_BCHW.device)
    shift = torch.tensor([-m / d for m, d in zip(facts.mean, facts.deviation, strict=True)], device=images_BCHW.device)
    return images_BCHW.float().mul_(scale.view(-1, 1, 1)).add_(shift.view(-1, 1, 1))


def _placed(images_BCHW: Tensor, augmentation: Augmentation, draw: Draw) -> Tensor:
    """Random crops out of the padded images, flipped at random: one selection of rows and one of columns."""
    pad = augmentation.pad
    if not (pad or augmentation.flip):
        return images_BCHW
    count, channels, height, width = images_BCHW.shape
    rows_BH = np.arange(height) + keys.below(draw(keys.CROP_ROW), 2 * pad + 1)[:, None]
    columns_BW = _columns(width, augmentation, draw)
    padded = F.pad(images_BCHW, (pad, pad, pad, pad)) if pad else images_BCHW
    return _select(padded, rows_BH, columns_BW).view(count, channels, height, width)


def _columns(width: int, augmentation: Augmentation, draw: Draw) -> Integers:
    columns_BW: Integers = np.arange(width) + keys.below(draw(keys.CROP_COLUMN), 2 * augmentation.pad + 1)[:, None]
    if augmentation.flip:
        flip_B = keys.below(draw(keys.FLIP), 2).astype(bool)
        columns_BW[flip_B] = columns_BW[flip_B, ::-1]
    return columns_BW


def _select(images_BCHW: Tensor, rows_BH: Integers, columns_BW: Integers) -> Tensor:
    count, channels, height, width = images_BCHW.shape
    device = images_BCHW.device
    planes_BC = np.arange(count * channels).reshape(count, channels) * height
    lines = torch.from_numpy((planes_BC[:, :, None] + rows_BH[:, None, :]).reshape(-1)).to(device)
    chosen = images_BCHW.reshape(-1, width).index_select(0, lines).view(count, -1, width)
    columns = torch.from_numpy(columns_BW).to(device)[:, None, :].expand(-1, chosen.shape[1], -1)
    return chosen.gather(2, columns)


def _cut_out(images_BCHW: Tensor, size: int, draw: Draw) -> Tensor:
    """Zero a square of `size` pixels around a random pixel, as far as it lies within the image."""
    _, _, height, width = images_BCHW.shape
    outside_BH = _outside(keys.below(draw(keys.CUTOUT_ROW), height), size, height)
    outside_BW = _outside(keys.below(draw(keys.CUTOUT_COLUMN), width), size, width)
    keep_BHW = torch.from_numpy(outside_BH[:, :, None] | outside_BW[:, None, :]).to(images_BCHW.device)
    return images_BCHW.mul_(keep_BHW[:, None])


def _outside(centres: Integers, size: int, length: int) -> NDArray[np.bool_]:
    start = centres[:, None] - size // 2
    pixels = np.arange(length)[None, :]
    outside: NDArray[np.bool_] = (pixels < start) | (pixels >= start + size)
    return outside
