"""What a run has come to: an ensemble with its optimiser, and where they stand in the training.

Takes a run and a compiled revision; gives `State`. Guarantees: with several ranks all begin a revision with the same
program and the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

import torch
from attrs import evolve, frozen

from swc.compiler.driver import Compiled
from swc.files.checkpoint import Position
from swc.program.stages import Stage
from swc_runtime.ensemble import Ensemble, networks_of, state_tensors
from swc_runtime.ranks.synced_norms import synchronise
from swc_runtime.training.averages import AveragedWeights
from swc_runtime.training.kernel_choice import equip
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.optimiser_state import OptimiserState, load_optimiser_state, optimiser_state
from swc_runtime.training.trainer import Tally

if TYPE_CHECKING:
    from torch import Tensor

    from swc.running.machine import Machine
    from swc.running.run import Run

Say = Callable[[str], None]
Due = Literal["", "norms", "scores", "best"]


@frozen(eq=False)
class BestState:
    """The state with the best score of a stage so far, after `epoch` epochs of the phase; a lower `score` is better.

    `tensors` are copies of its numbers by stable id; none once the ensemble has them again. `average` is a copy of the
    average of the weights, where there is one.
    """

    epoch: int
    score: float
    tensors: Mapping[str, Tensor]
    average: AveragedWeights | None = None


@frozen(eq=False)
class State:
    """An ensemble, its optimiser, and the position of both in the training.

    A transition takes a state and gives the next one, which has the same tensors or takes their place: the state it
    took is used up. `tally` holds what was seen in the steps of an epoch that has begun; `due` is what must still be
    done after the epoch that was trained last: running statistics settled, then scores taken, then, in a stage with
    patience, the best state brought back. Such a stage has a `best` state, and `is_ended` when that is over.
    `average` is that of the weights, where the recipe asks for one; it goes on changing.
    """

    compiled: Compiled
    ensemble: Ensemble
    optimiser: torch.optim.Optimizer
    position: Position
    tally: Tally | None = None
    due: Due = ""
    best: BestState | None = None
    is_ended: bool = False
    average: AveragedWeights | None = None

    @property
    def is_averaged(self) -> bool:
        """Whether there is an average to score."""
        return self.average is not None and self.average.steps > 0

    @property
    def is_trained(self) -> bool:
        """Whether its stage has nothing left to train."""
        return self.is_ended or (self.stage.patience is None and self.position.epoch >= self.stage.stop)

    @property
    def stage(self) -> Stage:
        """The stage that trains the revision."""
        stage = self.compiled.stage
        assert stage is not None, "a run has something to train"
        return stage

    @property
    def optimiser_state(self) -> OptimiserState:
        """What the optimiser keeps, by the ids of the parameters; no copies."""
        assert self.compiled.spec.training is not None, "a run has something to train"
        return optimiser_state(self.ensemble, self.optimiser, self.compiled.spec.training.recipe)

    def after_step(self, step: int, tally: Tally) -> State:
        """`step` steps of the epoch are done."""
        return evolve(self, position=evolve(self.position, step=step), tally=tally)

    def after_epoch(self, due: Due) -> State:
        """The epoch is done."""
        return evolve(self, position=evolve(self.position, epoch=self.position.epoch + 1, step=0), tally=None, due=due)


def assemble(run: Run, compiled: Compiled, ensemble: Ensemble, kept: OptimiserState, say: Say) -> State:
    """A revision at its first epoch: its ensemble with the kernels of the run, and an optimiser with what it kept.

    `say` gets a remark where the kernels asked for cannot be used.
    """
    if remark := equip(ensemble, run.machine.kernels.name):
        say(remark)
    optimiser = make_optimiser(ensemble, run.recipe)
    load_optimiser_state(ensemble, optimiser, kept)
    stage = run.stages[compiled.revision]
    phase = run.training.phases.index(stage.phase)
    wanted = run.recipe.weight_average
    average = None if wanted is None else AveragedWeights(wanted)
    return State(compiled, ensemble, optimiser, Position(compiled.revision, phase, stage.start), average=average)


def own_members(machine: Machine, compiled: Compiled) -> tuple[int, ...] | None:
    """The members that run in this process (None: all)."""
    networks = networks_of(compiled.program)
    own = machine.ranks.own(len(networks))
    return None if own is None else tuple(sorted(member for number in own for member in networks[number].members))


def begin_alike(run: Run, state: State) -> None:
    """Let all ranks begin a revision with the same program and the first one's state."""
    ranks = run.machine.ranks
    if not ranks.are_many:
        return
    place = (state.compiled.program_hash, state.position.epoch, state.position.step)
    ranks.agree("program and checkpoint", repr(place).encode())
    ranks.take_from_first([*state_tensors(state.ensemble).values()])
    ranks.take_from_first([*state.optimiser_state.named().values()])
    if state.average is not None:
        ranks.take_from_first([*state.average.tensors.values()])
    if run.machine.sync_norms:
        synchronise(state.ensemble, ranks)


def check_alike(run: Run, state: State) -> None:
    """DiagnosticError where the ranks' states differ."""
    if run.machine.ranks.are_many:
        run.machine.ranks.agree("state", _digest(state.ensemble))


def _digest(ensemble: Ensemble) -> bytes:
    """A few bytes that differ where a number of the state differs, most likely."""
    sums = [tensor.double().sum() for tensor in state_tensors(ensemble).values() if tensor.is_floating_point()]
    return torch.stack(sums).cpu().numpy().tobytes()
