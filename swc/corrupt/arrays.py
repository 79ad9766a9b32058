"""Folders of corrupted images in the layout of the official arrays.

    NAME.npy        uint8 [severities x N, H, W, C]: all test images in severity 1, then in severity 2, ...
    labels.npy      the labels of the test images, once for each severity
    generated.json  what the arrays were made of; the official folders have none

Takes a folder and the data set that it must be of, gives `Arrays`. Guarantees: an array is checked before any of its
images is used, and read only as far as it is asked for; nothing is unpickled.
Suffixes: N images, H x W pixels, C channels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from swc.corrupt.filters import Bytes
from swc.corrupt.published import SEVERITIES, TYPES
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.corrupting import NoCorruptedImages, UnfitArray
from swc.diagnostics.sources import read_source
from swc.files.generated import Generated
from swc.files.kind_codec import content_of
from swc.files.kinds import FILE_KINDS

MARK = "generated.json"
LABELS = "labels.npy"


@frozen(eq=False)
class Arrays:
    """A folder whose arrays fit: of each type, `num_images` images in each severity."""

    folder: Path
    data: str
    generated: Generated | None
    types: tuple[str, ...]
    severities: tuple[int, ...]
    image_shape: tuple[int, int, int]
    num_images: int

    def images(self, name: str, severity: int) -> Bytes:
        """The images [N, H, W, C] of one type and severity, read from the file where they are looked at."""
        start = self.severities.index(severity) * self.num_images
        return array_of(self.folder / f"{name}.npy")[start : start + self.num_images]


def open_arrays(folder: Path, data: str, image_shape: tuple[int, int, int], labels_N: NDArray[np.int64]) -> Arrays:
    """The arrays of a folder; DiagnosticError where they are not of this data set, [H, W, C], with these labels."""
    mark = read_mark(folder)
    if mark is not None and mark.settings.data != data:
        reason = f"it was made of `{mark.settings.data}`, not of `{data}`"
        raise DiagnosticError(UnfitArray(path=str(folder / MARK), reason=reason))
    severities = mark.settings.severities if mark is not None else SEVERITIES
    _check_labels(folder, labels_N, len(severities))
    types = tuple(name for name in TYPES if (folder / f"{name}.npy").is_file())
    if not types:
        raise DiagnosticError(NoCorruptedImages(folder=str(folder), lacking=f"`{TYPES[0]}.npy`, nor any other type"))
    for name in types:
        _check(folder / f"{name}.npy", (len(severities) * len(labels_N), *image_shape))
    return Arrays(folder, data, mark, types, severities, image_shape, len(labels_N))


def read_mark(folder: Path) -> Generated | None:
    """What a folder was made of; None where it is not marked as generated."""
    path = folder / MARK
    if not path.is_file():
        return None
    mark: Generated = content_of(FILE_KINDS["generated"], read_source(path), str(path))
    return mark


def array_of(path: Path) -> NDArray[Any]:
    """An array that stays in its file; DiagnosticError where that is not a whole array."""
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DiagnosticError(UnfitArray(path=str(path), reason=f"it is not a whole array ({error})")) from error
    return found


def _check_labels(folder: Path, labels_N: NDArray[np.int64], num_severities: int) -> None:
    path = folder / LABELS
    if not path.is_file():
        raise DiagnosticError(NoCorruptedImages(folder=str(folder), lacking=f"`{LABELS}`"))
    found, wanted = array_of(path), np.tile(labels_N, num_severities)
    if found.shape != wanted.shape:
        reason = f"it holds {_spoken(found)}, where {num_severities} times {len(labels_N)} labels belong"
        raise DiagnosticError(UnfitArray(path=str(path), reason=reason))
    differ = int((found != wanted).sum())
    if differ:
        reason = f"{differ} of {len(wanted)} labels are not those of the test images"
        raise DiagnosticError(UnfitArray(path=str(path), reason=reason))


def _check(path: Path, shape: tuple[int, ...]) -> None:
    found = array_of(path)
    if found.shape != shape or found.dtype != np.uint8:
        reason = f"it holds {_spoken(found)}, where uint8 {'x'.join(map(str, shape))} belongs"
        raise DiagnosticError(UnfitArray(path=str(path), reason=reason))


def _spoken(array: NDArray[Any]) -> str:
    return f"{array.dtype} {'x'.join(map(str, array.shape))}"
