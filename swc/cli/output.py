"""Files that the commands write where their user asks.

Guarantees: a file is there whole or not at all; a pipe, a device or a link stays what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from errno import EISDIR
from pathlib import Path
from tempfile import TemporaryFile

import click

from swc.cli import console
from swc.diagnostics import DiagnosticError
from swc.files.turns import turn_in
from swc.files.whole import whole

BLOCK = bytes(4096)  # what a disk that is full has no room for


def form_of(output: Path | None, forms: Sequence[str], default: str) -> str:
    """The form that a file's ending names; the default where it names none of them."""
    ending = output.suffix.removeprefix(".").lower() if output else ""
    return ending if ending in forms else default


def chosen_form(asked: str | None, output: Path | None, forms: Sequence[str], default: str) -> str:
    """The form that is asked for, else that of the file's ending; wrong usage where the two are different ones."""
    ending = form_of(output, forms, "")
    if asked and ending and output and asked != ending:
        raise click.UsageError(f"--format asks for {asked}, but `{output.name}` ends in .{ending}: leave one away")
    return asked or ending or default


def check_writable(path: Path | None) -> None:
    """Try the place of a file that long work will fill; DiagnosticError where the system refuses.

    The trial has no name that another process might write under meanwhile.
    """
    if path is None or (path.exists() and not path.is_file()):
        return
    try:
        with TemporaryFile(dir=path.resolve().parent) as trial:
            trial.write(BLOCK)
    except OSError as error:
        raise _unwritable(path, error) from error


def check_place(path: Path) -> None:
    """Make the folder of a file that is written later, and try it; DiagnosticError where the system refuses."""
    try:
        path.resolve().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    if path.is_dir():
        raise _unwritable(path, IsADirectoryError(EISDIR, "it is a folder"))
    check_writable(path)


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, with the permissions it had; DiagnosticError where the system refuses."""
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(content)
            return
        place = path.resolve()  # through a link, so that the link stays one
        with turn_in(place.parent), whole(place) as partial:
            partial.write_bytes(content)
            if path.exists():
                partial.chmod(path.stat().st_mode)
    except OSError as error:
        raise _unwritable(path, error) from error


def deliver(text: str, output: Path | None) -> None:
    """Print a result, or write it where the user asks.

    Where the system refuses that, what was long in the making is printed, and then DiagnosticError raised.
    """
    if output is None:
        console.emit(text)
        return
    try:
        write_file(output, text.encode())
    except DiagnosticError:
        console.emit(text)
        raise
    console.say(f"wrote {output}")


def _unwritable(path: Path, error: OSError) -> DiagnosticError:
    from swc.diagnostics.catalogue.files import OutputUnwritable  # commands that write well need no catalogue

    return DiagnosticError(OutputUnwritable(path=str(path), reason=error.strerror or str(error)))
