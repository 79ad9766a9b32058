"""Threads that read files.

Gives a pool for a `with` block. Guarantees: where the block is left by an exception, an interrupt too, what waits is
not begun any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from os import cpu_count

from torch.utils.data import get_worker_info


@contextmanager
def readers() -> Iterator[ThreadPoolExecutor]:
    """As many threads as there are cores; one in a process that is itself one of several that read."""
    pool = ThreadPoolExecutor(1 if get_worker_info() is not None else cpu_count() or 1)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
