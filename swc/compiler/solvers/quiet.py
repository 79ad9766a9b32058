"""Silence for the solver's library, which prints remarks of its own to standard output from C.

Guarantees: what Python printed before is out, and what the library printed is gone, so that a command's own output
(say JSON) stays whole.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_library() -> Iterator[None]:
    """Send the process's standard output nowhere for a while; on systems without POSIX descriptors do nothing."""
    if os.name != "posix":
        yield
        return
    sys.stdout.flush()
    library = ctypes.CDLL(None)
    library.fflush(None)
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        library.fflush(None)  # before the descriptor is back: C keeps a buffer of its own
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
