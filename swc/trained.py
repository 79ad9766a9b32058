"""What training has come to: an ensemble with its optimiser, put together for a run.

Takes a run and a compiled revision; gives `Trained`, and the batches it is trained on. Guarantees: with several ranks
all begin with the same program and the same state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from attrs import define

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import MemberChanged
from swc.driver import Compiled
from swc.program.codec import hash_of
from swc.program.stages import Stage
from swc_runtime.data import epoch_batches
from swc_runtime.ensemble import Ensemble, build, state_tensors
from swc_runtime.kernels.choose import equip
from swc_runtime.optimiser import load_momentum, make_optimiser, momentum_tensors
from swc_runtime.synced_norms import synchronise
from swc_runtime.trainer import Tally

if TYPE_CHECKING:
    from swc.run import Run

Momentum = dict[str, torch.Tensor]


@define
class Trained:
    """What changes while a run goes on.

    `epoch` epochs of the phase are done, and `step` steps of the next, of which `tally` holds what was seen.
    """

    compiled: Compiled
    ensemble: Ensemble
    optimiser: torch.optim.Optimizer
    epoch: int
    step: int = 0
    tally: Tally | None = None


def built(run: Run, compiled: Compiled) -> Ensemble:
    """A fresh ensemble on the run's device; DiagnosticError where a member is no longer what was compiled."""
    try:
        own = run.machine.ranks.own(len(compiled.program.members))
        return build(compiled.program, device=run.machine.device, own=own)
    except (ValueError, ImportError, AttributeError) as error:  # a member whose code is gone or not what was compiled
        raise DiagnosticError(MemberChanged(detail=str(error))) from error


def assembled(run: Run, compiled: Compiled, ensemble: Ensemble, momentum: Momentum, epoch: int) -> Trained:
    """An ensemble with an optimiser that goes on with its momentum."""
    if remark := equip(ensemble, run.machine.kernels.name):
        run.progress.say(remark)
    optimiser = make_optimiser(ensemble, run.recipe)
    load_momentum(ensemble, optimiser, momentum)
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
    place = (hash_of(trained.compiled.program), trained.epoch, trained.step)
    ranks.agree("program and checkpoint", repr(place).encode())
    ranks.take_from_first([*state_tensors(trained.ensemble).values()])
    ranks.take_from_first([*momentum_tensors(trained.ensemble, trained.optimiser).values()])
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
