"""What a checkpoint says of itself, without its tensors: where training stood, and how long the records were.

Takes the folder of checkpoints, gives `Head`. Guarantees: torch stays out; a file whose head cannot be read gives None,
and is told by whoever loads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from swc.files.checksums import is_there

NEWEST = "last.safetensors"
NAMES = (NEWEST, f"{NEWEST}.previous")
MOST = 2**26  # bytes of a head; it names every tensor


@frozen
class Head:
    """The revision that a checkpoint is of, and the lengths in bytes of the records when it was written."""

    revision: int
    marks: Mapping[str, int]


def head_of(folder: Path) -> Head | None:
    """The head of the newest checkpoint in a folder, or of the one before where a write was cut off."""
    path = next((folder / name for name in NAMES if is_there(folder / name)), None)
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            head = json.loads(file.read(min(length, MOST)))
        meta = json.loads(head["__metadata__"]["swc"])["meta"]
        marks = {str(name): int(size) for name, size in meta["marks"].items()}
        return Head(int(meta["position"]["revision"]), marks)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
