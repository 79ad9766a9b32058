"""Splits: the images of a data set, in memory or read from a folder when they are asked for.

Takes arrays or paths, gives `Split`s and a `Dataset` of two of them. Guarantees: images are [N, C, H, W] as the members
see them, before normalisation, from 0 to 255: uint8, or float32 where a function of the user's own gave floats; labels
are int64 [N]; reading an image twice gives the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from attrs import evolve, frozen
from swc.diagnostics import Diagnostic, DiagnosticError, Sink
from swc.diagnostics.catalogue.data import DataDamaged
from swc.files.run import TargetScale
from swc.files.scores import ScoredPart
from swc.program.datasets import DATA, DataFacts
from torch import Tensor

from swc_runtime.data.boxes import crop_boxes
from swc_runtime.data.keys import Hashes, Integers
from swc_runtime.data.listing import printable
from swc_runtime.data.pixels import BROKEN, with_8_bits
from swc_runtime.data.preparation import Preparation
from swc_runtime.data.readers import readers
from swc_runtime.data.requests import Reader
from swc_runtime.data.tensors import TensorSplit
from swc_runtime.inputs import Inputs

if TYPE_CHECKING:
    from PIL import Image

RESIZE_RATIO = 8 / 7  # the shorter side against the crop at test time: 256 to 224


class Split(Protocol):
    """Images, or other inputs, with classes int64 [N] or other targets [N, C] (`swc_runtime.data.targets`)."""

    @property
    def facts(self) -> DataFacts:
        """What the spec knows of the data set."""
        ...

    @property
    def labels(self) -> Tensor:
        """The classes, int64 [N], or float32 [N, C]."""
        ...

    def __len__(self) -> int: ...

    def fetch(self, samples: Integers, crops: Hashes | None) -> Inputs:
        """The inputs of some samples: images [B, C, H, W], cropped at random and resized where `crops` are given."""
        ...

    def to(self, device: torch.device | str) -> Split:
        """The same split on a device, where it is held in memory."""
        ...

    def known_as(self, facts: DataFacts) -> Split:
        """The same images, normalised by other facts."""
        ...

    def take(self, samples: Integers) -> Split:
        """A split of these examples alone, in this order."""
        ...


@frozen(eq=False)
class MemorySplit:
    """A split held in memory: `images` [N, C, H, W], uint8 or float32 from 0 to 255."""

    facts: DataFacts
    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def fetch(self, samples: Integers, crops: Hashes | None) -> Tensor:
        """Rows of the array."""
        images = self.images[torch.from_numpy(samples).to(self.images.device)]
        return images if crops is None else _resized_crops(images, crops)

    def to(self, device: torch.device | str) -> MemorySplit:
        """A copy on the device."""
        return evolve(self, images=self.images.to(device), labels=self.labels.to(device))

    def known_as(self, facts: DataFacts) -> MemorySplit:
        """The same images, normalised by other facts."""
        return evolve(self, facts=facts)

    def take(self, samples: Integers) -> MemorySplit:
        """A copy of these images alone."""
        chosen = torch.from_numpy(samples).to(self.images.device)
        return evolve(self, images=self.images[chosen], labels=self.labels[chosen])


@frozen(eq=False)
class FolderSplit:
    """A split whose images lie in files and are decoded when fetched, by as many threads as there are cores.

    A `reader` reads ahead.
    """

    facts: DataFacts
    files: tuple[str, ...]
    labels: Tensor
    reader: Reader | None = None

    def __len__(self) -> int:
        return len(self.files)

    def fetch(self, samples: Integers, crops: Hashes | None) -> Tensor:
        """Decoded, cropped and resized images; `DiagnosticError` for a file that cannot be decoded."""
        keys = [None] * len(samples) if crops is None else [crops[i : i + 1] for i in range(len(samples))]
        paths = [self.files[sample] for sample in samples]
        with readers() as pool:
            return torch.stack(list(pool.map(self._decoded, paths, keys)))

    def to(self, device: torch.device | str) -> FolderSplit:
        """The same: batches are moved one by one."""
        return self

    def known_as(self, facts: DataFacts) -> FolderSplit:
        """The same images, normalised by other facts."""
        return evolve(self, facts=facts)

    def take(self, samples: Integers) -> FolderSplit:
        """These files alone."""
        files = tuple(self.files[sample] for sample in samples)
        return evolve(self, files=files, labels=self.labels[torch.from_numpy(samples)])

    def _decoded(self, path: str, crop: Hashes | None) -> Tensor:
        from PIL import Image

        channels, height, width = self.facts.image_shape
        image = self._read(path)
        box = _box(image.size, (height, width), crop)
        pixels = np.array(image.resize((width, height), Image.Resampling.BILINEAR, box=box))
        return torch.from_numpy(pixels.reshape(height, width, channels)).permute(2, 0, 1)

    def decoded(self, path: str) -> Image.Image:
        """A file of the split with all its pixels; `DiagnosticError` where it cannot be decoded."""
        return self._read(path)

    def check(self) -> None:
        """Read every file once; `DiagnosticError` for the first that cannot be decoded."""
        with readers() as pool:
            for _ in pool.map(lambda path: self._read(path).size, self.files):
                pass

    def _read(self, path: str) -> Image.Image:
        from PIL import Image

        channels = self.facts.image_shape[0]
        is_turned = _is_turned(self.facts.name)
        try:
            with Image.open(path) as file:
                return with_8_bits(file, channels, is_turned)
        except (*BROKEN, Image.DecompressionBombError) as error:
            reason = str(error).replace(path, printable(path)) or type(error).__name__
            damaged = DataDamaged(name=self.facts.name, file=printable(path), reason=reason, is_own=is_turned)
            raise DiagnosticError(damaged) from error


def check_readable(split: Split) -> None:
    """Read all images of a split that lie in files; `DiagnosticError` for the first that cannot be decoded."""
    if isinstance(split, FolderSplit):
        split.check()


@frozen(eq=False)
class Dataset:
    """The parts of a data set, where they were found, the names of the classes, and what is odd about the images.

    `validation` is drawn from the images to train on where the spec asks for it; `train` is without it. `preparation`
    is what is done to the columns of a table. What can be made only once parts are drawn, `finish` makes. `targets` are
    the names of the numbers to predict, where they are known.
    """

    facts: DataFacts
    train: Split
    test: Split
    folder: Path | None = None
    classes: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    validation: Split | None = None
    scale: TargetScale | None = None
    preparation: Preparation | None = None
    finish: Callable[[Dataset], Dataset] | None = None
    targets: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """What a member's outputs are called: classes, labels or numbers; () where the data give no names."""
        return self.classes or self.targets

    @property
    def parts(self) -> tuple[tuple[str, Split], ...]:
        """All parts there are, each by its name in messages."""
        drawn = () if self.validation is None else (("validation", self.validation),)
        return (("train", self.train), ("test", self.test), *drawn)

    @property
    def decoders(self) -> tuple[str, ...]:
        """The packages, other than torch and numpy, that make pixels of its files: on their versions bits depend."""
        return ("pillow",) if any(isinstance(split, FolderSplit) for _, split in self.parts) else ()

    @property
    def watched(self) -> ScoredPart:
        """Which images are scored while training goes on: those of the validation part, where there is one."""
        return "" if self.validation is None else "validation"

    def held_out(self, part: ScoredPart) -> Split:
        """The images that scores of `part` are of; ValueError where no validation part was drawn."""
        if part != "validation":
            return self.test
        if self.validation is None:
            raise ValueError("no validation part was drawn")
        return self.validation

    def to(self, device: torch.device | str) -> Dataset:
        """The same images, on the device where they are held in memory; batches are then made there."""
        validation = None if self.validation is None else self.validation.to(device)
        return evolve(self, train=self.train.to(device), test=self.test.to(device), validation=validation)

    def report(self, sink: Sink) -> None:
        """Tell of what is odd about the images."""
        for warning in self.warnings:
            sink.report(warning)

    def _contents(self, split: Split) -> tuple[Tensor, ...]:
        if isinstance(split, TensorSplit):
            return split.tensors
        return (split.images,) if self.facts.function and isinstance(split, MemorySplit) else ()

    def digest(self) -> str:
        """A hash of labels and file names, by which a changed data set is noticed.

        Pixels are not read, but for those that a function of the user's own gave: nothing else tells of them. What is
        no image is read, whoever gave it.
        """
        found = sha256()
        for _, split in self.parts:
            found.update(split.labels.cpu().numpy().tobytes())
            for tensor in self._contents(split):
                found.update(tensor.cpu().numpy().tobytes())
            names = split.files if isinstance(split, FolderSplit) else ()
            found.update(os.fsencode("\0".join("/".join(Path(name).parts[-2:]) for name in names)))
        return found.hexdigest()[:16]


@cache
def _is_turned(name: str) -> bool:
    """Whether images are turned upright: those of published sets are not, of which published numbers are."""
    row = DATA.find(name)
    return row is None or row.is_upright  # without a row they are those of a folder, by its path


def in_memory(
    facts: DataFacts,
    parts: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]],
    folder: Path | None = None,
    classes: tuple[str, ...] = (),
) -> Dataset:
    """A data set of training and test images uint8 [N, C, H, W], each with labels int64 [N]."""
    train, test = (MemorySplit(facts, images, labels) for images, labels in parts)
    return Dataset(facts, train, test, folder, classes)


def _box(size: tuple[int, int], wanted: tuple[int, int], crop: Hashes | None) -> tuple[float, float, float, float]:
    """The part of an image (left, top, right, bottom) to be resized: random, or central as at test time."""
    wide, high = size
    if crop is not None:
        top, left, h, w = (int(v) for v in crop_boxes(crop, np.array([high]), np.array([wide]))[0])
        return (left, top, left + w, top + h)
    scale = min(high / wanted[0], wide / wanted[1]) / RESIZE_RATIO
    half_h, half_w = wanted[0] * scale / 2, wanted[1] * scale / 2
    return (wide / 2 - half_w, high / 2 - half_h, wide / 2 + half_w, high / 2 + half_h)


def _resized_crops(images_BCHW: Tensor, crops: Hashes) -> Tensor:
    """Random boxes of equally large images, resized back to their size by bilinear sampling."""
    _, _, high, wide = images_BCHW.shape
    count = len(crops)
    boxes = crop_boxes(crops, np.full(count, high), np.full(count, wide))
    top, left, h, w = torch.from_numpy(boxes.astype(np.float32)).to(images_BCHW.device).unbind(1)
    zero = torch.zeros_like(top)
    rows_x = torch.stack([w / wide, zero, (2 * left + w) / wide - 1], dim=1)
    rows_y = torch.stack([zero, h / high, (2 * top + h) / high - 1], dim=1)
    grid = torch.nn.functional.affine_grid(
        torch.stack([rows_x, rows_y], dim=1), list(images_BCHW.shape), align_corners=False
    )
    sampled = torch.nn.functional.grid_sample(
        images_BCHW.float(), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    return sampled.round_().to(torch.uint8) if images_BCHW.dtype == torch.uint8 else sampled
