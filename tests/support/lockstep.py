"""Ranks that run as threads of one process, in lockstep: what a step adds up, without a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Barrier, Thread
from typing import Any

from attrs import field, frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.ranks import RanksDisagree
from torch import Tensor

from swc_runtime.ranks.ranks import Ranks


@frozen(eq=False)
class Meeting:
    """Where the ranks meet to add up."""

    size: int
    barrier: Barrier
    parts: list[Any]

    @classmethod
    def of(cls, size: int) -> Meeting:
        return cls(size, Barrier(size), [None] * size)

    def exchange(self, rank: int, what: str, own: object) -> list[Any]:
        """What every rank has brought to this meeting; they must have come for the same."""
        self.parts[rank] = (what, own)
        self.barrier.wait()
        met = list(self.parts)
        self.barrier.wait()
        assert {name for name, _ in met} == {what}, f"ranks meet for unlike things: {[name for name, _ in met]}"
        return [value for _, value in met]


@frozen(eq=False)
class Lockstep(Ranks):
    """A rank whose collectives are those of the threads."""

    meeting: Meeting = field(kw_only=True)

    def add_up(self, tensor: Tensor) -> None:
        first, *others = self.meeting.exchange(self.rank, f"sum of {tuple(tensor.shape)}", tensor.clone())
        tensor.copy_(sum(others, first))

    def take_from(self, rank: int, tensors: Sequence[Tensor]) -> None:
        for tensor in tensors:
            what = f"copy of {tuple(tensor.shape)} of {rank}"
            tensor.copy_(self.meeting.exchange(self.rank, what, tensor.detach().clone())[rank])

    def agree(self, what: str, text: bytes) -> None:
        if len(set(self.meeting.exchange(self.rank, what, text))) > 1:
            raise DiagnosticError(RanksDisagree(what=what, size=self.size))


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
