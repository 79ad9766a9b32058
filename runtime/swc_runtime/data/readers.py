"""Threads that read files.

Gives a pool for a `with` block. Guarantees: where the block is left by an exception, an interrupt too, what waits is
not begun any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from os import cpu_count


@contextmanager
def readers() -> Iterator[ThreadPoolExecutor]:
    """As many threads as there are cores."""
    pool = ThreadPoolExecutor(cpu_count() or 1)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
