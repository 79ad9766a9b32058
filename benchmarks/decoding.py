"""Images a second that one core decodes and brings to the members' size: by Pillow, and by torchvision.io.

    python -m benchmarks.decoding [-o FOLDER] [--rounds N]

Pictures are made of smooth colours and noise, so that their files are as large as photographs'. Times are those of the
processor, so that what else it does counts little; the pixels of both ways are compared. *Decoded* is a file as an
array; *to a batch* it is cropped and resized too, what torchvision.io has decoded by Pillow or by torchvision.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.io import decode_image, read_file
from torchvision.transforms.functional import resized_crop

from benchmarks.paired import paired
from benchmarks.table import Row, arguments, give

MARGIN = 10  # of so many parts of a side one is cut off at each end
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg": (".jpg", {"quality": 90}),
    "progressive jpeg": (".jpg", {"quality": 85, "progressive": True}),
    "png": (".png", {}),
}
SIZES = {(375, 500): (8, 224), (64, 64): (60, 64)}  # height and width, to how many pictures, and the side they go to


def picture(size: tuple[int, int], draw: np.random.Generator) -> Image.Image:
    """A picture of smooth colours and noise."""
    height, width = size
    coarse = draw.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    return Image.fromarray((smooth + draw.integers(-12, 13, (height, width, 3))).clip(0, 255).astype(np.uint8))


def by_pillow(path: str) -> Image.Image:
    """A file as Pillow decodes it."""
    with Image.open(path) as file:
        file.load()
        return file.convert("RGB")


def by_torchvision(path: str) -> Tensor:
    """A file as torchvision.io decodes it, [3, H, W]."""
    found: Tensor = decode_image(read_file(path))
    return found


def pillow_decoded(path: str, _: int) -> Tensor:
    """By Pillow, as a tensor."""
    return torch.from_numpy(np.array(by_pillow(path))).permute(2, 0, 1)


def torchvision_decoded(path: str, _: int) -> Tensor:
    """By torchvision.io, which gives a tensor."""
    return by_torchvision(path)


def pillow_batch(path: str, side: int) -> Tensor:
    """As a batch has it, by Pillow alone: what `swc_runtime.data.splits` does."""
    return _resized(by_pillow(path), side)


def mixed_batch(path: str, side: int) -> Tensor:
    """As a batch has it, decoded by torchvision.io and resized by Pillow."""
    return _resized(Image.fromarray(by_torchvision(path).permute(1, 2, 0).numpy()), side)


def torchvision_batch(path: str, side: int) -> Tensor:
    """As a batch has it, by torchvision alone, whose resizing rounds otherwise."""
    image = by_torchvision(path)
    _, height, width = image.shape
    top, left = height // MARGIN, width // MARGIN
    made: Tensor = resized_crop(image, top, left, height - 2 * top, width - 2 * left, [side, side], antialias=True)
    return made


def _resized(image: Image.Image, side: int) -> Tensor:
    width, height = image.size
    left, top = width // MARGIN, height // MARGIN
    made = image.resize((side, side), Image.Resampling.BILINEAR, box=(left, top, width - left, height - top))
    return torch.from_numpy(np.array(made)).permute(2, 0, 1)


Way = Callable[[str, int], Tensor]
PAIRS: dict[str, tuple[Way, Way]] = {
    "decoded: Pillow / torchvision.io": (pillow_decoded, torchvision_decoded),
    "to a batch: Pillow / torchvision.io, then Pillow": (pillow_batch, mixed_batch),
    "to a batch: Pillow / torchvision alone": (pillow_batch, torchvision_batch),
}


def rows_of(kind: str, size: tuple[int, int], folder: Path, rounds: int) -> list[Row]:
    """How many times as long Pillow takes for files of a kind and size."""
    (ending, options), (count, side) = KINDS[kind], SIZES[size]
    paths, draw = [str(folder / f"{number}{ending}") for number in range(count)], np.random.default_rng(0)
    for path in paths:
        picture(size, draw).save(path, **options)
    return [_row(f"{kind} {size[1]} x {size[0]}, {what}", pair, paths, side, rounds) for what, pair in PAIRS.items()]


def _row(what: str, pair: tuple[Way, Way], paths: list[str], side: int, rounds: int) -> Row:
    ways = [partial(_all, way, paths, side) for way in pair]
    pixels = [torch.stack(way()) for way in ways]
    differing = float((pixels[0] != pixels[1]).float().mean())
    found = paired(ways[0], ways[1], rounds, clock=process_time)
    rates = f"{len(paths) / found.first:,.0f} and {len(paths) / found.second:,.0f} images a second"
    words = f"{found.median:.2f} [{found.low:.2f}, {found.high:.2f}] ({found.confidence:.1%}), {rates}"
    return Row(f"{what}, {f'{differing:.0%} of bytes differ' if differing else 'equal bytes'}", found.median, words)


def _all(way: Way, paths: list[str], side: int) -> list[Tensor]:
    return [way(path, side) for path in paths]


def measured(rounds: int) -> list[Row]:
    """The rows of all kinds and sizes, on one thread."""
    torch.set_num_threads(1)
    rows: list[Row] = []
    for size in SIZES:
        for kind in KINDS:
            with TemporaryDirectory() as made:
                rows += rows_of(kind, size, Path(made), rounds)
    return rows


if __name__ == "__main__":
    given = arguments(__doc__)
    give(measured(given.rounds), given.output, "decoding")
