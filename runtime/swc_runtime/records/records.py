"""What a run measured: JSON lines for programs, TensorBoard events for people.

Takes rows of plain values; gives `metrics.jsonl` and `events/` in the run folder. Guarantees: after `cut_back` both
hold exactly what they held when their `marks` were taken, whatever was written since or half-written at the end.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from attrs import asdict
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.diagnostics.catalogue.run import RecordsCutShort
from swc.files.checkpoint_head import head_of
from swc.files.checksums import is_there
from swc.files.plain_json import read_json
from swc.program.stages import Stage

from swc_runtime.evaluate.metrics import Evaluation
from swc_runtime.records.events import EventFile, event_files
from swc_runtime.training.trainer import EpochResult

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

METRICS = "metrics.jsonl"
CHECKED = re.compile(rb'(\{.*), "check": "([0-9a-f]{16})"\}')
EVENTS = "events"
Value = str | int | float | bool | None | tuple[float, ...]


class Records:
    """Open records of a run; a context manager.

    Each process writes an event file of its own, so that files are only ever appended to by one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / METRICS
        self._seen = sha256(path.read_bytes() if is_there(path) else b"")
        self._lines = path.open("a", encoding="utf-8")
        self._events = EventFile(folder / EVENTS)

    def write(self, kind: str, row: Mapping[str, Value]) -> None:
        """Add one line: `{"kind": kind, ...}` with the keys of `row` in order; numbers that are not finite as null."""
        plain = {"kind": kind, **{key: _plain(value) for key, value in row.items()}}
        body = json.dumps(plain, allow_nan=False)
        line = f'{body[:-1]}, "check": "{_check(self._seen, body.encode())}"}}\n'
        self._seen.update(line.encode())
        self._lines.write(line)
        self._lines.flush()

    def curve(self, name: str, value: float, step: int) -> None:
        """Add a point to a curve of TensorBoard."""
        self._events.scalar(name, value, step)

    def write_epoch(self, stage: Stage, epoch: int, members: tuple[str, ...], result: EpochResult) -> None:
        """What an epoch saw on its training batches: a line of kind `epoch`, and curves by phase; epochs from 1."""
        self.write("epoch", _place(stage, epoch) | asdict(result))
        for name, loss, accuracy in zip(members, result.losses, result.accuracies, strict=True):
            self.curve(f"{stage.phase.name}/loss/{name}", loss, epoch + 1)
            self.curve(f"{stage.phase.name}/training accuracy/{name}", accuracy, epoch + 1)
        if result.ensemble is not None:
            self.curve(f"{stage.phase.name}/training accuracy/ensemble", result.ensemble, epoch + 1)

    def write_scores(self, stage: Stage, epoch: int, members: tuple[str, ...], evaluation: Evaluation) -> None:
        """Scores on held-out images: a line of kind `scores` for each member and the ensemble, and curves."""
        rows = (*zip(members, evaluation.members, strict=True), ("ensemble", evaluation.ensemble))
        for name, scores in rows:
            self.write("scores", _place(stage, epoch) | {"of": name} | asdict(scores))
            for metric in ("top1", "nll", "ece"):
                self.curve(f"{stage.phase.name}/{metric}/{name}", getattr(scores, metric), epoch + 1)

    def marks(self) -> dict[str, int]:
        """The length in bytes of every file, by its path in the folder, once all is on the disk."""
        self._lines.flush()
        os.fsync(self._lines.fileno())
        self._events.sync()
        return {name: (self.folder / name).stat().st_size for name in _files(self.folder)}

    def close(self) -> None:
        """Finish both."""
        self._lines.close()
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Unrecorded:
    """What a process keeps that is not the first of several: nothing."""

    def write_epoch(self, stage: Stage, epoch: int, members: tuple[str, ...], result: EpochResult) -> None:
        """Keep nothing."""

    def write_scores(self, stage: Stage, epoch: int, members: tuple[str, ...], evaluation: Evaluation) -> None:
        """Keep nothing."""

    def marks(self) -> dict[str, int]:
        """There are no files."""
        return {}


def _place(stage: Stage, epoch: int) -> dict[str, Value]:
    return {"revision": stage.revision, "phase": stage.phase.name, "epoch": epoch + 1}


def _plain(value: Value) -> object:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not (abs(value) < float("inf")):
        return None
    return value


def _check(seen: Hash, body: bytes) -> str:
    """What a line says of itself: a checksum over all that stands before it in the file, and over its own entries."""
    digest = seen.copy()
    digest.update(body)
    return digest.hexdigest()[:16]


def _files(folder: Path) -> tuple[str, ...]:
    events = tuple(path.relative_to(folder).as_posix() for path in event_files(folder / EVENTS))
    return (METRICS, *events) if is_there(folder / METRICS) else events


def cut_back(folder: Path, marks: Mapping[str, int]) -> None:
    """Cut the records of a run back to `marks`, and remove event files that are younger; before they are opened.

    A length is always one at which a line, or an event, ended. DiagnosticError, before anything is changed, where a
    file is shorter than its mark.
    """
    for name, size in marks.items():
        _check_long_enough(folder / name, size)
    for name in _files(folder):
        if name in marks:
            os.truncate(folder / name, marks[name])
        elif name == METRICS:
            os.truncate(folder / name, 0)
        else:
            (folder / name).unlink()


def _check_long_enough(path: Path, size: int) -> None:
    have = path.stat().st_size if is_there(path) else 0
    if have < size:
        raise DiagnosticError(RecordsCutShort(path=str(path), size=have, expected=size))


def read_rows(folder: Path, kind: str | None = None) -> list[dict[str, object]]:
    """The lines of a run's metrics, all or those of a kind; a last line without its end is left out.

    DiagnosticError where another line is not what `Records` writes, lines are gone that a checkpoint knows of, or one
    stands twice. Lines of older versions have no checksum.
    """
    path = folder / METRICS
    if folder.is_file():  # a spec that was compiled in memory
        return []
    head = head_of(folder / "checkpoints")  # before the lines: a run that goes on writes these first
    written = path.read_bytes() if is_there(path) else b""
    size = head.marks.get(METRICS, 0) if head is not None else 0
    if len(written) < size:
        raise DiagnosticError(RecordsCutShort(path=str(path), size=len(written), expected=size))
    if size and written[size - 1 : size] != b"\n":
        raise DiagnosticError(
            DamagedFile(origin=str(path), detail="no line ends where the last checkpoint saw one end")
        )
    lines = written[: written.rfind(b"\n") + 1].split(b"\n")[:-1]
    _check_lines(path, lines)
    rows = [_row(path, number, line) for number, line in enumerate(lines, 1)]
    return [row for row in rows if kind is None or row["kind"] == kind]


def _check_lines(path: Path, lines: Sequence[bytes]) -> None:
    """DiagnosticError where a line has another checksum than it was written with, lost it, or stands twice."""
    seen, is_checked, known = sha256(), False, set[bytes]()
    for number, line in enumerate(lines, 1):
        found = CHECKED.fullmatch(line)
        if found is None and is_checked:
            raise _damaged(path, number, "has lost its checksum")
        if found is not None and _check(seen, found[1] + b"}") != found[2].decode():
            raise _damaged(path, number, "is not as it was written")
        if line in known:
            raise _damaged(path, number, "stands there twice")
        is_checked = found is not None
        seen.update(line + b"\n")
        known.add(line)


def _damaged(path: Path, number: int, what: str) -> DiagnosticError:
    return DiagnosticError(DamagedFile(origin=str(path), detail=f"line {number} {what}"))


def _row(path: Path, number: int, line: bytes) -> dict[str, object]:
    try:
        row = read_json(line.decode("utf-8"))
    except ValueError as error:
        raise _damaged(path, number, "is no JSON") from error
    if not isinstance(row, dict) or "kind" not in row:
        raise _damaged(path, number, "has no `kind`")
    return {key: value for key, value in row.items() if key != "check"}
