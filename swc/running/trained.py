"""From the folder of a run to the ensemble that was trained in it.

Takes a folder or a build; gives `SavedState`, and of it the trained ensemble, for a run that goes on and for whoever
uses what it trained. Guarantees: a checkpoint, its program and its spec belong together; nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch
from attrs import evolve, frozen

from swc.compiler.driver import Compiled
from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.catalogue.evaluation import NoAverage, NotFinished, NothingTrained, TrainedWithOtherCode
from swc.diagnostics.catalogue.training import MemberChanged, MemberNotFound
from swc.files.checkpoint import Meta
from swc.folders.store import Build, checkpoint_path, read_compiled, read_machine, spec_hash_of
from swc.program.stages import stages
from swc.program.training import Training
from swc.running.own_code import changed_code, code_facts
from swc.trust.blame import is_raised_by_us
from swc_runtime.ensemble import Ensemble, build, load_state_tensors
from swc_runtime.records.checkpoint import check_belongs, load_checkpoint, newest_checkpoint, under_prefix, with_prefix

# among the facts of a checkpoint: a stage with patience has come to its end; what must still be done after an epoch
ENDED, DUE = "ended", "due"
CHANGES_WEIGHTS = ("norms", "best")  # what is due and gives others than the checkpoint has


@frozen(eq=False)
class SavedState:
    """A checkpoint of a run, and the revision it belongs to.

    The weights are the last ones, or (`is_average`) their average.
    """

    tensors: dict[str, torch.Tensor]
    meta: Meta
    compiled: Compiled
    is_average: bool = False

    def averaged(self, place: str) -> SavedState:
        """The same with the average of the weights for the weights; DiagnosticError where `place` has none."""
        average = under_prefix("average", self.tensors)
        if not average:
            raise DiagnosticError(NoAverage(place=place))
        return evolve(self, tensors={**self.tensors, **with_prefix("state", average)}, is_average=True)

    def is_finished(self, training: Training) -> bool:
        """Whether nothing is left that changes weights."""
        last, position = stages(training)[-1], self.meta.position
        if self.meta.facts.get(DUE) in CHANGES_WEIGHTS:
            return False
        is_over = position.epoch == last.stop if last.patience is None else bool(self.meta.facts.get(ENDED))
        return is_over and position.revision == last.revision

    def where(self, training: Training) -> str:
        """How far training has come."""
        weights = ", average of the weights" if self.is_average else ""
        return f"{self._place(training)}{weights}"

    def _place(self, training: Training) -> str:
        position = self.meta.position
        if self.is_finished(training):
            return stages(training)[-1].end
        step = f" and step {position.step}" if position.step else ""
        return f"epoch {position.epoch}{step} of {stages(training)[position.revision].phase.name}"

    def ensemble(self, device: str, own: Sequence[int] | None = None) -> Ensemble:
        """The ensemble as it was saved, on a device; `own` are the members that run in this process (None: all).

        DiagnosticError where a member is no longer what was compiled.
        """
        ensemble = untrained(self.compiled, device, own)
        try:
            load_state_tensors(ensemble, under_prefix("state", self.tensors))
        except ValueError as error:  # a buffer of a member has another shape than when it was saved
            raise DiagnosticError(MemberChanged(detail=str(error))) from error
        return ensemble


def open_trained(build: Build, sink: Sink | None = None) -> SavedState:
    """What a run has trained; `sink` is warned where training has not come to its end, or code of the user's changed.

    DiagnosticError where nothing is trained, or files of the run do not belong together.
    """
    saved = newest_state(build.folder) if build.is_run and build.folder.is_dir() else None  # and no `.sw` file
    if saved is None or build.spec.training is None:
        raise DiagnosticError(NothingTrained(place=str(build.folder)))
    if sink is not None:
        _tell(build, saved, build.spec.training, sink)
    return saved


def _tell(build: Build, saved: SavedState, training: Training, sink: Sink) -> None:
    place = str(build.folder)
    if not saved.is_finished(training):
        sink.report(NotFinished(place=place, stage=saved.where(training)))
    if changes := changed_code(read_machine(build.folder) or {}, code_facts(build.spec)):
        sink.report(TrainedWithOtherCode(place=place, changes=changes))


def newest_state(folder: Path) -> SavedState | None:
    """What a run can be taken up from, or None; DiagnosticError where its files do not belong together."""
    path = newest_checkpoint(checkpoint_path(folder))
    if path is None:
        return None
    tensors, meta = load_checkpoint(path)
    check_belongs(path, meta, spec_hash=spec_hash_of(folder), program_hash=meta.program_hash)
    compiled = read_compiled(folder, meta.position.revision)
    check_belongs(path, meta, spec_hash=meta.spec_hash, program_hash=compiled.program_hash)
    return SavedState(tensors, meta, compiled)


def untrained(compiled: Compiled, device: str, own: Sequence[int] | None = None) -> Ensemble:
    """The ensemble of a revision as it is initialised; DiagnosticError where a member is not what was compiled."""
    try:
        return build(compiled.program, device=device, own=own)
    except (ValueError, TypeError, ImportError, AttributeError) as error:
        if isinstance(error, TypeError) and not is_raised_by_us(error):
            raise  # by the member's own code
        raise DiagnosticError(refusal_of_member(error)) from error


def refusal_of_member(error: Exception) -> MemberChanged | MemberNotFound:
    """What to tell of a member that cannot be made: its code is not to be found now, or it is not what was compiled."""
    is_missing = isinstance(error, ImportError) or isinstance(getattr(error, "obj", None), ModuleType)
    return (MemberNotFound if is_missing else MemberChanged)(detail=str(error))
