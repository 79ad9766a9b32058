"""Processes that a command starts: how they are begun so that they end with it, and how they are ended.

Gives command lines and tied processes. Guarantees: a process that is begun here ends when its parent does, in whatever
way that ends; it never sees an interrupt of the terminal, which its parent answers for all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

GRACE = 5.0  # seconds between asking processes to end and ending them
LOOK = 0.05  # seconds between two looks at them


def num_cores() -> int:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def other_processes() -> float:
    """How many other processes have wanted a core in the last minute, on average; 0 where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return 0.0


def child_command() -> tuple[str, ...]:
    """The command `swc` as a child that ends when its input does; with `-P` no file here is taken for a module."""
    return (sys.executable, "-P", "-m", "swc.cli.child")


def tied(command: Iterable[str], **options: Any) -> subprocess.Popen[bytes]:
    """Begin a process whose input is a pipe that this one holds open, and that is closed when this one is gone."""
    with interrupts_held():
        return subprocess.Popen([*command], stdin=subprocess.PIPE, **options)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Inside, an interrupt waits; processes that are begun here never see one, from their first moment on."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end(processes: Iterable[subprocess.Popen[bytes]], grace: float = GRACE) -> None:
    """Ask processes to end, and end those that have not after some seconds; none is left."""
    left = [process for process in processes if process.poll() is None]
    for process in left:
        process.terminate()
    last = monotonic() + grace
    while left and monotonic() < last:
        sleep(LOOK)
        left = [process for process in left if process.poll() is None]
    for process in left:
        process.kill()
        process.wait()


def end_with(pipe: int, grace: float = GRACE) -> None:
    """In a child: wait until no process holds the other end of a pipe, then end as a request to (SIGTERM) would."""
    while os.read(pipe, 1):
        pass
    end_this(grace)


def end_with_parent(parent: int, look: float = 1.0, grace: float = GRACE) -> None:
    """In a process of somebody else's: wait until another process than `parent` is its parent, then end."""
    while os.getppid() == parent:
        sleep(look)
    end_this(grace)


def end_this(grace: float) -> None:
    """Ask this process to end, and end it where it has not after some seconds."""
    os.kill(os.getpid(), signal.SIGTERM)
    sleep(grace)
    os.kill(os.getpid(), signal.SIGKILL)
