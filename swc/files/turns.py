"""Turns of processes that write into one folder: one at a time.

Takes a folder; gives a turn. Guarantees: inside, no other process that takes turns writes there; the system ends the
turn with the process, in whatever way; nothing is left in the folder. A turn inside one of the same thread is that one.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)  # of file systems that lock no folders
_mine: set[tuple[int, Path]] = set()  # the threads of this process that have a turn, and in which folder


@contextmanager
def turn_in(folder: Path) -> Iterator[None]:
    """Wait for other processes that write into a folder, and keep them waiting inside; OSError where there is none."""
    mine = (get_ident(), folder.resolve())
    if mine in _mine:
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        _mine.add(mine)
        yield
    finally:
        _mine.discard(mine)
        os.close(handle)
