"""Batches made ahead of the step that trains on them, and how long it had to wait.

Takes batches; gives the same ones in the same order. Guarantees: an error of making a batch is raised where that batch
is taken; however the loop over them ends, nothing goes on in the background.

That is for a step that leaves the processor idle. Where both need it, a second thread brings threads of its own for
torch's operations, and made an epoch of the quickstart 1.7 times as long on two cores: there nothing is made ahead.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Generic, TypeVar

Item = TypeVar("Item")

DEPTH = 2  # batches: one being made while another waits


class Ahead(Generic[Item]):
    """Items of `source`; `waited` counts the seconds in which they were waited for.

    With a `depth` a thread of its own makes that many ahead, while the taker is busy; with 0 they are made when taken.
    """

    def __init__(self, source: Iterable[Item], depth: int = DEPTH) -> None:
        self.source = source
        self.depth = depth
        self.waited = 0.0

    def __iter__(self) -> Generator[Item, None, None]:
        return self._made_ahead() if self.depth else self._made_when_taken()

    def _made_when_taken(self) -> Generator[Item, None, None]:
        items = iter(self.source)
        while (item := self._timed(lambda: _next(items))) is not None:
            yield item[0]

    def _made_ahead(self) -> Generator[Item, None, None]:
        items = iter(self.source)
        with ThreadPoolExecutor(1) as maker:
            coming = deque(maker.submit(_next, items) for _ in range(self.depth))
            try:
                while (item := self._timed(coming.popleft().result)) is not None:
                    coming.append(maker.submit(_next, items))
                    yield item[0]
            finally:
                for future in coming:
                    future.cancel()

    def _timed(self, take: Callable[[], tuple[Item] | None]) -> tuple[Item] | None:
        started = perf_counter()
        item = take()
        self.waited += perf_counter() - started
        return item


def _next(items: Iterator[Item]) -> tuple[Item] | None:
    """The next item, wrapped; None at the end."""
    try:
        return (next(items),)
    except StopIteration:
        return None
