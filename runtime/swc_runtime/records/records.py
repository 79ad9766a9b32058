"""What a run measured: JSON lines for programs, TensorBoard events for people.

Takes what training measured; gives `metrics.jsonl` and `events/` in the run folder. Guarantees: after `cut_back` both
hold exactly what they held when their `marks` were taken, whatever was written since or half-written at the end; what
the system does not take is told by the file's name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from math import isnan
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import asdict
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.formats import DamagedFile
from swc.diagnostics.catalogue.run import RecordsCutShort
from swc.files.checkpoint_head import head_of
from swc.files.checksums import is_there
from swc.files.metric_lines import WAY, line_of, rows_of
from swc.files.metrics import EpochRow, MetricRow, ScoresRow
from swc.files.scores import Scores
from swc.program.stages import Stage

from swc_runtime.evaluate.metrics import EnsembleScores
from swc_runtime.records.appending import appending
from swc_runtime.records.events import EventFile, event_files
from swc_runtime.training.trainer import EpochResult

METRICS = "metrics.jsonl"
EVENTS = "events"


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

    def write(self, row: MetricRow) -> None:
        """Add one line; numbers that are not finite are null."""
        line = line_of(row, self._seen)
        self._seen.update(line.encode())
        with appending(self.folder / METRICS):
            self._lines.write(line)
            self._lines.flush()

    def curve(self, name: str, value: float, step: int) -> None:
        """Add a point to a curve of TensorBoard."""
        self._events.scalar(name, value, step)

    def write_epoch(self, stage: Stage, epoch: int, members: tuple[str, ...], result: EpochResult) -> None:
        """What an epoch saw on its training batches: a line of kind `epoch`, and curves by phase; epochs from 1."""
        self.write(EpochRow("epoch", *_place(stage, epoch), **asdict(result)))
        counted = f"{stage.phase.name}/training {result.score or 'accuracy'}"
        for name, loss, value in zip(members, result.losses, result.counted, strict=True):
            if not isnan(loss):  # a member that was never drawn
                self.curve(f"{stage.phase.name}/loss/{name}", loss, epoch + 1)
                self.curve(f"{counted}/{name}", value, epoch + 1)
        if result.ensemble is not None:
            self.curve(f"{counted}/ensemble", result.ensemble, epoch + 1)

    def write_scores(
        self,
        stage: Stage,
        epoch: int,
        members: tuple[str, ...],
        evaluation: EnsembleScores,
        *,
        is_average: bool = False,
    ) -> None:
        """Scores on one part of the images: a line of kind `scores` for each member and the ensemble, and curves.

        Curves of the validation part are named so: `main/validation top1/ensemble`, with the average of the weights
        `main/average validation top1/ensemble`.
        """
        rows = (*zip(members, evaluation.members, strict=True), ("ensemble", evaluation.ensemble))
        for name, scores in rows:
            place, part = _place(stage, epoch), evaluation.part
            self.write(ScoresRow("scores", *place, name, **asdict(scores), part=part, is_average=is_average))
            of = ("average " if is_average else "") + (f"{part} " if part else "")
            for metric in _curves(scores):
                self.curve(f"{stage.phase.name}/{of}{metric}/{name}", scores.value(metric), epoch + 1)

    def marks(self) -> dict[str, int]:
        """The length in bytes of every file, by its path in the folder, once all is on the disk."""
        with appending(self.folder / METRICS):
            self._lines.flush()
            os.fsync(self._lines.fileno())
        self._events.sync()
        return {name: (self.folder / name).stat().st_size for name in _files(self.folder)}

    def close(self) -> None:
        """Finish both."""
        with appending(self.folder / METRICS):
            self._lines.close()
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _place(stage: Stage, epoch: int) -> tuple[int, str, int]:
    """The revision, the phase, and the epoch from 1 on."""
    return stage.revision, stage.phase.name, epoch + 1


def _curves(scores: Scores) -> tuple[str, ...]:
    """The scores that become curves: of another task than classification all that are known."""
    if not scores.further:
        return ("top1", "nll", "ece")
    return tuple(name for name in ("nll", "ece", *scores.further) if not isnan(scores.value(name)))


def _files(folder: Path) -> tuple[str, ...]:
    events = tuple(path.relative_to(folder).as_posix() for path in event_files(folder / EVENTS))
    return (METRICS, *events) if is_there(folder / METRICS) else events


def cut_back(folder: Path, marks: Mapping[str, int]) -> tuple[str, ...]:
    """Cut the records of a run back to `marks`, and remove event files that are younger; before they are opened.

    A length is always one at which a line, or an event, ended. Gives the event files that are gone or shorter than
    their marks: those are copies for TensorBoard, and go on in a new file. DiagnosticError, before anything is changed,
    where the metrics are.
    """
    sizes = {name: _size(folder / name) for name in marks}
    if sizes.get(METRICS, 0) < marks.get(METRICS, 0):
        path = str(folder / METRICS)
        raise DiagnosticError(RecordsCutShort(path=path, size=sizes[METRICS], expected=marks[METRICS]))
    for name in _files(folder):
        if name in marks and sizes[name] >= marks[name]:
            os.truncate(folder / name, marks[name])
        elif name == METRICS:
            os.truncate(folder / name, 0)
        elif name not in marks:
            (folder / name).unlink()
    return tuple(name for name in marks if sizes[name] < marks[name])


def _size(path: Path) -> int:
    return path.stat().st_size if is_there(path) else 0


def read_rows(folder: Path, *, are_marked: bool = False) -> list[MetricRow]:
    """The rows of a run's metrics; a last line without its end is left out.

    DiagnosticError where another line is not what `Records` writes, lines are gone that a checkpoint knows of, or one
    stands twice. Lines of older versions have no checksum. Those that `are_marked` stand before the mark of the newest
    checkpoint; what was written since is cut off where a run goes on, whatever a power cut has made of it.
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
            DamagedFile(origin=str(path), detail="no line ends where the last checkpoint saw one end", way=WAY)
        )
    return rows_of(written[:size] if are_marked else written, str(path))
