"""What swc keeps between runs, in one folder: nothing in it is needed, everything in it saves time.

Takes a kind of entry and its key, gives text. Guarantees: plain text, never code; an entry is written whole or not at
all; a damaged one is as good as none; a folder that cannot be written to costs time later, and nothing else. What
another user owns or may write to is not read, since it says what layers a network has: `refused` has its paths.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from pathlib import Path

refused: dict[str, None] = {}  # the paths that were not read for their owner, in order; the command tells them once


def cache_folder() -> Path:
    """Where entries lie: `$SWC_CACHE`, or `swc` in `$XDG_CACHE_HOME`, or `~/.cache/swc`."""
    own = os.environ.get("SWC_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "swc"


def digest(text: str) -> str:
    """Sixty-four characters that stand for a text."""
    return sha256(text.encode()).hexdigest()


def kept(kind: str, key: str) -> str | None:
    """The text kept under a key, or None where there is none, or none that is whole."""
    try:
        entry = _entry(kind, key)
        if not (_is_own(entry.parent.parent) and _is_own(entry.parent)):
            return None
        with entry.open(encoding="utf-8") as file:
            if not _is_own(entry, file.fileno()):
                return None
            seal, _, text = file.read().partition("\n")
    except (OSError, UnicodeDecodeError, RuntimeError):  # RuntimeError: there is no home folder
        return None
    return text if seal == digest(text) else None


def keep(kind: str, key: str, text: str) -> None:
    """Keep a text under a key, its digest before it."""
    try:
        entry = _entry(kind, key)
        entry.parent.mkdir(parents=True, exist_ok=True)
        if not (_is_own(entry.parent.parent) and _is_own(entry.parent)):
            return
        _write_whole(entry, f"{digest(text)}\n{text}")
    except (OSError, RuntimeError):
        return


def _is_own(path: Path, file: int | None = None) -> bool:
    """Whether this user owns a file or folder and nobody else may write to it; if not, that is noted.

    A folder may be writable by this user's own group, as a lenient umask makes it: its files are looked at too.
    """
    state = os.stat(path if file is None else file)  # noqa: PTH116 - an open file has no path
    lenient = stat.S_IWGRP if stat.S_ISDIR(state.st_mode) and state.st_gid == os.getegid() else 0
    if state.st_uid == os.geteuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH) & ~lenient:
        return True
    refused.setdefault(str(path))
    return False


def _entry(kind: str, key: str) -> Path:
    return cache_folder() / kind / f"{digest(key)}.json"


def _write_whole(path: Path, text: str) -> None:
    from tempfile import NamedTemporaryFile  # late: most runs only read

    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".partial-", delete=False) as partial:
        try:
            partial.write(text)
            partial.flush()
            os.replace(partial.name, path)  # noqa: PTH105 - the name is text, and the step is atomic
        except OSError:
            os.unlink(partial.name)  # noqa: PTH108 - of a disk that is full, where each command would leave one
            raise
