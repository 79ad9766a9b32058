"""Corrupting images in several processes.

Takes batches of images with what is asked of them, gives the corrupted batches in the same order. Guarantees: the same
bytes for any number of processes; a few batches are held at a time; the processes end with the one that started them.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, parent_process, resource_tracker
from threading import Thread

from attrs import frozen

from swc.corrupt.corrupt import corrupted_images
from swc.corrupt.filters import Bytes
from swc.system.processes import interrupts_held

AHEAD = 2  # batches that wait, for each process


@frozen(eq=False)
class ImageChunk:
    """Clean images [N, H, W, C], the first with the number `first` in its data set, and how to corrupt them."""

    images: Bytes
    first: int
    name: str
    severity: int
    seed: int

    def corrupted(self) -> Bytes:
        """The corrupted images."""
        return corrupted_images(self.images, self.name, self.severity, self.seed, self.first)


@contextmanager
def workers(jobs: int) -> Iterator[Executor | None]:
    """A pool of processes; None, and all is done in this one, where a single one is asked for."""
    if jobs == 1:
        yield None
        return
    # threads of torch's would not outlive a fork
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_begin)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def in_order(batches: Iterable[ImageChunk], pool: Executor | None, jobs: int) -> Iterator[Bytes]:
    """Every batch corrupted, in the order they come; BrokenProcessPool where a process was ended."""
    if pool is None:
        yield from (batch.corrupted() for batch in batches)
        return
    coming: deque[Future[Bytes]] = deque()
    resource_tracker.ensure_running()  # which lets interrupts in again where it begins later
    for batch in batches:
        with interrupts_held():  # a process is begun where none is idle
            coming.append(pool.submit(ImageChunk.corrupted, batch))
        if len(coming) >= AHEAD * jobs:
            yield coming.popleft().result()
    while coming:
        yield coming.popleft().result()


def _begin() -> None:
    """In a new process: end when the first one ends, which also answers for interrupts."""
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
