"""What an action between two stages needs to know: what was trained, and in which surroundings.

Guarantees: a `State` in a `Run` is one such pair, and so is a `Revision` in a loop that is not ours (`swc.loops`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from swc.compiler.driver import Compiled
    from swc.program.spec import Spec
    from swc.program.stages import Stage
    from swc.program.training import Phase, Recipe
    from swc.running.machine import Machine
    from swc_runtime.ensemble import Ensemble
    from swc_runtime.inputs import Inputs
    from swc_runtime.training.optimiser_state import OptimiserState


class Trained(Protocol):
    """An ensemble that a stage has trained, and what its optimiser keeps."""

    @property
    def compiled(self) -> Compiled:
        """The revision."""
        ...

    @property
    def ensemble(self) -> Ensemble:
        """Its ensemble."""
        ...

    @property
    def stage(self) -> Stage:
        """The stage."""
        ...

    @property
    def optimiser_state(self) -> OptimiserState:
        """What the optimiser keeps, by the ids of the parameters."""
        ...


class Surroundings(Protocol):
    """Where it is trained: the spec, the machine, and the batches of an epoch."""

    @property
    def spec(self) -> Spec:
        """The spec."""
        ...

    @property
    def recipe(self) -> Recipe:
        """The recipe of all phases."""
        ...

    @property
    def machine(self) -> Machine:
        """The device, the arithmetic, and the processes that share the work."""
        ...

    @property
    def given_digest(self) -> str:
        """The digest of the weights that members were given at the beginning; "" where nobody kept it."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """The batches of an epoch."""
        ...

    def batches(self, phase: Phase, epoch: int) -> Iterator[tuple[Inputs, Tensor]]:
        """The batches of an epoch of a phase: inputs and labels."""
        ...

    def plain_batches(self) -> Iterator[tuple[Inputs, Tensor]]:
        """The training part once, in its own order and without augmentation."""
        ...
