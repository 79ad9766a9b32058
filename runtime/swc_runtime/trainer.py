"""One epoch of training, and the tally of what it saw.

Takes an ensemble, its optimiser and an epoch's batches; gives `EpochResult`. Guarantees: the parameters after an epoch
depend on those before it, the momentum, the batches and the recipe alone; a loss that is not finite stops training
before it reaches a parameter (on CUDA within `CHECK_EVERY` steps, so that the device need not wait each step).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from zlib import crc32

import torch
from attrs import define, frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.run import NonFiniteLoss, NonFiniteState
from swc.program.training import Phase, Recipe
from torch import Tensor

from swc_runtime.data import keys
from swc_runtime.ensemble import Ensemble, state_tensors
from swc_runtime.optimiser import set_learning_rate
from swc_runtime.precision import Arithmetic, laid_out
from swc_runtime.schedule import learning_rate
from swc_runtime.steps import STEPS, Batch, Outcome, StepOptions

CHECK_EVERY = 20  # steps


@frozen
class Epoch:
    """Epoch `number` (from 0) of a phase, of `steps` optimiser steps; it is entered at step `start`."""

    phase: Phase
    number: int
    steps: int
    start: int = 0


@frozen
class EpochResult:
    """What an epoch saw on its training batches: means over images, per member, and `ensemble` for the mean softmax.

    `seconds` are those of this process; `images` counts the whole epoch.
    """

    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    ensemble: float
    seconds: float
    images: int

    @property
    def loss(self) -> float:
        """The loss that is minimised: the sum over members."""
        return sum(self.losses)


@define(eq=False)
class Tally:
    """Running sums over an epoch, on the device, as float64 [3, M]: losses, hits, and hits of the ensemble (in [2, 0]).

    `images` counts what was seen. Saved with a checkpoint inside an epoch, it makes the epoch's result whole.
    """

    sums: Tensor
    images: int = 0

    @classmethod
    def empty(cls, num_members: int, device: torch.device | str = "cpu") -> Tally:
        """Nothing seen yet."""
        return cls(torch.zeros(3, num_members, dtype=torch.float64, device=device))

    def add(self, outcome: Outcome, labels: Tensor) -> None:
        """Count a step; no value leaves the device."""
        self.images += len(labels)
        self.sums[0] += outcome.losses.double() * len(labels)
        self.sums[1] += (outcome.logits.argmax(-1) == labels).sum(-1)
        self.sums[2, 0] += (outcome.logits.softmax(-1).mean(0).argmax(-1) == labels).sum()

    def result(self, seconds: float = 0.0) -> EpochResult:
        """The means so far; waits for the device. ValueError before the first image."""
        if self.images == 0:
            raise ValueError("nothing was counted yet")
        losses, hits, together = (self.sums / self.images).tolist()
        return EpochResult(tuple(losses), tuple(hits), together[0], seconds, self.images)

    def state(self) -> dict[str, Tensor]:
        """As tensors, for a checkpoint."""
        return {"tally/sums": self.sums, "tally/images": torch.tensor(self.images)}

    @classmethod
    def of_state(cls, state: Mapping[str, Tensor], device: torch.device | str = "cpu") -> Tally:
        """The way back from `state`."""
        return cls(state["tally/sums"].to(device).clone(), int(state["tally/images"]))


OnStep = Callable[[int, Tally], None]


def train_epoch(
    ensemble: Ensemble,
    optimiser: torch.optim.Optimizer,
    batches: Iterable[tuple[Tensor, Tensor]],
    recipe: Recipe,
    epoch: Epoch,
    arithmetic: Arithmetic,
    on_step: OnStep | None = None,
    tally: Tally | None = None,
) -> EpochResult:
    """Train on an epoch's batches (images [B, C, H, W], labels [B]), from step `epoch.start` on.

    `on_step(steps_done, tally)` is called after every step: the place for progress and checkpoints. `tally` is that of
    the steps before `start`. DiagnosticError where a loss, or at the end a number of the state, is not finite.
    Source: paper, section 4 and supplementary section 1.
    """
    started = perf_counter()
    device = next(ensemble.parameters()).device
    tally = tally or Tally.empty(len(ensemble.members), device)
    options = StepOptions(arithmetic, recipe.label_smoothing, recipe.norm_batch)
    run_step = STEPS[ensemble.program.step]
    ensemble.train()
    step, noise = epoch.start, noise_of(recipe, epoch)
    for images, labels in batches:
        torch.manual_seed(noise + step)
        set_learning_rate(optimiser, learning_rate(recipe, epoch.phase, epoch.number, step, epoch.steps))
        optimiser.zero_grad(set_to_none=True)
        batch = Batch(laid_out(images.to(device)), labels.to(device))
        tally.add(run_step(ensemble, batch, options), batch.labels)
        step += 1
        if device.type == "cpu" or step % CHECK_EVERY == 0:
            check_losses(ensemble, tally, epoch, step)
        optimiser.step()
        if on_step is not None:
            on_step(step, tally)
    if step != epoch.steps:
        raise ValueError(f"an epoch of {epoch.steps} steps ended after {step}")
    check_finite(ensemble, tally, epoch, step)
    return tally.result(perf_counter() - started)


def noise_of(recipe: Recipe, epoch: Epoch) -> int:
    """What torch's generators are seeded with at step 0 of an epoch; step n adds n.

    So that dropout and its like, as all else, do not depend on where a run was taken up.
    """
    phase = crc32(epoch.phase.name.encode())
    return keys.base_of(recipe.seed, phase, epoch.number, keys.NOISE) >> 2


def check_losses(ensemble: Ensemble, tally: Tally, epoch: Epoch, step: int) -> None:
    """DiagnosticError naming the members whose summed loss is not finite after `step` steps."""
    finite = tally.sums[0].isfinite().tolist()
    if not all(finite):
        plans = ensemble.program.members
        names = tuple(plan.name for plan, good in zip(plans, finite, strict=True) if not good)
        raise DiagnosticError(NonFiniteLoss(phase=epoch.phase.name, epoch=epoch.number + 1, step=step, members=names))


def check_finite(ensemble: Ensemble, tally: Tally, epoch: Epoch, step: int) -> None:
    """DiagnosticError where a loss or any number of the state is not finite; to be called before every checkpoint."""
    check_losses(ensemble, tally, epoch, step)
    state = state_tensors(ensemble)
    broken = torch.stack([~tensor.isfinite().all() for tensor in state.values()]).tolist()
    names = tuple(name for name, bad in zip(state, broken, strict=True) if bad)
    if names:
        raise DiagnosticError(NonFiniteState(phase=epoch.phase.name, epoch=epoch.number + 1, step=step, tensors=names))
