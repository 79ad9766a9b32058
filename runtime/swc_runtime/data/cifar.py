"""CIFAR-10 and CIFAR-100 from the official Python archives.

Takes a folder, gives arrays. Guarantees: every file has the official MD5 sum before it is opened; the files are
pickles, so they are read by an unpickler that can make numpy arrays and Python's own containers and nothing else: no
file can name code to run; a download appears whole or not at all.
"""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from attrs import evolve, field, frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.data import DataDamaged, DataMissing
from swc.program.class_names import CIFAR100_COARSE
from swc.program.datasets import DataFacts, class_names_of
from torch import Tensor

from swc_runtime.data.place import DataPlace
from swc_runtime.data.splits import Dataset, in_memory

Announce = Callable[[str], None]


@frozen
class Archive:
    """An official archive: where it is, what it unpacks to, and the MD5 sums, archive and files."""

    name: str
    url: str
    md5: str
    folder: str
    labels: bytes
    train: tuple[tuple[str, str], ...] = field(repr=False)
    test: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def file(self) -> str:
        """The archive's file name."""
        return self.url.rsplit("/", 1)[-1]


ARCHIVES = {
    "cifar10": Archive(
        "cifar10",
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "c58f30108f718f92721af3b95e74349a",
        "cifar-10-batches-py",
        b"labels",
        (
            ("data_batch_1", "c99cafc152244af753f735de768cd75f"),
            ("data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"),
            ("data_batch_3", "54ebc095f3ab1f0389bbae665268c751"),
            ("data_batch_4", "634d18415352ddfa80567beed471001a"),
            ("data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"),
        ),
        (("test_batch", "40351d587109b95175f43aff81a1287e"),),
    ),
    "cifar100": Archive(
        "cifar100",
        "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        "eb9058c3a382ffc7106e4002c42a8d85",
        "cifar-100-python",
        b"fine_labels",
        (("train", "16019d7e3df5f24257cddd939b257f8d"),),
        (("test", "f0ef6b0ae62326f3e7ffdfab6717acfc"),),
    ),
}


def read(facts: DataFacts, place: DataPlace) -> Dataset:
    """The data set, with the labels and at the size of the facts; DiagnosticError as in `read_cifar`."""
    archive, classes = ARCHIVES[facts.name], class_names_of(facts)
    if classes == CIFAR100_COARSE:
        archive = evolve(archive, labels=b"coarse_labels")
    train, test = (
        (shrunk(images, facts.image_shape[1]), labels)
        for images, labels in read_cifar(archive, place.folder, place.offline, place.announce)
    )
    return in_memory(facts, (train, test), place.folder, classes)


def shrunk(images: Tensor, size: int) -> Tensor:
    """Images uint8 [N, 3, 32, 32] at [N, 3, size, size]: means over squares, rounded, halves to the even byte."""
    count, channels, side, _ = images.shape
    if size == side:
        return images
    block = side // size
    squares = images.numpy().reshape(count, channels, size, block, size, block)
    sums = squares.sum((3, 5), dtype=np.uint16)  # of at most 16 bytes
    return torch.from_numpy(np.rint(sums / block**2).astype(np.uint8))


def read_cifar(
    archive: Archive, folder: Path, offline: bool, announce: Announce
) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Training and test images uint8 [N, 3, 32, 32] with labels int64 [N], downloaded where they are not there.

    `DiagnosticError` where they cannot be had, or a file is not the official one.
    """
    place = _found(archive, folder)
    if place is None:
        _obtain(archive, folder, offline, announce)
        place = folder / archive.folder
    return _read_files(archive, place, archive.train), _read_files(archive, place, archive.test)


def _found(archive: Archive, folder: Path) -> Path | None:
    """The folder with the unpacked files, which may be the given one itself."""
    places = (folder / archive.folder, folder)
    return next((place for place in places if all((place / f).is_file() for f, _ in _files(archive))), None)


def _files(archive: Archive) -> tuple[tuple[str, str], ...]:
    return (*archive.train, *archive.test)


def _obtain(archive: Archive, folder: Path, offline: bool, announce: Announce) -> None:
    if (folder / archive.file).is_file():
        announce(f"unpacking {folder / archive.file}")
        _check_md5(archive, folder / archive.file, archive.md5)
    elif offline:
        raise _missing(archive, folder, "downloading is off (`--offline`)")
    else:
        announce(f"downloading {archive.name} from {archive.url} to {folder}")
        _download(archive, folder)
    _unpack(archive, folder)


def _download(archive: Archive, folder: Path) -> None:
    from torchvision.datasets.utils import download_url

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
            download_url(archive.url, partial, archive.file, archive.md5)
            (Path(partial) / archive.file).replace(folder / archive.file)
    except (OSError, RuntimeError) as error:  # no network, no room, or a checksum that differs
        raise _missing(archive, folder, f"the download failed: {error}") from error


def _unpack(archive: Archive, folder: Path) -> None:
    import tarfile

    with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
        with tarfile.open(folder / archive.file) as tar:
            tar.extractall(partial, filter="data")
        (Path(partial) / archive.folder).rename(folder / archive.folder)


def _missing(archive: Archive, folder: Path, reason: str) -> DiagnosticError:
    wanted = f"the folder `{archive.folder}` or the archive `{archive.file}` (from {archive.url}, MD5 {archive.md5})"
    return DiagnosticError(DataMissing(name=archive.name, folder=str(folder), wanted=wanted, reason=reason))


def _check_md5(archive: Archive, path: Path, wanted: str) -> None:
    with path.open("rb") as file:
        digest = md5(usedforsecurity=False)
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != wanted:
        reason = f"its MD5 sum is {digest.hexdigest()}, not {wanted}"
        raise DiagnosticError(DataDamaged(name=archive.name, file=str(path), reason=reason))


def _read_files(archive: Archive, place: Path, files: tuple[tuple[str, str], ...]) -> tuple[Tensor, Tensor]:
    parts = [_read_file(archive, place / name, wanted) for name, wanted in files]
    images = np.concatenate([part[0] for part in parts]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([part[1] for part in parts])
    return torch.from_numpy(images), torch.from_numpy(labels)


def _read_file(archive: Archive, path: Path, wanted: str) -> tuple[Any, Any]:
    _check_md5(archive, path, wanted)
    try:
        with path.open("rb") as file:
            entries = ArrayUnpickler(file).load()
        return np.asarray(entries[b"data"], dtype=np.uint8), np.asarray(entries[archive.labels], dtype=np.int64)
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError) as error:
        raise DiagnosticError(DataDamaged(name=archive.name, file=str(path), reason=str(error))) from error


def _array_parts() -> dict[tuple[str, str], Any]:
    reconstruct = np.empty(0).__reduce__()[0]  # numpy's own, wherever this version keeps it
    return {
        ("numpy.core.multiarray", "_reconstruct"): reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): reconstruct,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }


class ArrayUnpickler(pickle.Unpickler):
    """Reads numbers, strings, containers and numpy arrays of numbers; refuses to look up anything else."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file, encoding="bytes")
        self._allowed = _array_parts()

    def find_class(self, module: str, name: str) -> Any:
        """The few names that a numpy array needs; `UnpicklingError` for any other."""
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(f"it asks for `{module}.{name}`, which an array does not need")
        return self._allowed[(module, name)]
