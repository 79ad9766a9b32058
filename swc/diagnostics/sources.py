"""Reading source text and writing results, with the system's refusals turned into diagnostics.

Takes paths, gives text. Guarantees: text is UTF-8; a file is written whole or not at all.
"""

from __future__ import annotations

from pathlib import Path

from swc.diagnostics.diagnostic import Diagnostic, DiagnosticError
from swc.diagnostics.span import Span

LARGEST = 2 << 20  # bytes of a text that somebody writes, with all that it imports


def read_source(path: Path, span: Span | None = None, most: int = LARGEST) -> str:
    """The text of a file, without a byte order mark and with `\\n` at line ends.

    `span` is the place that names the file, if any. Raises `DiagnosticError` (SW601, SW602, SW603), also where the file
    has more than `most` bytes (SW007).
    """
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)  # a device or a pipe has no size, and may never end
    except OSError as error:
        raise DiagnosticError(_refused(path, error, span)) from None
    if len(raw) > most:
        raise DiagnosticError(_too_long(path, span, LARGEST))
    return decode(raw, str(path), span)


def _too_long(path: Path, span: Span | None, most: int) -> Diagnostic:
    from swc.diagnostics.catalogue.syntax_errors import TextTooLong

    return TextTooLong(span=span, path=str(path), most=most)


def _refused(path: Path, error: OSError, span: Span | None) -> Diagnostic:
    from swc.diagnostics.catalogue.files import FileMissing, FileUnreadable

    if isinstance(error, FileNotFoundError):
        return FileMissing(span=span, path=str(path), suggestion=_neighbour(path))
    return FileUnreadable(span=span, path=str(path), reason=reason_of(error))


def decode(raw: bytes, path: str, span: Span | None = None) -> str:
    """Text of UTF-8 bytes, without a byte order mark and with `\\n` at line ends; raises `DiagnosticError` (SW603)."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        from swc.diagnostics.catalogue.files import FileNotText

        line = raw.count(b"\n", 0, error.start) + 1
        raise DiagnosticError(FileNotText(span=span, path=path, line=line)) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _neighbour(path: Path) -> str | None:
    from swc.diagnostics.suggest import closest

    if not path.parent.is_dir():
        return None
    found = closest(path.name, (entry.name for entry in path.parent.iterdir() if entry.is_file()))
    return str(path.parent / found) if found else None


def reason_of(error: OSError) -> str:
    """The system's own words, in lower case."""
    return (error.strerror or type(error).__name__).lower()
