"""How a command ends that is asked to: by an interrupt (SIGINT), a request (SIGTERM) or a closed terminal (SIGHUP).

Guarantees: what goes on is unwound as by an exception, one line is printed, and the status is 128 and the number of the
signal; what cannot be unwound within some seconds, in code of C or where an exception is swallowed, is ended then. A
signal that the process was begun without, as under `nohup`, stays without effect.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock, Timer
from time import sleep
from types import FrameType
from typing import NoReturn

from attrs import define

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STATUSES = frozenset(128 + number for number in SIGNALS)  # exit statuses, as shells have them
PATIENCE = 10.0  # seconds
GRACE = 1.0  # seconds, for a line that is being printed
_telling = Lock()  # taken for good by whoever tells of the end: the main thread, or the timer where that cannot


class Stopped(BaseException):
    """Raised where a signal other than an interrupt, which is a `KeyboardInterrupt`, comes."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


@define
class Notice:
    """The first signal that came, if one did."""

    number: int | None = None

    def raise_again(self) -> None:
        """Raise what the signal would have raised."""
        if self.number is not None:
            raise stop_of(self.number)


def stop_of(number: int) -> BaseException:
    """What a signal raises."""
    return KeyboardInterrupt() if number == signal.SIGINT else Stopped(number)


def line_of(number: int) -> str:
    """What is printed where a signal has ended a command."""
    return "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"


def status_of(number: int) -> int:
    """The exit status after a signal."""
    return 128 + number


def is_one_of_several() -> bool:
    """Whether this process trains together with others, which torchrun or `--nproc` has begun and ends."""
    return "RANK" in os.environ


def listen() -> None:
    """From now on a signal raises where the main thread is.

    One of several processes ends at once instead: it may wait for the others in code of C, and needs no unwinding.
    """
    if not is_one_of_several():
        _handle(_raise)


def ignore_more() -> None:
    """Let no further signal disturb an end that `listen` has begun, and which the caller tells of."""
    if signal.getsignal(signal.SIGTERM) is _raise:
        _handle(signal.SIG_IGN)
        _telling.acquire()


def _handle(handler: signal._HANDLER) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    last = Timer(PATIENCE, _end_anyway, (number,))
    last.daemon = True
    last.start()
    raise stop_of(number)


def _end_anyway(number: int) -> NoReturn:
    if _telling.acquire(blocking=False):
        with suppress(OSError):
            os.write(2, f"{line_of(number)}\n".encode())
    else:
        sleep(GRACE)
    os._exit(status_of(number))


@contextmanager
def noticed() -> Iterator[Notice]:
    """Inside, signals are noted and raise nothing, so that what must be ended in order can be."""
    notice = Notice()

    def note(number: int, frame: FrameType | None) -> None:
        notice.number = notice.number or number

    before = {number: signal.getsignal(number) for number in SIGNALS}
    _handle(note)
    try:
        yield notice
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
