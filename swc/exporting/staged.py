"""A folder's new files: all of them or none.

Takes a folder. Guarantees: files appear in it only when everything went well; what was there besides stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.files import OutputUnwritable
from swc.diagnostics.sources import reason_of


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to write into; its files are moved to `folder` at the end, and it is gone either way.

    DiagnosticError where the system refuses.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f"{folder.name}.partial.", dir=folder.parent) as made:
            yield Path(made)
            folder.mkdir(exist_ok=True)
            for file in sorted(Path(made).iterdir()):
                file.replace(folder / file.name)
    except OSError as error:
        raise DiagnosticError(OutputUnwritable(path=str(folder), reason=reason_of(error))) from error
