"""The text files of build and run folders: written with a checksum beside them, and read with it.

Takes paths, gives text. Guarantees: a file is there whole or not at all; what is read is a file and UTF-8 text, and has
a checksum that it was written with, wherever one was kept (older versions kept none); anything else is told by the
file's name.

`checksums.txt` in a folder has a line for each file, as `sha256sum` writes them. While a file is replaced it has two,
of the text before and of the one to come, so that a process that ends in between leaves nothing that looks damaged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG

from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.files import FileUnreadable, ForeignOwner
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.diagnostics.catalogue.training import PartMissing
from swc.diagnostics.sources import reason_of
from swc.files.whole import turn_to_write, write_whole

CHECKSUMS = "checksums.txt"
BETWEEN = "checksums.between.txt"  # while files are moved: of those before, and of those to come
WHOLE = re.compile(r"([0-9a-f]{64}  [^\n]+\n)+")
WITHOUT = "copy it again from where it came, or remove it: the files beside it are then read unchecked"
OTHER_TEXT = "its checksum is not the one that it was written with"


def write_kept(path: Path, text: str) -> None:
    """Write a file of a build or run folder, whole or not at all, and its checksum beside it before."""
    now = frozenset({_digest(text.encode())})
    with turn_to_write(path):
        before = _checksums(path.parent).get(path.name, frozenset()) & {_digest_there(path)}
        _note(path, now | before)
        write_whole(path, text)
        if before - now:
            _note(path, now)


def move_kept(stage: Path, folder: Path) -> None:
    """Put the files of one folder, written by `write_kept`, in the place of those of another one.

    All is written before anything is moved: a disk that is full leaves the folder as it was, and what comes afterwards
    takes no room. A process that ends in between leaves nothing that looks damaged by itself.
    """
    new, known = _checksums(stage), _checksums(folder)
    between = {
        name: digests | (known.get(name, frozenset()) & {_digest_there(folder / name)}) for name, digests in new.items()
    }
    write_whole(stage / BETWEEN, _lines(known | between))
    write_whole(stage / CHECKSUMS, _lines(known | new))
    (stage / BETWEEN).replace(folder / CHECKSUMS)
    for file in sorted(stage.iterdir(), key=lambda file: (file.name == CHECKSUMS, file.name)):
        file.replace(folder / file.name)


def _note(path: Path, digests: frozenset[str]) -> None:
    """Write which checksums a file may have just now."""
    write_whole(path.with_name(CHECKSUMS), _lines({**_checksums(path.parent), path.name: digests}))


def _lines(known: Mapping[str, frozenset[str]]) -> str:
    return "".join(f"{digest}  {name}\n" for name in sorted(known) for digest in sorted(known[name]))


def is_there(path: Path) -> bool:
    """Whether there is such a file; DiagnosticError where something else has its name, or the system does not say."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        if path.is_symlink():
            raise DiagnosticError(FileUnreadable(path=str(path), reason="the link leads nowhere")) from error
        return False
    except OSError as error:
        raise DiagnosticError(FileUnreadable(path=str(path), reason=reason_of(error))) from error
    if not S_ISREG(mode):
        raise DiagnosticError(FileUnreadable(path=str(path), reason="it is no file"))
    return True


def has_checksum(path: Path) -> bool:
    """Whether a file was written with a checksum."""
    return path.name in _checksums(path.parent)


def text_of(path: Path, damaged: Callable[..., Diagnostic] = DamagedFile) -> str:
    """The text of a file that swc wrote; DiagnosticError where it is missing, is no text or has another checksum.

    `damaged` makes the diagnostic, of `origin` and `detail`.
    """
    data = _bytes(path)
    if not _is_as_written(path, data):
        data = _bytes(path)  # it may have been replaced while it was read
        if not _is_as_written(path, data):
            raise DiagnosticError(damaged(origin=str(path), detail=OTHER_TEXT))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DiagnosticError(damaged(origin=str(path), detail="it is no UTF-8 text")) from error


def check_owner(path: Path, start: Path) -> None:
    """DiagnosticError for a file that was found by looking upwards from `start`, where another user put it.

    Own files are those of this user, of the system's owner, and of whoever owns `start`, where this user went.
    """
    try:
        owner, own = _owner(path), {os.geteuid(), 0, _owner(start)}
    except OSError as error:
        raise DiagnosticError(FileUnreadable(path=str(path), reason=reason_of(error))) from error
    if owner not in own:
        raise DiagnosticError(ForeignOwner(path=str(path), folder=str(path.parent)))


def _owner(path: Path) -> int:
    return path.stat().st_uid


def _bytes(path: Path) -> bytes:
    if not is_there(path):
        raise DiagnosticError(PartMissing(path=str(path)))
    try:
        return path.read_bytes()
    except OSError as error:
        raise DiagnosticError(FileUnreadable(path=str(path), reason=reason_of(error))) from error


def _is_as_written(path: Path, data: bytes) -> bool:
    known = _checksums(path.parent).get(path.name)
    return known is None or _digest(data) in known


def _checksums(folder: Path) -> dict[str, frozenset[str]]:
    """The checksums of a folder by file; none where an older version wrote it.

    DiagnosticError where they are not what `_lines` writes: what has no checksum would be taken for an older file.
    """
    path = folder / CHECKSUMS
    if not is_there(path):
        return {}
    text = _bytes(path).decode("utf-8", errors="replace")
    if not WHOLE.fullmatch(text):
        raise DiagnosticError(DamagedFile(origin=str(path), detail="it is no list of checksums", way=WITHOUT))
    found: dict[str, frozenset[str]] = {}
    for line in text.splitlines():
        digest, _, name = line.partition("  ")
        found[name] = found.get(name, frozenset()) | {digest}
    return found


def _digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def _digest_there(path: Path) -> str:
    """That of the file as it is; "" where there is none that can be read."""
    try:
        return _digest(path.read_bytes()) if S_ISREG(path.stat().st_mode) else ""
    except OSError:
        return ""
