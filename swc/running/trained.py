"""What training has come to: an ensemble with its optimiser, put together for a run.

Takes a run and a compiled revision; gives `Trained`, and the batches it is trained on. Guarantees: with several ranks
all begin with the same program and the same state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import torch
from attrs import define, frozen

from swc.compiler.driver import Compiled
from swc.compiler.frontend.own_code import is_raised_by_us
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import MemberChanged, MemberNotFound
from swc.folders.store import checkpoint_path, read_compiled, spec_hash_of
from swc.program.stages import Stage, stages
from swc.program.training import Training
from swc_runtime.data import epoch_batches
from swc_runtime.ensemble import Ensemble, build, load_state_tensors, networks_of, state_tensors
from swc_runtime.ranks.synced_norms import synchronise
from swc_runtime.records.checkpoint import Meta, check_belongs, load_checkpoint, newest_checkpoint, under_prefix
from swc_runtime.training.kernel_choice import equip
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.optimiser_state import OptimiserState, load_optimiser_state, optimiser_state
from swc_runtime.training.trainer import Tally

if TYPE_CHECKING:
    from swc.running.run import Run

Due = Literal["", "norms", "scores"]


@define
class Trained:
    """What changes while a run goes on.

    `epoch` epochs of the phase are done, and `step` steps of the next, of which `tally` holds what was seen;
    `due` is what must still be done after the last epoch: running statistics settled, then scores taken.
    """

    compiled: Compiled
    ensemble: Ensemble
    optimiser: torch.optim.Optimizer
    epoch: int
    step: int = 0
    tally: Tally | None = None
    due: Due = ""


@frozen(eq=False)
class Kept:
    """The newest checkpoint of a run, and the revision it belongs to."""

    tensors: dict[str, torch.Tensor]
    meta: Meta
    compiled: Compiled

    def is_finished(self, training: Training) -> bool:
        """Whether nothing is left to train."""
        last = stages(training)[-1]
        return (self.meta.position.revision, self.meta.position.epoch) == (last.revision, last.stop)

    def where(self, training: Training) -> str:
        """How far training has come."""
        position = self.meta.position
        step = f" and step {position.step}" if position.step else ""
        return f"epoch {position.epoch}{step} of {stages(training)[position.revision].phase.name}"


def kept_of(folder: Path) -> Kept | None:
    """What a run can be taken up from, or None; DiagnosticError where its files do not belong together."""
    path = newest_checkpoint(checkpoint_path(folder))
    if path is None:
        return None
    tensors, meta = load_checkpoint(path)
    check_belongs(path, meta, spec_hash=spec_hash_of(folder), program_hash=meta.program_hash)
    compiled = read_compiled(folder, meta.position.revision)
    check_belongs(path, meta, spec_hash=meta.spec_hash, program_hash=compiled.program_hash)
    return Kept(tensors, meta, compiled)


def restored(kept: Kept, device: str, own: Sequence[int] | None = None) -> Ensemble:
    """The ensemble that was kept, on a device; DiagnosticError where a member is no longer what was compiled."""
    ensemble = _fresh(kept.compiled, device, own)
    try:
        load_state_tensors(ensemble, under_prefix("state", kept.tensors))
    except ValueError as error:  # a buffer of a member has another shape than when it was kept
        raise DiagnosticError(MemberChanged(detail=str(error))) from error
    return ensemble


def built(run: Run, compiled: Compiled) -> Ensemble:
    """A fresh ensemble on the run's device; DiagnosticError where a member is no longer what was compiled."""
    return _fresh(compiled, run.machine.device, own_members(run, compiled))


def own_members(run: Run, compiled: Compiled) -> tuple[int, ...] | None:
    """The members that run in this process (None: all)."""
    networks = networks_of(compiled.program)
    own = run.machine.ranks.own(len(networks))
    return None if own is None else tuple(sorted(member for number in own for member in networks[number].members))


def _fresh(compiled: Compiled, device: str, own: Sequence[int] | None) -> Ensemble:
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


def assembled(run: Run, compiled: Compiled, ensemble: Ensemble, state: OptimiserState, epoch: int) -> Trained:
    """An ensemble with an optimiser that goes on with its state."""
    if remark := equip(ensemble, run.machine.kernels.name):
        run.progress.say(remark)
    optimiser = make_optimiser(ensemble, run.recipe)
    load_optimiser_state(ensemble, optimiser, state)
    return Trained(compiled, ensemble, optimiser, epoch)


def batches_of(run: Run, stage: Stage, epoch: int, step: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The batches of an epoch from a step on, or this rank's shares of them."""
    recipe = run.recipe
    place = (recipe.seed, run.training.phases.index(stage.phase), epoch)
    return epoch_batches(
        run.dataset.train,
        recipe.augmentation,
        recipe.batch,
        *place,
        start_step=step,
        device=run.machine.device,
        deal=run.machine.deal,
    )


def begin_alike(run: Run, trained: Trained) -> None:
    """Let all ranks begin a revision with the same program and the first one's state."""
    ranks = run.machine.ranks
    if not ranks.are_many:
        return
    place = (trained.compiled.program_hash, trained.epoch, trained.step)
    ranks.agree("program and checkpoint", repr(place).encode())
    ranks.take_from_first([*state_tensors(trained.ensemble).values()])
    ranks.take_from_first([*optimiser_state(trained.ensemble, trained.optimiser, run.recipe).named().values()])
    if run.machine.sync_norms:
        synchronise(trained.ensemble, ranks)


def check_alike(run: Run, trained: Trained) -> None:
    """DiagnosticError where the ranks' states differ."""
    if run.machine.ranks.are_many:
        run.machine.ranks.agree("state", _digest(trained.ensemble))


def _digest(ensemble: Ensemble) -> bytes:
    """A few bytes that differ where a number of the state differs, most likely."""
    sums = [tensor.double().sum() for tensor in state_tensors(ensemble).values() if tensor.is_floating_point()]
    return torch.stack(sums).cpu().numpy().tobytes()
