"""One epoch of training, and the tally of what it saw.

Takes an ensemble, its optimiser and an epoch's batches; gives `EpochResult`. Guarantees: the parameters after an epoch
depend on those before it, the momentum, the batches and the recipe alone; a loss that is not finite stops training
before it reaches a parameter (on CUDA within `CHECK_EVERY` steps, so that the device need not wait each step).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from math import isnan
from statistics import fmean
from time import perf_counter
from zlib import crc32

import torch
from attrs import define, evolve, field, frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.run import NonFiniteLoss, NonFiniteState
from swc.program.training import Phase, Recipe
from torch import Tensor, nn

from swc_runtime.data import keys
from swc_runtime.data.ahead import DEPTH, Ahead
from swc_runtime.data.batches import LabelledInputs, OwnBatches
from swc_runtime.data.mixing import mixing_steps
from swc_runtime.data.shares import WHOLE, Deal
from swc_runtime.ensemble import Ensemble, state_tensors
from swc_runtime.inputs import Inputs, moved
from swc_runtime.precision import Arithmetic, laid_out
from swc_runtime.ranks.ranks import ALONE, Ranks
from swc_runtime.tasks import PLAIN, TaskRules
from swc_runtime.training.averages import AveragedWeights
from swc_runtime.training.losses import loss_of
from swc_runtime.training.optimiser import set_learning_rate, updated_parameters
from swc_runtime.training.own_buffers import buffers_alike
from swc_runtime.training.reduction import StepCounts, combine
from swc_runtime.training.schedule import learning_rate
from swc_runtime.training.steps import STEPS, Batch, StepOptions

CHECK_EVERY = 20  # steps
RANK_BITS = 40  # more steps than that has no epoch


@frozen
class Epoch:
    """Epoch `number` (from 0) of a phase, of `steps` optimiser steps.

    It is entered at step `start`, after which `seen` holds what was counted. `num_images` says how many images there
    are for all ranks (None: as many as the batches hold). `teacher` is whom `step taught` asks (`StepOptions`).
    `average` takes in the state after each step, `rules` are those of the task, `deal` is what this rank has of each
    batch. Where reading batches `seeds_torch`, none is made in a thread beside a step.
    """

    phase: Phase
    number: int
    steps: int
    start: int = 0
    seen: Tally | None = None
    num_images: int | None = None
    teacher: Callable[[Inputs], Tensor] | None = None
    average: AveragedWeights | None = None
    rules: TaskRules = PLAIN
    deal: Deal = WHOLE
    seeds_torch: bool = False


@frozen
class EpochResult:
    """What an epoch saw on its training batches: means over images, per member, and `ensemble` for the mean softmax.

    What a member has that no step drew is nan. `ensemble` is None where the members saw different images. Where images
    were mixed, right is the larger label. Of another task than classification `score` names what was counted, `values`
    has it by member and `ensemble` of the ensemble, and there are no accuracies.

    `seconds` are those of this process, `waited` those in which a step waited for its batch; `images` counts the whole
    epoch. `clipped` is the share of steps whose gradients were too large for the recipe (None: it clips none).
    """

    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    ensemble: float | None
    seconds: float
    images: int
    waited: float = 0.0
    clipped: float | None = None
    score: str = ""
    values: tuple[float, ...] = ()

    @property
    def counted(self) -> tuple[float, ...]:
        """What was counted of each member: accuracies, or what the task has in their place."""
        return self.values if self.score else self.accuracies

    @property
    def loss(self) -> float:
        """The sum of the losses of the members that were drawn."""
        return sum(loss for loss in self.losses if not isnan(loss))

    @property
    def mean_counted(self) -> float:
        """The mean of what was counted of the members that were drawn."""
        return fmean(value for value in self.counted if not isnan(value))


@define(eq=False)
class Tally:
    """Running sums over an epoch, on the device, as float64 [4, M].

    Losses, hits, hits of the ensemble (in [2, 0]) and images, of each member; `images` counts what was seen in all,
    `clips` holds the steps whose gradients were clipped, and all steps that might have been, as float64 [2].
    Hits are what `rules` count. `times` holds the wall time so far and, in it, that waited for batches, in seconds.
    Saved with a checkpoint inside an epoch, it makes the epoch's result whole.
    """

    sums: Tensor
    images: int = 0
    clips: Tensor = field(factory=lambda: torch.zeros(2, dtype=torch.float64))
    rules: TaskRules = PLAIN
    times: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def empty(cls, num_members: int, device: torch.device | str = "cpu", rules: TaskRules = PLAIN) -> Tally:
        """Nothing seen yet."""
        sums, clips = (torch.zeros(*shape, dtype=torch.float64, device=device) for shape in ((4, num_members), (2,)))
        return cls(sums, clips=clips, rules=rules)

    def add(self, seen: StepCounts) -> None:
        """Count a step; no value leaves the device."""
        self.images += seen.images
        self.sums[0] += seen.losses.double() * seen.images
        self.sums[1] += seen.hits
        self.sums[2, 0] += seen.together
        self.sums[3] += seen.seen

    def add_clipping(self, norm: Tensor, most: float) -> None:
        """Count a step whose gradients had a norm, where `most` is allowed; no value leaves the device."""
        self.clips += torch.stack([norm > most, torch.ones_like(norm, dtype=torch.bool)])

    def result(self) -> EpochResult:
        """The means so far; waits for the device. ValueError before the first image."""
        if self.images == 0:
            raise ValueError("nothing was counted yet")
        losses, hits = (self.sums[:2] / self.sums[3]).tolist()  # nan of a member that was never drawn: 0 of 0 images
        share = float(self.sums[2, 0] / self.images)
        together = None if isnan(share) else self.rules.counted(share)
        clipped, steps = self.clips.tolist()
        share_clipped = clipped / steps if steps else None
        values, task = tuple(map(self.rules.counted, hits)), self.rules.task
        accuracies, values = (values, ()) if task.is_classification else ((), values)
        score = "" if task.is_classification else task.row.tally.name
        seconds, waited = self.times
        rest = (together, seconds, self.images, waited, share_clipped, score, values)
        return EpochResult(tuple(losses), accuracies, *rest)

    def state(self) -> dict[str, Tensor]:
        """As tensors, for a checkpoint."""
        state = {"tally/sums": self.sums, "tally/images": torch.tensor(self.images)}
        state["tally/times"] = torch.tensor(self.times, dtype=torch.float64)
        return state | ({"tally/clips": self.clips} if self.clips.any() else {})

    @classmethod
    def of_state(
        cls, state: Mapping[str, Tensor], device: torch.device | str = "cpu", rules: TaskRules = PLAIN
    ) -> Tally:
        """The way back from `state`; tallies of earlier versions know nothing of clipping, and later of times."""
        sums, clips = state["tally/sums"], state.get("tally/clips", torch.zeros(2, dtype=torch.float64))
        seconds, waited = state["tally/times"].tolist() if "tally/times" in state else (0.0, 0.0)
        images = int(state["tally/images"])
        return cls(sums.to(device).clone(), images, clips.to(device).clone(), rules, (seconds, waited))


OnStep = Callable[[int, Tally], None]


def train_epoch(
    ensemble: Ensemble,
    optimiser: torch.optim.Optimizer,
    batches: Iterable[LabelledInputs | OwnBatches],
    recipe: Recipe,
    epoch: Epoch,
    arithmetic: Arithmetic,
    on_step: OnStep | None = None,
    ranks: Ranks = ALONE,
) -> EpochResult:
    """Train on an epoch's batches (inputs, labels [B]), from step `epoch.start` on.

    One batch is for all networks, or there is one for each.

    With several ranks `batches` are this one's shares, which may be empty. `on_step(steps_done, tally)` is called
    after every step: the place for progress and checkpoints. DiagnosticError where a loss, or at the end a number of
    the state, is not finite. Source: paper, section 4 and supplementary section 1.
    """
    started = perf_counter()
    tally = epoch.seen or Tally.empty(len(ensemble.members), next(ensemble.parameters()).device, epoch.rules)
    options = StepOptions(arithmetic, loss_of(recipe.loss), recipe.norm_batch, epoch.teacher, epoch.rules)
    steps = _Steps(ensemble, optimiser, recipe, epoch, options, ranks)
    done, source = epoch.start, Ahead(batches, depth=depth_of(recipe, epoch, tally.sums.device))
    seconds, waited = tally.times  # of those who trained a part of the epoch before
    ensemble.watch_buffers()
    ensemble.train()
    with closing(iter(source)) as made:
        for drawn in made:
            steps.take(done, drawn, tally)
            done += 1
            tally.times = (seconds + perf_counter() - started, waited + source.waited)
            if on_step is not None:
                on_step(done, tally)
    if done != epoch.steps:
        raise ValueError(f"an epoch of {epoch.steps} steps ended after {done}")
    check_finite(ensemble, tally, epoch, done)
    tally.times = (seconds + perf_counter() - started, waited + source.waited)
    return tally.result()


def depth_of(recipe: Recipe, epoch: Epoch, device: torch.device) -> int:
    """How many batches are made ahead: none on the CPU, nor where making one draws from torch's own random state."""
    draws = epoch.seeds_torch or any(step.row.seeds_torch for step in recipe.augmentation)
    return 0 if draws or device.type == "cpu" else DEPTH


@frozen(eq=False)
class _Steps:
    """What stays the same through an epoch."""

    ensemble: Ensemble
    optimiser: torch.optim.Optimizer
    recipe: Recipe
    epoch: Epoch
    options: StepOptions
    ranks: Ranks

    def take(self, step: int, drawn: LabelledInputs | OwnBatches, tally: Tally) -> None:
        """Step number `step` (from 0): gradients, what the ranks add up, a look at the losses, the update."""
        device = tally.sums.device
        rate = learning_rate(self.recipe, self.epoch.phase, self.epoch.number, step, self.epoch.steps)
        set_learning_rate(self.optimiser, rate)
        self.optimiser.zero_grad(set_to_none=True)
        batch = self._batch(step, drawn, device)
        seed = noise_of(self.recipe, self.epoch, self.ranks) + step
        with self.ensemble.noise.seeded(seed, device), buffers_alike(self.ensemble, self.ranks):
            seen = _stepped(self.ensemble, batch, self.options)
        tally.add(combine(self.ensemble, seen, batch, self.ranks, self.epoch.rules))
        if device.type == "cpu" or (step + 1) % CHECK_EVERY == 0:
            check_losses(self.ensemble, tally, self.epoch, step + 1)
        self._clip(tally)
        self.optimiser.step()
        if self.epoch.average is not None:
            self.epoch.average.update(self.ensemble)

    def _clip(self, tally: Tally) -> None:
        """Scale the gradients that are about to be used down to the norm that the recipe allows."""
        if self.recipe.clip_gradients is not None:
            gradients = updated_parameters(self.ensemble)
            norm = nn.utils.clip_grad_norm_(gradients, self.recipe.clip_gradients)
            tally.add_clipping(norm, self.recipe.clip_gradients)

    def _batch(self, step: int, drawn: LabelledInputs | OwnBatches, device: torch.device) -> Batch:
        """What all networks see; where each has its own, that of the first, which holds all."""
        if isinstance(drawn, OwnBatches):
            own = tuple(self._batch(step, one, device) for one in drawn.by_network)
            return evolve(own[0], own=own)
        inputs, labels = laid_out(moved(drawn[0], device)), drawn[1].to(device)
        seed, num_images = noise_of(self.recipe, self.epoch) + step, self._num_images(step, labels)
        first = self.epoch.deal.share(num_images).start
        if labels.dim() == 2 and mixing_steps(self.recipe.augmentation):
            return Batch(inputs, labels.argmax(-1), num_images, seed, soft=labels, first=first)
        return Batch(inputs, labels, num_images, seed, first=first)

    def _num_images(self, step: int, labels: Tensor) -> int:
        """The images of all ranks in a step."""
        if self.epoch.num_images is None:
            return len(labels)
        return min(self.recipe.batch, self.epoch.num_images - step * self.recipe.batch)


def _stepped(ensemble: Ensemble, batch: Batch, options: StepOptions) -> StepCounts:
    """Run a step and count what it saw; a rank whose share is empty sees nothing."""
    if len(batch.labels) == 0:
        return StepCounts.nothing(ensemble)
    outcome = STEPS[ensemble.program.step.name](ensemble, batch, options)
    return StepCounts.of(outcome, batch.labels, ensemble, options.rules)


def noise_of(recipe: Recipe, epoch: Epoch, ranks: Ranks = ALONE) -> int:
    """What members draw from at step 0 of an epoch, each with its name; step n adds n.

    So that dropout and its like, as all else, do not depend on where a run was taken up. Ranks draw differently where
    they see different images.
    """
    phase = crc32(epoch.phase.name.encode())
    rank = 0 if ranks.deals_members else ranks.rank
    return (keys.base_of(recipe.seed, phase, epoch.number, keys.NOISE) >> 2) + (rank << RANK_BITS)


def check_losses(ensemble: Ensemble, tally: Tally, epoch: Epoch, step: int) -> None:
    """DiagnosticError naming the members whose summed loss is not finite after `step` steps."""
    finite = tally.sums[0].isfinite().tolist()
    if not all(finite):
        plans = ensemble.program.members
        names = tuple(plan.name for plan, good in zip(plans, finite, strict=True) if not good)
        raise DiagnosticError(NonFiniteLoss(phase=epoch.phase.name, epoch=epoch.number + 1, step=step, members=names))


def check_finite(ensemble: Ensemble, tally: Tally, epoch: Epoch, step: int) -> None:
    """DiagnosticError where a loss, or a number that training changes, is not finite; before every checkpoint."""
    check_losses(ensemble, tally, epoch, step)
    check_state(ensemble, epoch, step)


def check_state(ensemble: Ensemble, epoch: Epoch, step: int) -> None:
    """DiagnosticError where a number that training changes is not finite, by the ids of the state."""
    names = ensemble.watch.broken(state_tensors(ensemble))
    if names:
        raise DiagnosticError(NonFiniteState(phase=epoch.phase.name, epoch=epoch.number + 1, step=step, tensors=names))
