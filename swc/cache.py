"""What swc keeps between runs, in one folder: nothing in it is needed, everything in it saves time.

Takes a kind of entry and its key, gives text. Guarantees: plain text, never code; an entry is written whole or not at
all; a damaged one is as good as none; a folder that cannot be written to costs time later, and nothing else.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path


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
        seal, _, text = _entry(kind, key).read_text(encoding="utf-8").partition("\n")
    except (OSError, UnicodeDecodeError, RuntimeError):  # RuntimeError: there is no home folder
        return None
    return text if seal == digest(text) else None


def keep(kind: str, key: str, text: str) -> None:
    """Keep a text under a key, its digest before it."""
    try:
        entry = _entry(kind, key)
        entry.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(entry, f"{digest(text)}\n{text}")
    except (OSError, RuntimeError):
        return


def _entry(kind: str, key: str) -> Path:
    return cache_folder() / kind / f"{digest(key)}.json"


def _write_whole(path: Path, text: str) -> None:
    from tempfile import NamedTemporaryFile  # late: most runs only read

    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".partial-", delete=False) as partial:
        partial.write(text)
    os.replace(partial.name, path)  # noqa: PTH105 - the name is text, and the step is atomic
