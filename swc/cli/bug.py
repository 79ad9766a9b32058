"""What happens when swc itself fails: a text that the user can send, instead of a traceback on the screen.

Takes the exception, gives the message. Guarantees: the traceback is never lost: it goes to a file of its own, or to
the error stream with SWC_TRACEBACK=1 or where no file can be written.
"""

from __future__ import annotations

import errno
import os
import platform
import shlex
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from swc import __version__
from swc.diagnostics.catalogue.files import SystemRefused
from swc.diagnostics.sources import reason_of

_SYSTEM = {errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE}
_NAMES = {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR}  # that it does not take

_MESSAGE = """\
swc: internal error: {kind}: {error}
This is a bug in swc, not in your files. Please report it, with {where},
the command and the spec. SWC_TRACEBACK=1 shows the traceback here."""


def refusal_of_system(error: Exception) -> SystemRefused | None:
    """The diagnostic for a full disk, a missing permission and their like; None for a bug."""
    if not isinstance(error, OSError) or error.errno not in _SYSTEM | _NAMES:
        return None
    return SystemRefused(path=str(error.filename or ""), reason=reason_of(error))


def describe(error: Exception, arguments: Sequence[str]) -> str:
    """Keep the traceback and give one paragraph to print, without a line end."""
    details = _details(error, arguments)
    if os.environ.get("SWC_TRACEBACK"):
        return f"{details}\n{_paragraph(error, 'the traceback above')}"
    try:
        path = _written(details)
    except OSError:
        return f"{details}\n{_paragraph(error, 'the traceback above')}"
    return _paragraph(error, f"the file\n  {path}")


def _paragraph(error: Exception, where: str) -> str:
    return _MESSAGE.format(kind=type(error).__name__, error=error, where=where)


def _details(error: Exception, arguments: Sequence[str]) -> str:
    return (
        f"swc {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"command: swc {shlex.join(arguments)}\n\n{''.join(traceback.format_exception(error))}"
    )


def _written(details: str) -> Path:
    handle, name = tempfile.mkstemp(prefix="swc-bug-", suffix=".txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(details)
    return Path(name)
