"""Data sets that torchvision reads and downloads: `data torchvision("FashionMNIST")`.

Takes the facts of the spec; gives a `Dataset`. Guarantees: what is read has the numbers of images and the shape that
are published, or is refused; a download is announced first, and each of its files appears whole or not at all; files
are looked for where torchvision puts them, and those of the MNIST family packed by gzip too.
"""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from attrs import field, frozen
from scipy.io.matlab import MatReadError
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.data import DataDamaged, DataMissing
from swc.program.datasets import DataFacts
from swc.program.torchvision_sets import SETS, PublishedSet
from torch import Tensor

from swc_runtime.data.place import DataPlace
from swc_runtime.data.splits import Dataset, FolderSplit, MemorySplit, Split

IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
BALANCED = tuple(
    f"emnist-balanced-{part}-{kind}"
    for part in ("train", "test")
    for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
)
# what torchvision's classes and scipy's reader raise of files that are not as they should be
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AssertionError,
    RuntimeError,
    MatReadError,
    zlib.error,
)
NOT_THERE = (
    "Dataset not found"  # how torchvision's RuntimeError begins where files are missing, or not the official ones
)


@frozen
class TorchvisionClass:
    """How a class of torchvision is called, and where it keeps what it has read.

    `split` is the argument that names the part, with its values for training and test; `images` and `labels` are
    attributes, `images` of arrays uint8 or of paths. `files` says what must lie in the folder of data sets, `source` is
    where they are downloaded from; `packed` are files that may also be there as `NAME/FILE.gz`.
    """

    split: tuple[str, Any, Any]
    images: str
    labels: str
    files: str
    source: str
    packed: tuple[str, ...] = ()
    further: dict[str, Any] = field(factory=dict)


def _mnist(source: str, name: str) -> TorchvisionClass:
    return TorchvisionClass(
        ("train", True, False), "data", "targets", f"the files of `{name}/raw`, as {IDX[0]}", source, IDX
    )


CLASSES: dict[str, TorchvisionClass] = {
    "MNIST": _mnist("ossci-datasets.s3.amazonaws.com", "MNIST"),
    "FashionMNIST": _mnist("fashion-mnist.s3-website.eu-central-1.amazonaws.com", "FashionMNIST"),
    "KMNIST": _mnist("codh.rois.ac.jp", "KMNIST"),
    "EMNIST": TorchvisionClass(
        ("train", True, False),
        "data",
        "targets",
        f"the files of `EMNIST/raw`, as {BALANCED[0]}",
        "biometrics.nist.gov",
        BALANCED,
        {"split": "balanced"},
    ),
    "SVHN": TorchvisionClass(
        ("split", "train", "test"), "data", "labels", "`train_32x32.mat` and `test_32x32.mat`", "ufldl.stanford.edu"
    ),
    "STL10": TorchvisionClass(
        ("split", "train", "test"), "data", "labels", "the folder `stl10_binary`", "ai.stanford.edu"
    ),
    "Flowers102": TorchvisionClass(
        ("split", "train", "test"), "_image_files", "_labels", "the folder `flowers-102`", "www.robots.ox.ac.uk"
    ),
    "OxfordIIITPet": TorchvisionClass(
        ("split", "trainval", "test"), "_images", "_labels", "the folder `oxford-iiit-pet`", "thor.robots.ox.ac.uk"
    ),
    "Food101": TorchvisionClass(
        ("split", "train", "test"), "_image_files", "_labels", "the folder `food-101`", "data.vision.ee.ethz.ch"
    ),
}


def read(facts: DataFacts, place: DataPlace) -> Dataset:
    """Training and test part; DiagnosticError where they cannot be had, or are not what is published."""
    published = SETS[facts.given()["set"]]
    opened = _opened(published, place)
    parts = zip(opened, (published.num_train, published.num_test), ("training", "test"), strict=True)
    train, test = (_split(facts, published, *part, place.folder) for part in parts)
    names = tuple(getattr(opened[0], "classes", ()))
    return Dataset(facts, train, test, place.folder, names if len(names) == facts.num_classes else ())


def _opened(published: PublishedSet, place: DataPlace) -> tuple[Any, Any]:
    """Both parts as torchvision has them, downloaded where they are not there."""
    try:
        return _both(published, place.folder)
    except RuntimeError as error:
        reason = str(error).partition(". ")[0]
    if _are_packed(published, place.folder):
        with _unpacked(published, place.folder) as folder:
            return _both(published, folder)
    if place.offline:
        raise _missing(published, place.folder, f"downloading is off (`--offline`): torchvision says `{reason}`")
    place.announce(f"downloading {published.name} from {CLASSES[published.name].source} to {place.folder}")
    try:
        _download(published, place.folder)
    except (OSError, RuntimeError) as error:  # no network, no room, or a checksum that differs
        raise _missing(published, place.folder, f"the download failed: {error}") from error
    return _both(published, place.folder)


def _both(published: PublishedSet, folder: Path, *, download: bool = False) -> tuple[Any, Any]:
    """RuntimeError where files are not there; DiagnosticError where they cannot be read."""
    from torchvision import datasets

    how, made = CLASSES[published.name], getattr(datasets, published.name)
    argument, *parts = how.split
    try:
        train, test = (made(root=str(folder), download=download, **{argument: part}, **how.further) for part in parts)
    except DAMAGED as error:
        if download or str(error).startswith(NOT_THERE):
            raise
        raise _damaged(published, folder, f"{type(error).__name__}: {error}") from error
    return train, test


def _download(published: PublishedSet, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
        _both(published, Path(partial), download=True)
        for file in sorted(path for path in Path(partial).rglob("*") if path.is_file()):
            (folder / file.relative_to(partial)).parent.mkdir(parents=True, exist_ok=True)
            file.replace(folder / file.relative_to(partial))


# --- files packed by gzip ---------------------------------------------------------------------------------------------


def _packed(name: str, folder: Path, file: str) -> Path | None:
    """Where a file of the MNIST family lies, packed or not; None where it does not."""
    places = (folder / name / "raw", folder / name)
    return next((path for at in places for path in (at / file, at / f"{file}.gz") if path.is_file()), None)


def _are_packed(published: PublishedSet, folder: Path) -> bool:
    files = CLASSES[published.name].packed
    return bool(files) and all(_packed(published.name, folder, file) for file in files)


@contextmanager
def _unpacked(published: PublishedSet, folder: Path) -> Iterator[Path]:
    """A folder in which torchvision finds the files, for a while; DiagnosticError for one that is cut short."""
    with TemporaryDirectory() as made:
        raw = Path(made) / published.name / "raw"
        raw.mkdir(parents=True)
        for file in CLASSES[published.name].packed:
            found = _packed(published.name, folder, file)
            assert found is not None, "all of them are there"
            opened = gzip.open if found.suffix == ".gz" else open
            try:
                with opened(found, "rb") as packed, (raw / file).open("wb") as plain:
                    shutil.copyfileobj(packed, plain)
            except DAMAGED as error:
                raise _damaged(published, found, str(error)) from error
        yield Path(made)


# --- what torchvision has read ----------------------------------------------------------------------------------------


def _split(facts: DataFacts, published: PublishedSet, opened: Any, count: int, part: str, folder: Path) -> Split:
    how = CLASSES[published.name]
    images, labels = getattr(opened, how.images), torch.as_tensor(np.asarray(getattr(opened, how.labels), np.int64))
    if len(images) != count or len(labels) != count:
        raise _damaged(published, folder, f"it has {len(images):,} {part} images, and {published.name} {count:,}")
    if published.shape is None:
        return FolderSplit(facts, tuple(map(str, images)), labels)
    pixels = _pixels(images)
    if tuple(pixels.shape[1:]) != published.shape:
        raise _damaged(
            published, folder, f"its {part} images are {list(pixels.shape[1:])}, not {list(published.shape)}"
        )
    return MemorySplit(facts, pixels, labels)


def _pixels(images: Any) -> Tensor:
    """Images uint8 [N, C, H, W] of what torchvision keeps; grey ones have no channels there."""
    pixels = torch.from_numpy(np.ascontiguousarray(images))
    return pixels[:, None] if pixels.dim() == 3 else pixels


def _missing(published: PublishedSet, folder: Path, reason: str) -> DiagnosticError:
    wanted = f"{CLASSES[published.name].files}, as torchvision has them,"
    return DiagnosticError(DataMissing(name=published.name, folder=str(folder), wanted=wanted, reason=reason))


def _damaged(published: PublishedSet, file: Path, reason: str) -> DiagnosticError:
    return DiagnosticError(DataDamaged(name=published.name, file=str(file), reason=reason))
