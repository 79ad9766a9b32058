"""Files that the commands write where their user asks.

Guarantees: a file is there whole or not at all; a pipe, a device or a link stays what it is.
"""

from __future__ import annotations

from pathlib import Path

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.files import OutputUnwritable


def write_file(path: Path, content: bytes) -> None:
    """Write beside the place, then move there; DiagnosticError where the system refuses."""
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        path = path.resolve()
        partial = path.with_name(path.name + ".partial")
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise DiagnosticError(OutputUnwritable(path=str(path), reason=error.strerror or str(error))) from error
