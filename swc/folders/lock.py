"""The lock of a folder: one process at a time works in it.

Takes a folder; keeps it. Guarantees: the system lets go when the process ends, in whatever way, also where processes
that it has forked live on; a link in the place of the lock leads nowhere.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.files import OutputUnwritable
from swc.diagnostics.catalogue.training import RunBusy
from swc.diagnostics.sources import reason_of
from swc.files.turns import NO_LOCKS

LOCK = "lock"
_open: set[IO[str]] = set()


@contextmanager
def held(run: Path, busy: Callable[..., Diagnostic] = RunBusy) -> Iterator[bool]:
    """Keep a folder, a run's if nothing else is said, to this process; DiagnosticError where another one has it.

    Gives whether the file system can lock at all. The system lets go when the process ends, in whatever way.
    """
    with _lock_file(run) as file:
        is_locked = _locked(file, run, busy)
        _open.add(file)
        try:
            if is_locked:
                _sign(file, str(os.getpid()))
            yield is_locked
        finally:
            _open.discard(file)
            if is_locked:
                _sign(file, "")


def _let_go() -> None:
    """In a process that was forked: a lock is gone only when no process has its file open any more."""
    null = os.open(os.devnull, os.O_RDWR)
    for file in _open:
        os.dup2(null, file.fileno())
    os.close(null)


os.register_at_fork(after_in_child=_let_go)


def _sign(file: IO[str], text: str) -> None:
    """Write into a lock who has it; a disk that is full must not end what holds it."""
    with suppress(OSError):
        file.truncate(0)
        file.write(text)
        file.flush()


def _holder(lock: Path) -> int | None:
    """The number of the process that has a lock; None where it did not say."""
    with suppress(OSError, ValueError):
        return int(lock.read_text("ascii"))
    return None


def _lock_file(run: Path) -> IO[str]:
    try:
        run.mkdir(parents=True, exist_ok=True)
        return os.fdopen(os.open(run / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+")
    except OSError as error:
        raise DiagnosticError(OutputUnwritable(path=str(run / LOCK), reason=reason_of(error))) from error


def _locked(file: IO[str], run: Path, busy: Callable[..., Diagnostic]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DiagnosticError(busy(folder=str(run), process=_holder(run / LOCK))) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True
