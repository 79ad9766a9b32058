"""What is asked of a split, batch by batch, and who may read ahead for it.

Takes and gives nothing itself: a `Request` is the numbers of samples with their crops, a `Reader` gives the inputs of
many of them in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from swc_runtime.data.keys import Hashes, Integers
from swc_runtime.inputs import Inputs

Request = tuple[Integers, Hashes | None]  # the arguments of `Split.fetch`


class Reader(Protocol):
    """Reads the examples of one split ahead of those who train on them, in processes of its own."""

    def read(self, requests: Iterable[Request]) -> Iterator[Inputs]:
        """The inputs of each request, in order: what `Split.fetch` gives for it."""
        ...
