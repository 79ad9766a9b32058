"""Batches made ahead of the step that trains on them, and how long it had to wait.

Takes batches; gives the same ones in the same order. Guarantees: an error of making a batch is raised where that batch
is taken; however the loop over them ends, nothing goes on in the background.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import perf_counter
from typing import Generic, TypeVar

Item = TypeVar("Item")

DEPTH = 2  # batches: one being made while another waits


class Ahead(Generic[Item]):
    """Items of `source`, made by a thread of its own while the taker is busy; `waited` counts the taker's seconds."""

    def __init__(self, source: Iterable[Item]) -> None:
        self.source = source
        self.waited = 0.0

    def __iter__(self) -> Generator[Item, None, None]:
        items = iter(self.source)
        with ThreadPoolExecutor(1) as maker:
            coming = deque(maker.submit(_next, items) for _ in range(DEPTH))
            try:
                while (item := self._taken(coming.popleft())) is not None:
                    coming.append(maker.submit(_next, items))
                    yield item[0]
            finally:
                for future in coming:
                    future.cancel()

    def _taken(self, future: Future[tuple[Item] | None]) -> tuple[Item] | None:
        started = perf_counter()
        item = future.result()
        self.waited += perf_counter() - started
        return item


def _next(items: Iterator[Item]) -> tuple[Item] | None:
    """The next item, wrapped; None at the end."""
    try:
        return (next(items),)
    except StopIteration:
        return None
