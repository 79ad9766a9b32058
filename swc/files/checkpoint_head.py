"""What a checkpoint says of itself, without its tensors: where training stood, and how long the records were.

Takes the folder of checkpoints, gives `Meta`. Guarantees: torch stays out; a file whose head cannot be read gives None,
and is told by whoever loads it.
"""

from __future__ import annotations

from pathlib import Path

from swc.diagnostics import DiagnosticError
from swc.files.checkpoint import CheckpointNote, Meta
from swc.files.checksums import is_there
from swc.files.kind_codec import content_of
from swc.files.kinds import FILE_KINDS
from swc.files.plain_json import read_json

NEWEST = "last.safetensors"
NAMES = (NEWEST, f"{NEWEST}.previous")
MOST = 2**26  # bytes of a head; it names every tensor


def head_of(folder: Path) -> Meta | None:
    """The head of the newest checkpoint in a folder, or of the one before where a write was cut off."""
    path = next((folder / name for name in NAMES if is_there(folder / name)), None)
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            head = file.read(min(length, MOST)).decode("utf-8")
        note: CheckpointNote = content_of(FILE_KINDS["checkpoint"], read_json(head)["__metadata__"]["swc"], str(path))
    except (DiagnosticError, OSError, ValueError, LookupError, TypeError):
        return None
    return note.meta
