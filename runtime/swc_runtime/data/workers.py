"""Processes that read examples ahead of those who train on them: `--workers N`.

Takes a data set and how many there are to be; gives the same data set, whose examples on disk are read by torch's
`DataLoader`. Guarantees: batches are the same to the bit for any number of workers, and come in the same order, since
each is read as one request that says all; random numbers of the process that asks are left alone; what a worker
refuses is raised here as it was there, and one that ended is told.
"""

from __future__ import annotations

import signal
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from attrs import define, evolve, field, frozen
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.reading import WorkerEnded
from torch.utils.data import DataLoader, Sampler

from swc_runtime.data.items import ItemSplit
from swc_runtime.data.requests import Request
from swc_runtime.data.splits import Dataset, FolderSplit, Split
from swc_runtime.inputs import Inputs, blank

OnDisk = FolderSplit | ItemSplit
LOADER = "DataLoader worker"  # how torch's error begins where a worker has ended
MANY = "This DataLoader will create"  # how its advice begins where there are more workers than cores
CAUGHT = "Caught "  # how torch begins what a worker raised
AHEAD = 2  # requests that wait in each worker

_Asked = tuple[int, Request]  # of which split, and what


def with_workers(dataset: Dataset, count: int | None, device: str, announce: Callable[[str], None]) -> Dataset:
    """The data set, read by `count` processes where it lies on disk (None or 0: by this one); `announce` says so."""
    parts = {"train": dataset.train, "test": dataset.test, "validation": dataset.validation}
    on_disk = {name: split for name, split in parts.items() if isinstance(split, FolderSplit | ItemSplit)}
    if not count:
        return dataset
    if not on_disk:
        announce(f"--workers {count}: {dataset.facts.title} lies in memory, and there is nothing for them to read")
        return dataset
    announce(f"{dataset.facts.title} is read by {count} {'worker' if count == 1 else 'workers'}")
    workers = Workers(count, tuple(on_disk.values()), torch.device(device).type == "cuda")
    splits = {name: evolve(split, reader=PartReader(workers, n)) for n, (name, split) in enumerate(on_disk.items())}
    return evolve(dataset, **splits)  # type: ignore[arg-type]


@frozen(eq=False)
class PartReader:
    """Reads one of the splits of some workers."""

    workers: Workers
    number: int

    def read(self, requests: Iterable[Request]) -> Iterator[Inputs]:
        """The inputs of each request, in order; DiagnosticError for what cannot be read."""
        return self.workers.read((self.number, request) for request in requests)


class _Stream(Sampler[_Asked]):
    """The requests that are read now, which are let go of once nobody reads them.

    They know their split, which knows its workers: kept here, they would keep the workers in a circle, and processes
    that Python's collector of circles finds wait until they are ended by force.
    """

    def __init__(self) -> None:
        self.asked: Iterator[_Asked] = iter(())

    def __iter__(self) -> Iterator[_Asked]:
        return self

    def __next__(self) -> _Asked:
        return next(self.asked)


@define(eq=False)
class Workers:
    """`count` processes that read from `splits`; they begin with the first request and stay until this is gone.

    Memory is `pinned` for a GPU. One stream of requests is read at a time: a new one ends the one before.
    """

    count: int
    splits: tuple[OnDisk, ...]
    pinned: bool = False
    _stream: _Stream = field(init=False, factory=_Stream)
    _loader: DataLoader[Any] | None = field(init=False, default=None)
    _turn: int = field(init=False, default=0)

    def read(self, asked: Iterable[_Asked]) -> Iterator[Inputs]:
        """The inputs of each request; ValueError where another stream has begun in between."""
        self._turn += 1
        turn, self._stream.asked = self._turn, iter(asked)
        try:
            made = self._begun()
            while (found := self._next(made)) is not None:
                if isinstance(found, _Refusal):
                    del made
                    self._loader = None  # so that its processes end now, and not with the error that tells of them
                    raise DiagnosticError(*found.diagnostics)
                yield found
                if turn != self._turn:
                    raise ValueError("workers read one stream of batches at a time, and another has begun")
        finally:
            if turn == self._turn:
                self._stream.asked = iter(())

    def _begun(self) -> Iterator[Any]:
        with _child_signal_kept(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", MANY, UserWarning)
            if self._loader is None:
                self._loader = _loader(self)
            return iter(self._loader)

    def _next(self, made: Iterator[Any]) -> Inputs | _Refusal | None:
        """The next inputs, or why there are none; None at the end."""
        try:
            found: Inputs | _Refusal | None = next(made, None)
        except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
            if not _has_ended(error):
                raise
            reason = str(error) or type(error).__name__
            return _Refusal((WorkerEnded(num_workers=self.count, reason=reason),))
        return found


def _has_ended(error: Exception) -> bool:
    """Whether a worker is gone: torch says so, or it ended while its batch was fetched from it, by a socket of its own.

    What a worker's code raised has the same types, and begins with `Caught`.
    """
    if isinstance(error, RuntimeError):
        return str(error).startswith(LOADER)
    return not str(error).startswith(CAUGHT)


def _loader(workers: Workers) -> DataLoader[Any]:
    return DataLoader(
        _Parts(workers.splits),  # type: ignore[arg-type]  # it has items by request, and no length
        batch_size=None,
        sampler=workers._stream,
        num_workers=workers.count,
        collate_fn=_as_it_is,
        pin_memory=workers.pinned,
        prefetch_factor=AHEAD,
        persistent_workers=True,
        worker_init_fn=_leave_signals,
        generator=torch.Generator().manual_seed(0),  # else a seed is drawn from the numbers of who trains
    )


@frozen
class _Refusal:
    """What a worker raised: torch would make text of it."""

    diagnostics: tuple[Diagnostic, ...]


@frozen(eq=False)
class _Parts:
    """The splits as a worker has them, which gives inputs for a request."""

    splits: tuple[OnDisk, ...]

    def __getitem__(self, asked: _Asked) -> Inputs | _Refusal:
        number, (samples, crops) = asked
        split: Split = self.splits[number]
        try:
            return split.fetch(samples, crops) if len(samples) else blank(split.facts, 0)
        except DiagnosticError as error:
            return _Refusal(error.diagnostics)


def _as_it_is(found: Any) -> Any:
    return found


def _leave_signals(_: int) -> None:
    """An interrupt is the affair of the process that trains, which ends its workers; they end when told."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def _child_signal_kept() -> Iterator[None]:
    """Inside torch sets a handler that raises, in whatever line is running, when a worker ends; afterwards it is gone.

    A worker that ended is noticed all the same, where its batch is waited for, and told there.
    """
    is_main = threading.current_thread() is threading.main_thread()  # in no other thread a handler is set
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        if is_main and before is not None:
            signal.signal(signal.SIGCHLD, before)
