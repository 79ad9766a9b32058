"""A folder's new files: all of them or none.

Takes a folder. Guarantees: files appear in it only when everything went well; what was there besides stays.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.exporting import ForeignFiles
from swc.diagnostics.catalogue.files import OutputUnwritable
from swc.diagnostics.sources import reason_of

CARD, FILES = "README.md", "- Files: "


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to write into; its files are moved to `folder` at the end, and it is gone either way.

    DiagnosticError where the system refuses, or where files would be replaced that no earlier export wrote.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.is_dir() and not os.access(folder, os.W_OK):  # an error before the work, and not after it
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        with TemporaryDirectory(prefix=f"{folder.name}.partial.", dir=folder.parent) as made:
            yield Path(made)
            folder.mkdir(exist_ok=True)
            _check_own(folder, sorted(file.name for file in Path(made).iterdir()))
            for file in sorted(Path(made).iterdir()):
                file.replace(folder / file.name)
    except OSError as error:
        raise DiagnosticError(OutputUnwritable(path=str(folder), reason=reason_of(error))) from error


def _check_own(folder: Path, names: Sequence[str]) -> None:
    """An export's folder is known by its model card, which lists its files."""
    card = folder / CARD
    text = card.read_text("utf-8", errors="replace") if card.is_file() else ""
    is_export = any(line.startswith(FILES) for line in text.splitlines())
    foreign = tuple(name for name in names if (folder / name).exists())
    if foreign and not is_export:
        raise DiagnosticError(ForeignFiles(folder=str(folder), files=foreign))
