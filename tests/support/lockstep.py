"""Ranks that run as threads of one process, in lockstep: what a step adds up, without a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Barrier, Thread

from attrs import field, frozen
from torch import Tensor

from swc_runtime.ranks.ranks import Ranks


@frozen(eq=False)
class Meeting:
    """Where the ranks meet to add up."""

    size: int
    barrier: Barrier
    parts: list[Tensor | None]

    @classmethod
    def of(cls, size: int) -> Meeting:
        return cls(size, Barrier(size), [None] * size)


@frozen(eq=False)
class Lockstep(Ranks):
    """A rank whose sums are those of the threads."""

    meeting: Meeting = field(kw_only=True)

    def add_up(self, tensor: Tensor) -> None:
        self.meeting.parts[self.rank] = tensor.clone()
        self.meeting.barrier.wait()
        total = sum(self.meeting.parts[1:], self.meeting.parts[0])
        self.meeting.barrier.wait()
        tensor.copy_(total)


def together(size: int, placement: str, act: Callable[[Lockstep], None]) -> None:
    """Let every rank act, at once; what one raises is raised."""
    meeting = Meeting.of(size)
    errors: list[BaseException] = []

    def run(rank: int) -> None:
        try:
            act(Lockstep(rank, size, "cpu", placement, meeting=meeting))
        except BaseException as error:  # noqa: BLE001 - it is raised again where the ranks were asked
            errors.append(error)
            meeting.barrier.abort()

    threads = [Thread(target=run, args=(rank,)) for rank in range(size)]
    _all(threads)
    if errors:
        raise errors[0]


def _all(threads: Sequence[Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
