"""The observers that write the folder of a run: revisions, results, records and checkpoints; and who observes a run.

Takes what a run comes to; gives files. Guarantees: the first of several ranks alone writes, and holds the run's lock
meanwhile; the folder always holds what is needed to go on; a checkpoint knows the lengths of the records beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import CheckpointsLost
from swc.files.checkpoint_head import head_of
from swc.folders.lock import held
from swc.folders.store import revision_folder, write_feedback, write_revision
from swc.running.checkpoints import save_state
from swc.running.folder import set_file_aside
from swc.running.observer import Observer, Observers
from swc.running.results import results_of, write_results
from swc.system import cache
from swc_runtime.data import PixelCheck
from swc_runtime.records.records import METRICS, Records, cut_back, read_rows
from swc_runtime.training.trainer import Epoch, check_finite

if TYPE_CHECKING:
    from collections.abc import Callable

    from swc.compiler.driver import Compiled
    from swc.program.feedback import Feedback
    from swc.running.run import Run
    from swc.running.state import State
    from swc_runtime.evaluate.metrics import EnsembleScores, FinalScores
    from swc_runtime.training.trainer import EpochResult


@contextmanager
def observed(run: Run, *observers: Observer) -> Iterator[Observer]:
    """Gives who is told of a run in this process: on the first rank its files, then `observers`; on others nobody.

    Inside, the run is kept to the processes that train it together; DiagnosticError where another one does.
    """
    if not run.machine.ranks.is_first:
        yield Observers()
        return
    others = Observers(observers)
    records, pixels = RecordFiles(run, others.say), PixelReader(run, others.say)
    with held(run.folder) as locked:
        if not locked:
            others.say("this file system has no locks: see to it that no other process trains this run")
        try:
            yield Observers((RevisionFiles(run), records, Checkpoints(run, records), pixels, others))
        finally:
            pixels.close()
            records.close()


@frozen
class RevisionFiles(Observer):
    """Writes what was measured, the revisions, and what the run came to."""

    run: Run

    def measured(self, feedback: Feedback) -> None:
        """Write `feedback.json`."""
        write_feedback(self.run.folder, feedback)

    def revision_begins(self, compiled: Compiled) -> None:
        """Write the graph, the notes and the program."""
        write_revision(revision_folder(self.run.folder, compiled.revision), compiled)

    def finished(self, final: FinalScores) -> None:
        """Write `results.json`."""
        write_results(self.run.folder, results_of(self.run, final))


@define(eq=False)
class RecordFiles(Observer):
    """Writes `metrics.jsonl` and the events of TensorBoard, from the lengths on that the newest checkpoint knows."""

    run: Run
    tell: Callable[[str], None]
    records: Records | None = field(init=False, default=None)
    are_new: bool = field(init=False, default=False)

    def begins(self, state: State, is_new: bool) -> None:
        """Cut back what was written since the checkpoint.

        DiagnosticError where there are records and no checkpoint, or metrics are not as they were written, unless the
        user wants new ones.
        """
        head = head_of(self.run.checkpoint.parent)
        marks = {} if head is None else dict(head.marks)
        if is_new:
            if read_rows(self.run.folder):
                raise DiagnosticError(CheckpointsLost(folder=str(self.run.folder)))
        else:
            self._set_damaged_aside()
        if self.are_new:
            marks.pop(METRICS, None)
        for lost in cut_back(self.run.folder, marks):
            self.tell(f"{lost} is not whole: TensorBoard's curves have a gap, {METRICS} has all numbers")
        self.records = Records(self.run.folder)

    def nothing_left(self, state: State) -> None:
        """Set damaged metrics of a finished run aside, where the user wants new ones."""
        if self.run.options.new_metrics:
            self._set_damaged_aside()
        if self.are_new:
            self.records = Records(self.run.folder)

    def epoch_done(self, state: State, result: EpochResult) -> None:
        """A line of metrics, and points of curves."""
        self._open.write_epoch(state.stage, state.position.epoch - 1, self.run.members, result)

    def scored(self, state: State, evaluation: EnsembleScores) -> None:
        """A line of metrics for each member and the ensemble, and points of curves."""
        self._open.write_scores(state.stage, state.position.epoch - 1, self.run.members, evaluation)

    def average_scored(self, state: State, evaluation: EnsembleScores) -> None:
        """The same with the average of the weights."""
        self._open.write_scores(state.stage, state.position.epoch - 1, self.run.members, evaluation, is_average=True)

    def marks(self) -> dict[str, int]:
        """The lengths of the files, once all is on the disk."""
        return self._open.marks()

    def close(self) -> None:
        """Finish the files, where they were opened."""
        if self.records is not None:
            self.records.close()

    def _set_damaged_aside(self) -> None:
        """Set metrics aside that are damaged, so that new ones begin; DiagnosticError unless the user wants that."""
        try:
            read_rows(self.run.folder, are_marked=True)
        except DiagnosticError:
            if not self.run.options.new_metrics:
                raise
            self.are_new = True
            self.tell(f"the metrics so far are set aside as {set_file_aside(self.run.folder / METRICS)}")

    @property
    def _open(self) -> Records:
        assert self.records is not None, "nothing is recorded before training begins"
        return self.records


@define(eq=False)
class Checkpoints(Observer):
    """Saves every state that is reached, and within an epoch where the last save is `checkpoint_every` seconds ago."""

    run: Run
    records: RecordFiles
    saved: float = field(init=False, default=0.0)

    def begins(self, state: State, is_new: bool) -> None:
        """Save what training begins with, or goes on with, where records are new and a checkpoint knows others."""
        if is_new or self.records.are_new:
            self.reached(state)

    def nothing_left(self, state: State) -> None:
        """Save the state of a finished run again, where records are new and its checkpoint knows others."""
        if self.records.are_new:
            self.reached(state)

    def epoch_begins(self, state: State) -> None:
        """Count the seconds from here."""
        self.saved = monotonic()

    def step_done(self, state: State) -> None:
        """Save, where it is time, and all numbers are finite."""
        if monotonic() - self.saved < self.run.options.checkpoint_every:
            return
        epoch, step = state.position.epoch, state.position.step
        assert state.tally is not None, "a step was counted"
        check_finite(state.ensemble, state.tally, Epoch(state.stage.phase, epoch, 0), step)
        self.reached(state)
        self.saved = monotonic()

    def reached(self, state: State) -> None:
        """Write a checkpoint."""
        save_state(self.run, state, self.records.marks())


@define(eq=False)
class PixelReader(Observer):
    """Decodes all images once, beside the first epoch, so that a damaged one ends the run early."""

    run: Run
    announce: Callable[[str], None]
    check: PixelCheck | None = field(init=False, default=None)

    def begins(self, state: State, is_new: bool) -> None:
        """Start to decode."""
        self.check = PixelCheck.begun(self.run.dataset, self.announce, cache)

    def step_done(self, state: State) -> None:
        """DiagnosticError where an image was found that cannot be decoded."""
        if self.check is not None:
            self.check.look()

    def reached(self, state: State) -> None:
        """Wait for all images; what was trained meanwhile is saved by now."""
        if self.check is not None:
            self.check.finish()

    def close(self) -> None:
        """Let go of the images that are left."""
        if self.check is not None:
            self.check.close()
