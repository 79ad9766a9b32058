"""Looking at a data set before and while it is trained on: labels, the heads of image files, then all their pixels.

Takes a `Dataset`; raises DiagnosticError for what training, or scoring hours later, would stumble over. Guarantees:
an image that was decoded once is not decoded for this again as long as its file has the same size and time; what is
remembered lies in the memory that the caller hands in, one entry for each folder of images; losing it costs time alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from os import cpu_count
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Protocol

from attrs import define, evolve, field, frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.data import DataTooSmall, ImagesUnreadable, LabelsOutOfRange

from swc_runtime.data.checks import first_without_class
from swc_runtime.data.readers import readers
from swc_runtime.data.splits import Dataset, FolderSplit, Split

KIND = "images"  # of entries in the memory
LEAST = {"train": 2, "test": 1, "validation": 1}  # images: BatchNorm has no variance of one
SHARE = 4  # of so many cores one decodes beside training


class TextCache(Protocol):
    """What is kept from run to run, such as `swc.system.cache`: texts by kind and key; any may be lost."""

    def kept(self, kind: str, key: str) -> str | None:
        """The text that was kept, or None."""
        ...

    def keep(self, kind: str, key: str, text: str) -> None:
        """Keep a text."""
        ...


@frozen
class ImageFolder:
    """A folder of images and the names, sizes and times of its files, in one line."""

    path: str
    files: tuple[str, ...]
    signature: str

    def is_known(self, memory: TextCache) -> bool:
        """Whether all of it, as it is now, was decoded before."""
        return memory.kept(KIND, self.path) == self.signature

    def remember(self, memory: TextCache) -> None:
        """Note that all of it could be decoded."""
        memory.keep(KIND, self.path, self.signature)


def look_at(dataset: Dataset, memory: TextCache) -> None:
    """Look at the numbers of images, at labels, and at the heads of all image files that `memory` does not know.

    DiagnosticError for labels without a class, too few images, or files that are no images; with all of those.
    """
    for part, split in dataset.parts:
        _check_numbers(split, part)
    unknown = [(split, folder) for split, folder in _folders(dataset) if not folder.is_known(memory)]
    if not unknown:
        return
    files = [file for _, folder in unknown for file in folder.files]
    with readers() as pool:
        reasons = list(pool.map(_wrong_with_head, files))
    broken = tuple((file, reason) for file, reason in zip(files, reasons, strict=True) if reason)
    if broken:
        raise DiagnosticError(ImagesUnreadable(name=dataset.facts.title, broken=broken))


def _check_numbers(split: Split, part: str) -> None:
    facts = split.facts
    if len(split) < LEAST[part]:
        raise DiagnosticError(DataTooSmall(name=facts.title, part=part, found=len(split), least=LEAST[part]))
    if facts.task.row.targets != "class":
        return  # which were looked at when they were read
    wrong = first_without_class(facts, split.labels)
    if wrong is not None:
        is_drawn = facts.parts is not None and facts.parts.are_drawn  # a place in such a part is no number of the set's
        label, number = int(split.labels[wrong]), None if is_drawn else wrong
        told = LabelsOutOfRange(name=facts.title, part=part, label=label, num_classes=facts.num_classes, number=number)
        raise DiagnosticError(told)


def _wrong_with_head(path: str) -> str:
    """What is wrong with the head of an image file; nothing where it can be read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return "" if min(image.size) > 0 else "it has no pixels"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # what Pillow's readers raise
        return str(error)


def _folders(dataset: Dataset) -> list[tuple[FolderSplit, ImageFolder]]:
    """The folders that hold the images of a data set; none where it is held in memory."""
    train, test, validation = dataset.train, dataset.test, dataset.validation
    if isinstance(train, FolderSplit) and isinstance(validation, FolderSplit):  # their files lie in the same folders
        train = evolve(train, files=(*train.files, *validation.files))
    splits = [split for split in (train, test) if isinstance(split, FolderSplit)]
    return [(split, folder) for split in splits for folder in _folders_of(split.files)]


def _folders_of(files: Iterable[str]) -> list[ImageFolder]:
    inside: dict[Path, list[Path]] = {}
    for file in map(Path, files):
        inside.setdefault(file.parent, []).append(file)
    return [
        ImageFolder(str(path.resolve()), tuple(map(str, paths)), _digest("\n".join(map(_stamp, sorted(paths)))))
        for path, paths in inside.items()
    ]


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _stamp(file: Path) -> str:
    try:
        known = file.stat()
    except OSError as error:  # it vanished since the folder was listed: its head will tell
        return f"{file.name}\0{error.errno}"
    return f"{file.name}\0{known.st_size}\0{known.st_mtime_ns}"


@define
class PixelCheck:
    """Decodes what is not known in threads of its own, while training goes on.

    Nobody waits for the threads when the process ends; what they have not come to is unknown the next time.
    """

    todo: list[tuple[FolderSplit, ImageFolder]]
    memory: TextCache
    _lock: Lock = field(factory=Lock)
    _stopped: Event = field(factory=Event)
    _errors: list[DiagnosticError] = field(factory=list)
    _threads: list[Thread] = field(factory=list)

    @classmethod
    def begun(cls, dataset: Dataset, announce: Callable[[str], None], memory: TextCache) -> PixelCheck:
        """Start to decode the images of a data set that are not known; `announce` is told how many."""
        check = cls([(split, folder) for split, folder in _folders(dataset) if not folder.is_known(memory)], memory)
        count = sum(len(folder.files) for _, folder in check.todo)
        if count:
            announce(f"decoding {count:,} images once, beside the first epoch, to see that all can be read")
        for _ in range(max(1, (cpu_count() or 1) // SHARE) if count else 0):
            thread = Thread(target=check._work, daemon=True)
            check._threads.append(thread)
            thread.start()
        return check

    def look(self) -> None:
        """DiagnosticError, naming the file, where one was found that cannot be decoded."""
        if self._errors:
            self.close()
            raise self._errors[0]

    def finish(self) -> None:
        """Wait for all; DiagnosticError as in `look`."""
        for thread in self._threads:
            thread.join()
        self.look()

    def close(self) -> None:
        """Let the threads end after the image they are at."""
        self._stopped.set()

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            split, folder = taken
            try:
                for path in folder.files:
                    if self._stopped.is_set():
                        return
                    split.decoded(path)
            except DiagnosticError as error:
                self._errors.append(error)
                return
            folder.remember(self.memory)

    def _next(self) -> tuple[FolderSplit, ImageFolder] | None:
        with self._lock:
            return self.todo.pop(0) if self.todo and not self._errors else None
