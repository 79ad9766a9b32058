"""Diagnostics about examples that are read while a run goes on (SW518, SW519).

Guarantees: `READING` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics import Diagnostic


@frozen(kw_only=True)
class ItemFailed(Diagnostic):
    """An item of a data set that `data python(...)` gives raised an exception.

    A data set has `len(part)` items `part[n]`, each a pair of an input and a label. The message says which item of
    which part was asked for, and where in your code the exception was raised; in Python, `part[n]` raises it again. A
    data set that fits into memory is read through once, before a run begins. One that does not, and any with
    `--workers`, is read while the run goes on: mend the item, and `swc train` goes on where it was.
    """

    code: ClassVar[str] = "SW518"
    name: str
    part: str
    item: int
    error: str
    place: str = ""

    def message(self) -> str:
        return f"item {self.item} of {self.part} of `{self.name}` cannot be had: {self.error}"

    def help(self) -> str:
        return "mend the data set, or leave the item out of it"

    def notes(self) -> tuple[str, ...]:
        return (f"raised at {self.place}",) if self.place else ()


@frozen(kw_only=True)
class WorkerEnded(Diagnostic):
    """A process that read examples (`--workers`) ended before its work was done.

    What a process raises is told as such; this one ended without a word. Most often the system ended it because memory
    ran out, or its shared memory: batches pass from process to process through `/dev/shm`, which containers keep small
    (`docker run --shm-size 8g`). A crash in code that is not Python's has the same effect. Nothing is lost: `swc train`
    goes on from the last checkpoint, with any number of workers.
    """

    code: ClassVar[str] = "SW519"
    num_workers: int
    reason: str

    def message(self) -> str:
        return f"one of the {self.num_workers} processes that read examples ended: {self.reason}"

    def help(self) -> str:
        return "see whether memory or `/dev/shm` ran out, and go on with fewer `--workers`"


READING = (ItemFailed, WorkerEnded)
