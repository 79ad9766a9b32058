"""The one way in which a file is written: whole or not at all.

Takes a path and what fills it. Guarantees: at the path is what was there before, or all of what was written, and this
is on the disk; whatever the process dies of in between leaves at most a `.partial` file beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swc.diagnostics import DiagnosticError
from swc.files.turns import turn_in

PARTIAL = ".partial"  # what the name of a file ends with that is not whole


@contextmanager
def whole(path: Path, *, partial: Path | None = None, previous: Path | None = None) -> Iterator[Path]:
    """Inside, fill the file that is given; after it, that file is at `path`.

    `partial` is where it is filled, where its name matters to who writes it. `previous` is where the file is kept that
    was at `path` before. What the system or the block raises passes through; `path` and `previous` are then as before.
    """
    partial = partial or path.with_name(path.name + PARTIAL)
    partial.unlink(missing_ok=True)  # of a process that was killed, or a link to somewhere else
    try:
        yield partial
        _sync(partial)
        if previous is not None and path.exists():
            # from here until the next rename the previous file is the newest whole one
            path.replace(previous)
            _sync(path.parent)
        partial.replace(path)
        if previous is not None:
            _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all, in a folder that is made for it; DiagnosticError where that is refused."""
    with turn_to_write(path), whole(path) as partial, partial.open("x", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def fill(partial: Path, content: bytes | memoryview) -> None:
    """Fill a file that `whole` gives.

    What libraries write themselves they also report by exceptions of their own: that a disk is full should be the
    system's word, so they write into memory, and this puts it on the disk.
    """
    with partial.open("xb") as stream:
        stream.write(content)


@contextmanager
def turn_to_write(path: Path) -> Iterator[None]:
    """Inside, others wait to write into the folder of a file, which is made; DiagnosticError for an OSError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with turn_in(path.parent):
            yield
    except OSError as error:
        from swc.diagnostics.catalogue.files import OutputUnwritable  # `swc fmt` needs no catalogue where all is well

        raise DiagnosticError(OutputUnwritable(path=str(path), reason=error.strerror or str(error))) from error


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
