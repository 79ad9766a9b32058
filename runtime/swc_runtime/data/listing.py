"""What lies in a folder of images: the files that are read, and what is passed over.

Takes a folder; gives `Listing`s. Guarantees: files and classes stand in torchvision's order; hidden files and folders,
which systems and notebooks leave behind, are no images and no classes; links are followed, and none for ever.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from attrs import frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.data import DataDamaged, NotAnImageFolder
from swc.diagnostics.sources import reason_of

LEFT_BEHIND = (
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "__macosx",
    "@eadir",
    "$recycle.bin",
)  # beside names with a dot
HIDDEN, OUTSIDE = "hidden", "outside of class folders"
IMAGES = (
    *(
        ".gif",
        ".heic",
        ".heif",
        ".avif",
        ".jfif",
        ".jpe",
        ".jp2",
        ".j2k",
        ".jxl",
        ".svg",
        ".psd",
        ".tga",
        ".ico",
        ".pbm",
    ),
    *(".pnm", ".pfm", ".exr", ".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".dcm", ".npy"),
)  # endings of images that are not read

Id = tuple[int, int]  # of a folder: its device and its number there


@frozen
class Listing:
    """Files in order, and how many others were passed over, by their ending or the reason."""

    files: tuple[str, ...]
    passed_over: Mapping[str, int]

    @property
    def other_images(self) -> dict[str, int]:
        """Those that are images by their ending."""
        return {ending: count for ending, count in self.passed_over.items() if ending in IMAGES}


def is_hidden(name: str) -> bool:
    """Whether a name is one that people do not see: `.DS_Store`, `._1.jpg`, `.ipynb_checkpoints`, `Thumbs.db`."""
    return name.startswith(".") or name.lower() in LEFT_BEHIND


def class_names(part: Path) -> tuple[str, ...]:
    """The folders in `part` that hold classes, in the order of their numbers: sorted by name, as torchvision does."""
    return tuple(sorted(entry.name for entry in _entries(part) if _is(entry.is_dir) and not is_hidden(entry.name)))


def beside_classes(part: Path) -> Counter[str]:
    """How many files lie beside the class folders, and how much is hidden there."""
    return Counter(
        HIDDEN if is_hidden(entry.name) else OUTSIDE
        for entry in _entries(part)
        if is_hidden(entry.name) or not _is(entry.is_dir)
    )


def list_images(folder: Path) -> Listing:
    """All images below a folder; DiagnosticError for a folder that cannot be read, or a link that leads nowhere."""
    from torchvision.datasets.folder import IMG_EXTENSIONS

    passed_over: Counter[str] = Counter()
    found: dict[str, list[str]] = {}
    above = tuple(_id(parent) for parent in folder.resolve().parents)
    for root, entry in _walked(folder, above, passed_over):
        ending = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - of very many names
        if ending not in IMG_EXTENSIONS:
            passed_over[ending or "no ending"] += 1
        elif _is(entry.is_file):
            found.setdefault(root, []).append(entry.name)
        else:
            reason = "it is a link that leads nowhere" if entry.is_symlink() else "it is no file"
            raise DiagnosticError(
                DataDamaged(name=printable(str(folder)), file=printable(entry.path), reason=reason, is_own=True)
            )
    files = (os.path.join(root, name) for root in sorted(found) for name in sorted(found[root]))  # noqa: PTH118
    return Listing(tuple(files), dict(passed_over))


def _walked(
    folder: Path | str, above: tuple[Id, ...], passed_over: Counter[str]
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every entry below that is no folder and not hidden, with the folder it lies in."""
    here = _id(folder)
    if here in above:  # a link to a folder that this one lies in
        passed_over["in circular links"] += 1
        return
    for entry in _entries(folder):
        if is_hidden(entry.name):
            passed_over[HIDDEN] += 1
        elif _is(entry.is_dir):
            yield from _walked(entry.path, (*above, here), passed_over)
        else:
            yield os.fspath(folder), entry


def _is(kind: Callable[[], bool]) -> bool:
    """Whether an entry is of a kind; a link to itself is of none."""
    try:
        return kind()
    except OSError:
        return False


def _id(folder: Path | str) -> Id:
    state = os.stat(folder)  # noqa: PTH116 - of very many folders
    return state.st_dev, state.st_ino


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        reason = f"`{printable(os.fspath(folder))}` cannot be read: {reason_of(error)}"
        raise DiagnosticError(NotAnImageFolder(folder=printable(os.fspath(folder)), reason=reason)) from error


def printable(name: str) -> str:
    """A name for people: control characters, and bytes that are no UTF-8, are escaped."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in name)


def words_of(passed_over: Mapping[str, int]) -> str:
    """What was passed over, in words: `2 hidden, 3 .gif`."""
    shown = sorted(passed_over.items(), key=lambda item: (item[0].startswith("."), -item[1], item[0]))
    return ", ".join(f"{count:,} {printable(what)}" for what, count in shown)
