"""Batches made ahead are the same batches, in order, and end cleanly."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from swc_runtime.data.ahead import DEPTH, Ahead
from swc_runtime.data.readers import readers


@pytest.mark.parametrize("depth", [0, 1, DEPTH])
def test_items_come_in_order(depth: int) -> None:
    assert list(Ahead(range(20), depth)) == list(range(20))
    assert list(Ahead([], depth)) == []


@pytest.mark.parametrize("depth", [0, DEPTH])
def test_an_error_is_raised_where_its_item_is_taken(depth: int) -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("the third cannot be read")

    taken = []
    with pytest.raises(ValueError, match="the third"):
        for item in Ahead(broken(), depth):
            taken.append(item)
    assert taken == [1, 2]


def test_a_loop_that_is_left_leaves_no_thread() -> None:
    before = threading.active_count()
    made = []

    def counted() -> Iterator[int]:
        for n in range(100):
            made.append(n)
            yield n

    items = iter(Ahead(counted()))
    assert next(items) == 0
    items.close()
    assert threading.active_count() == before
    assert len(made) <= 2 + DEPTH


def test_without_a_depth_nothing_is_made_ahead() -> None:
    made = []

    def slow() -> Iterator[int]:
        for n in range(3):
            time.sleep(0.02)
            made.append(n)
            yield n

    source = Ahead(slow(), depth=0)
    for item in source:
        assert made[-1] == item
    assert source.waited > 0.05


def test_making_goes_on_while_the_taker_is_busy() -> None:
    def slow() -> Iterator[int]:
        for n in range(4):
            time.sleep(0.05)
            yield n

    apart, together = Ahead(slow()), Ahead(slow())
    list(apart)
    for _ in together:
        time.sleep(0.1)
    assert apart.waited > 0.15
    assert together.waited < apart.waited


def test_readers_begin_nothing_more_where_they_are_interrupted() -> None:
    """A folder of a million images is not read to its end by what was asked to stop."""
    begun: list[int] = []

    def read(number: int) -> int:
        begun.append(number)
        time.sleep(0.01)
        return number

    with pytest.raises(KeyboardInterrupt), readers() as pool:
        pool.map(read, range(10_000))
        raise KeyboardInterrupt
    assert len(begun) < 1000
