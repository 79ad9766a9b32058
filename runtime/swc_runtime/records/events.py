"""Curves as TensorBoard reads them: an event file for each process that writes to a run.

Takes named numbers by step; gives files `events.out.tfevents.NNNN`. Guarantees: a file's number is larger than those
of the files before it, so that TensorBoard, which reads them by name, reads them in the order they were written.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import time

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from swc_runtime.records.appending import appending

PREFIX = "events.out.tfevents."
FORMAT = "brain.Event:2"  # what TensorBoard expects of a file's first event


class EventFile:
    """A new event file in `folder`, written through at every event."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{PREFIX}{_next_number(folder):04}"
        self._file = self._path.open("xb")
        self._records = RecordWriter(self._file)
        self._write(Event(wall_time=time(), file_version=FORMAT))

    def scalar(self, name: str, value: float, step: int) -> None:
        """Add a point to the curve `name`."""
        point = Summary.Value(tag=name, simple_value=value)
        self._write(Event(wall_time=time(), step=step, summary=Summary(value=[point])))

    def sync(self) -> None:
        """Wait until all is on the disk."""
        with appending(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Finish the file."""
        with appending(self._path):
            self._records.close()

    def _write(self, event: Event) -> None:
        with appending(self._path):
            self._records.write(event.SerializeToString())
            self._records.flush()


def event_files(folder: Path) -> tuple[Path, ...]:
    """The event files that `EventFile` made in a folder, in the order they were written."""
    return tuple(sorted(path for path in folder.glob(f"{PREFIX}*") if _number(path).isdigit()))


def _next_number(folder: Path) -> int:
    return max((int(_number(path)) for path in event_files(folder)), default=0) + 1


def _number(path: Path) -> str:
    return path.name.removeprefix(PREFIX)
