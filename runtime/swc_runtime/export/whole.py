"""Files that are written whole or not at all, by whatever writes them.

Takes a path and a writer. Guarantees: at `path` is what was there before, or all of what was written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_file_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file beside `path`, and put it in its place; what `write` raises passes through."""
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")  # some writers go by the ending
    try:
        write(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
