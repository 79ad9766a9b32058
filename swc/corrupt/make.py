"""From the test images of a data set to a folder of corrupted ones.

Takes a source and what is asked; writes the layout of `arrays.py`. Guarantees: an array is there whole or not at all,
and is noted only then, so that a command that was stopped goes on with the next; a few batches are in memory at a time.
Suffixes: N images, H x W pixels, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from attrs import evolve, fields, frozen
from numpy.typing import NDArray

from swc.corrupt.arrays import LABELS, MARK, read_mark
from swc.corrupt.filters import Bytes
from swc.corrupt.pictures import missing_packages
from swc.corrupt.published import CORRUPTIONS, LEAST_SIDE, SIDE, TYPES
from swc.corrupt.workers import ImageChunk, in_order, workers
from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.catalogue.corrupting import (
    FolderBusy,
    ImagesTooSmall,
    OtherArrays,
    OtherSize,
    PackageMissing,
    WorkerLost,
)
from swc.diagnostics.catalogue.files import OutputUnwritable
from swc.diagnostics.sources import reason_of
from swc.files.disk import save
from swc.files.generated import Generated, Made, Settings
from swc.files.kinds import FILE_KINDS
from swc.files.whole import whole
from swc.folders.lock import held
from swc.system.version import VERSION

BATCH = 250  # images, of half a second or so
PACKAGES = ("swc", "numpy", "scipy", "pillow", "matplotlib", "opencv-python-headless", "imagecorruptions-imaug")
NOTE = "made by `swc data corrupt` with the published constants; not the official arrays"

Tell = Callable[[str, int, int], None]  # the type, images done, images in all


class CleanImages(Protocol):
    """Clean test images."""

    @property
    def data(self) -> str:
        """The data set's name."""
        ...

    @property
    def labels(self) -> NDArray[np.int64]:
        """The classes [N]."""
        ...

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """[H, W, C], one or three channels."""
        ...

    def images(self, start: int, stop: int) -> Bytes:
        """Some of the images [N, H, W, C]."""
        ...


@frozen
class CorruptionRequest:
    """What the command line says: the types, their severities, the seed, and how many processes."""

    types: tuple[str, ...]
    severities: tuple[int, ...]
    seed: int
    jobs: int


def check(source: CleanImages, asked: CorruptionRequest, sink: Sink) -> None:
    """DiagnosticError for what cannot be made here; a warning where the constants are for other images."""
    shape = source.image_shape[:2]
    if min(shape) < LEAST_SIDE:
        raise DiagnosticError(ImagesTooSmall(name=source.data, shape=shape))
    missing = missing_packages(asked.types)
    if missing:
        raise DiagnosticError(PackageMissing(missing=missing))
    if shape != (SIDE, SIDE):
        sink.report(OtherSize(name=source.data, shape=shape))


def make_arrays(source: CleanImages, asked: CorruptionRequest, folder: Path, tell: Tell) -> tuple[str, ...]:
    """Make the types that the folder lacks, and give their names; DiagnosticError where it holds others."""
    with held(folder, FolderBusy), workers(asked.jobs) as pool:
        mark = _begun(source, asked, folder)
        done = {made.name for made in mark.made if (folder / f"{made.name}.npy").is_file()}
        wanted = tuple(name for name in asked.types if name not in done)
        for name in wanted:
            _make(source, asked, folder / f"{name}.npy", pool, tell)
            mark = _noted(mark, name)
            save(FILE_KINDS["generated"], folder / MARK, mark)
    return wanted


def _begun(source: CleanImages, asked: CorruptionRequest, folder: Path) -> Generated:
    """The mark of the folder, written before anything else; DiagnosticError where there is another one."""
    settings = settings_of(source, asked)
    mark = read_mark(folder)
    if mark is None:
        if any((folder / f"{name}.npy").exists() for name in TYPES):
            raise DiagnosticError(OtherArrays(folder=str(folder), reason="they are not marked as generated"))
        mark = Generated(NOTE, settings, ())
        save(FILE_KINDS["generated"], folder / MARK, mark)
    names = [part.name for part in fields(Settings)]
    differing = [name for name in names if getattr(mark.settings, name) != getattr(settings, name)]
    if differing:
        raise DiagnosticError(OtherArrays(folder=str(folder), reason=f"they differ in {', '.join(differing)}"))
    if not (folder / LABELS).is_file():
        _write_labels(folder / LABELS, np.tile(source.labels, len(asked.severities)))
    return mark


def settings_of(source: CleanImages, asked: CorruptionRequest) -> Settings:
    """What the arrays are a function of; reads every image once."""
    digest = sha256(source.labels.tobytes())
    for images in _clean(source):
        digest.update(images.tobytes())
    constants = tuple(
        (name, tuple(tuple(float(value) for value in values) for values in CORRUPTIONS[name].constants))
        for name in TYPES
    )
    count = len(source.labels)
    return Settings(source.data, source.image_shape, count, digest.hexdigest(), asked.seed, asked.severities, constants)


def _clean(source: CleanImages) -> Iterator[Bytes]:
    count = len(source.labels)
    return (source.images(start, min(start + BATCH, count)) for start in range(0, count, BATCH))


def _noted(mark: Generated, name: str) -> Generated:
    others = tuple(made for made in mark.made if made.name != name)
    made = (*others, Made(name, tuple((package, _version(package)) for package in PACKAGES)))
    return evolve(mark, made=tuple(sorted(made, key=lambda one: TYPES.index(one.name))))


def _version(package: str) -> str:
    if package == "swc":  # which has no distribution of that name
        return VERSION
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _make(source: CleanImages, asked: CorruptionRequest, path: Path, pool: Executor | None, tell: Tell) -> None:
    shape = (len(asked.severities) * len(source.labels), *source.image_shape)
    made = in_order(_batches(source, asked, path.stem), pool, asked.jobs)
    try:
        with _whole(path) as file:
            done = 0
            _write_head(file, shape)
            for images in made:
                file.write(images.tobytes())
                done += len(images)
                tell(path.stem, done, shape[0])
    except BrokenProcessPool as error:
        raise DiagnosticError(WorkerLost(name=path.stem)) from error


def _batches(source: CleanImages, asked: CorruptionRequest, name: str) -> Iterator[ImageChunk]:
    for severity in asked.severities:
        first = 0
        for images in _clean(source):
            yield ImageChunk(images, first, name, severity, asked.seed)
            first += len(images)


def _write_labels(path: Path, labels: NDArray[np.int64]) -> None:
    with _whole(path) as file:
        np.lib.format.write_array(file, labels, allow_pickle=False)


def _write_head(file: IO[bytes], shape: tuple[int, ...]) -> None:
    """The head of a file that is written in order: a full disk would kill the writer of a mapped one."""
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})


@contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write; it takes its place when all was written, and is gone where that fails."""
    try:
        with whole(path) as partial, partial.open("xb") as file:
            yield file
    except OSError as error:
        raise DiagnosticError(OutputUnwritable(path=str(path), reason=reason_of(error))) from error
