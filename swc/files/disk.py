"""Files of every kind on the disk: `save` and `load`.

Takes a kind and a path, and the content; gives the content back. Guarantees: a file is written whole or not at all,
with its checksum where its kind has one; what is read is of its kind, in a schema that this version knows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from swc.files.checksums import text_of, write_kept
from swc.files.kind_codec import content_of, text_of_kind
from swc.files.kinds import FileKind
from swc.files.whole import write_whole


def save(kind: FileKind, path: Path, content: object) -> None:
    """Write a file of a kind; DiagnosticError where the system refuses."""
    write = write_kept if kind.has_checksum else write_whole
    write(path, text_of_kind(kind, content))


def load(kind: FileKind, path: Path) -> Any:
    """What a file of a kind holds; DiagnosticError where it is missing, damaged, newer or of another kind."""
    return content_of(kind, text_of(path, kind.damaged), str(path))
