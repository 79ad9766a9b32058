"""Augmentation and normalisation of whole batches, without a loop over images.

Takes images and a 64-bit number per image and purpose, gives normalised ones. Guarantees: what happens to an image
depends on its own numbers alone. Images are uint8, or floats from 0 to 255, as they are kept.

Shapes: B images, C channels, H x W pixels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from attrs import evolve, frozen
from numpy.typing import NDArray
from swc.program.datasets import DataFacts
from swc.program.training import AugmentationStep
from swc.registry.augmentations import AUGMENTATIONS
from torch import Tensor
from torch.nn import functional as F

from swc_runtime.data import keys
from swc_runtime.data.keys import Hashes, Integers

Steps = tuple[AugmentationStep, ...]
WHITE = 255  # images are kept from 0 to this, as bytes or as floats
Draw = Callable[[int], Hashes]  # a purpose to one number for each image of the batch


@frozen(eq=False)
class Selection:
    """Which pixels of an image are seen, after `pad` zeros on each side: `rows` [B, H] and `columns` [B, W]."""

    pad: int
    rows: Integers
    columns: Integers


def augmented(images_BCHW: Tensor, steps: Steps, draw: Draw, facts: DataFacts) -> Tensor:
    """Placed, changed and normalised images, float32 [B, C, H, W]."""
    placed = _placed(images_BCHW, at_stage("placing", steps), draw)
    changed = normalised(_repainted(placed, at_stage("pixels", steps), draw), facts)
    for step in at_stage("values", steps):
        changed = AUGMENTATIONS.call(step.name, changed, draw, **step.values)
    return changed


def reading_crops(steps: Steps, draw: Draw) -> Hashes | None:
    """The numbers by which images are cropped as they are read; None: they are read whole."""
    found = at_stage("reading", steps)
    return AUGMENTATIONS.call(found[0].name, draw, **found[0].values) if found else None


def at_stage(stage: str, steps: Steps) -> Steps:
    """The steps that are taken at a stage, in order."""
    return tuple(step for step in steps if step.row.stage == stage)


def normalised(images_BCHW: Tensor, facts: DataFacts) -> Tensor:
    """Pixels from 0 to WHITE to zero mean and unit deviation per channel, by the facts of the data set."""
    scale = torch.tensor([1 / (WHITE * d) for d in facts.deviation], device=images_BCHW.device)
    shift = torch.tensor([-m / d for m, d in zip(facts.mean, facts.deviation, strict=True)], device=images_BCHW.device)
    return images_BCHW.float().mul_(scale.view(-1, 1, 1)).add_(shift.view(-1, 1, 1))


def _repainted(images_BCHW: Tensor, steps: Steps, draw: Draw) -> Tensor:
    """Pixels changed by steps that take bytes, or floats from 0 to 1, as torchvision's transforms do."""
    if not steps:
        return images_BCHW
    changed = images_BCHW / WHITE if images_BCHW.is_floating_point() else images_BCHW
    for step in steps:
        changed = AUGMENTATIONS.call(step.name, changed, draw, **step.values)
    return changed * WHITE if images_BCHW.is_floating_point() else changed


def _placed(images_BCHW: Tensor, steps: Steps, draw: Draw) -> Tensor:
    """Images as the steps select their pixels: one selection of rows and one of columns, however many steps."""
    if not steps:
        return images_BCHW
    count, channels, height, width = images_BCHW.shape
    chosen = Selection(0, np.tile(np.arange(height), (count, 1)), np.tile(np.arange(width), (count, 1)))
    for step in steps:
        chosen = AUGMENTATIONS.call(step.name, chosen, draw, **step.values)
    padded = F.pad(images_BCHW, (chosen.pad,) * 4) if chosen.pad else images_BCHW
    return _select(padded, chosen.rows, chosen.columns).view(count, channels, height, width)


def resized_crop(draw: Draw) -> Hashes:
    """A number for each image that settles its crop (`swc_runtime.data.boxes`)."""
    return draw(keys.RESIZED_CROP)


def crop(chosen: Selection, draw: Draw, pad: int) -> Selection:
    """A window of the former size, somewhere in the padded image: black where it lies outside."""
    rows: Integers = chosen.rows + keys.below(draw(keys.CROP_ROW), 2 * pad + 1)[:, None]
    columns: Integers = chosen.columns + keys.below(draw(keys.CROP_COLUMN), 2 * pad + 1)[:, None]
    return Selection(chosen.pad + pad, rows, columns)


def flip(chosen: Selection, draw: Draw) -> Selection:
    """Half of the images mirrored, left and right."""
    columns, mirrored = chosen.columns.copy(), keys.below(draw(keys.FLIP), 2).astype(bool)
    columns[mirrored] = columns[mirrored, ::-1]
    return evolve(chosen, columns=columns)


def _select(images_BCHW: Tensor, rows_BH: Integers, columns_BW: Integers) -> Tensor:
    count, channels, height, width = images_BCHW.shape
    device = images_BCHW.device
    planes_BC = np.arange(count * channels).reshape(count, channels) * height
    lines = torch.from_numpy((planes_BC[:, :, None] + rows_BH[:, None, :]).reshape(-1)).to(device)
    chosen = images_BCHW.reshape(-1, width).index_select(0, lines).view(count, -1, width)
    columns = torch.from_numpy(columns_BW).to(device)[:, None, :].expand(-1, chosen.shape[1], -1)
    return chosen.gather(2, columns)


def cutout(images_BCHW: Tensor, draw: Draw, size: int) -> Tensor:
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
