"""A model to try, and an ensemble of it that is always asked the same.

Takes a source, the names and shapes of its parameters and the recipe; gives logits and gradients. Guarantees: the
functions are those that runs use, on the CPU, on a few random images that are always the same, with generators that
are always seeded the same.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import NoReturn

import numpy as np
import torch
from attrs import define, field, frozen
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue import trying as catalogue
from swc.program.datasets import DataFacts
from swc.program.expressions import Stored
from swc.program.model_source import ModelSource
from swc.program.program import SCHEMA, MemberPlan, PrivatePlan, Program, TensorPlan, WeightPlan
from swc.program.training import Recipe, Training
from torch import Tensor

from swc_runtime.ensemble import Ensemble, placed
from swc_runtime.evaluate.predict import ask
from swc_runtime.inputs import drawn, mapped, tensors_of
from swc_runtime.members.build import as_written
from swc_runtime.members.memory import has_storage, spread
from swc_runtime.members.seeds import seed_of
from swc_runtime.precision import Arithmetic, laid_out
from swc_runtime.tasks import rules_of
from swc_runtime.training.losses import loss_of
from swc_runtime.training.optimiser import make_optimiser, set_learning_rate
from swc_runtime.training.steps.independent import independent
from swc_runtime.training.steps.step import Batch, StepOptions
from swc_runtime.weights.bank import Parts

NUM_IMAGES = 2  # one image would be too few for BatchNorm
MEMBER = "member"
FULL = Arithmetic("cpu", torch.float32, "to compare numbers")
RATE = 0.1  # of the steps of training
NEAR = 1e-3  # relative to the largest number: beyond what another order of sums makes of float32
NUDGE = 1e-5  # of images, relative: some times what float32 rounds


class ActFailedError(Exception):
    """The model raised `error` when it was to be `act`."""

    def __init__(self, act: str, error: Exception) -> None:
        self.act = act
        self.error = error
        super().__init__(f"{act}: {error}")


@frozen
class Trial:
    """A model to try: its source, the data, its parameters' shapes by name, and which of them may be composed.

    Those in `aside` may be too, if the model can bear it; they are the first to stay private where it cannot.
    """

    source: ModelSource
    data: DataFacts
    shapes: Mapping[str, tuple[int, ...]]
    sharable: tuple[str, ...]
    recipe: Recipe = field(factory=lambda: Recipe("trial"))
    is_measured: bool = False  # in eval mode, by its gradients, as before a split or an untying
    aside: tuple[str, ...] = ()

    def program(self, composed: tuple[str, ...]) -> Program:
        """The program of an ensemble of this member alone, in which some weights are stored tensors."""
        private = tuple(PrivatePlan(MEMBER, path, shape) for path, shape in self.shapes.items() if path not in composed)
        return Program(
            schema=SCHEMA,
            ensemble="trial",
            revision=0,
            spec_hash="",
            graph_hash="",
            data=self.data,
            members=(MemberPlan(MEMBER, self.source),),
            banks=(),
            coefficients=(),
            slots=(),
            tensors=tuple(TensorPlan(path, self.shapes[path], 1) for path in composed),
            weights=tuple(
                WeightPlan(MEMBER, path, self.shapes[path], Stored(path, self.shapes[path]), path) for path in composed
            ),
            private=private,
            training=Training(self.recipe, ()),
        )


@contextmanager
def asked_to_be(act: str) -> Iterator[None]:
    """Inside, what the model's code raises becomes an ActFailedError."""
    try:
        yield
    except (DiagnosticError, ActFailedError):
        raise
    except Exception as error:
        raise ActFailedError(act, error) from error


def refuse(diagnostic: Diagnostic) -> NoReturn:
    """Raise a diagnostic."""
    raise DiagnosticError(diagnostic)


def seed(seed: int) -> None:
    """Seed what draws on the CPU: `torch.manual_seed` takes milliseconds for devices that are not asked."""
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


@frozen(eq=False)
class StepTrace:
    """Logits before a step of training, by the mode that was trial, and the step's gradients by path."""

    logits: dict[str, Tensor]
    gradients: dict[str, Tensor]


@define(eq=False, slots=False)
class Subject:
    """An ensemble of one member, which is always asked the same."""

    trial: Trial
    ensemble: Ensemble
    arithmetic: Arithmetic = FULL
    nudge: float = 0.0

    @cached_property
    def batch(self) -> Batch:
        """Random images or other inputs, with targets as the task has them."""
        generator = torch.Generator().manual_seed(1)
        inputs = mapped(drawn(self.trial.data, NUM_IMAGES, generator), lambda one: self._nudged(one, generator))
        return Batch(laid_out(inputs), targets_of(self.trial.data, NUM_IMAGES))

    def _nudged(self, tensor: Tensor, generator: torch.Generator) -> Tensor:
        """Floats a little off, in another way for each; whole numbers as they are."""
        if not tensor.is_floating_point():
            return tensor
        return tensor.mul_(1 + self.nudge * torch.randn(tensor.shape, generator=generator))

    @cached_property
    def optimiser(self) -> torch.optim.Optimizer:
        """That of a run."""
        return make_optimiser(self.ensemble, self.trial.recipe)

    def logits(self) -> dict[str, Tensor]:
        """In eval mode and in training mode."""
        inputs = self.batch.inputs
        with asked_to_be("evaluated"):
            seed(2)
            asked = ask(self.ensemble, inputs, self.arithmetic)
            if self.trial.is_measured:
                self._check_gradients_flow(self.ensemble.eval()(*tensors_of(inputs)), "eval")
        with asked_to_be("run in training mode"), self.arithmetic.autocast():
            seed(3)
            trained = self.ensemble.train()(*tensors_of(inputs))
        self._check_gradients_flow(trained, "training")
        return {"in eval mode": asked, "in training mode": trained.detach()}

    def _check_gradients_flow(self, logits: Tensor, mode: str) -> None:
        if not logits.requires_grad:
            found = "logits without gradients"
            refuse(catalogue.UnusableLogits(name=self.trial.source.name, found=found, mode=mode))

    def step(self) -> StepTrace:
        """Answer, then take a step of training."""
        found = self.logits()
        options = StepOptions(self.arithmetic, loss_of(self.trial.recipe.loss), rules=rules_of(self.trial.data))
        set_learning_rate(self.optimiser, RATE)
        with asked_to_be("trained"):
            seed(4)
            self.ensemble.train()
            self.optimiser.zero_grad(set_to_none=True)
            independent(self.ensemble, self.batch, options)
            self.optimiser.step()
        return StepTrace(found, self._gradients())

    def _gradients(self) -> dict[str, Tensor]:
        named = dict(self.ensemble.members[0].named_parameters())
        paths = [weight.path for weight in self.ensemble.weights]
        named |= dict(zip(paths, self.ensemble.tensors, strict=True))
        return {path: p.grad.detach().clone() for path, p in named.items() if p.grad is not None}


def targets_of(data: DataFacts, count: int) -> Tensor:
    """Targets of some examples, as the task has them: classes int64 [B], labels or numbers float32 [B, C]."""
    if data.task.row.targets == "class":
        return torch.arange(count) % data.num_classes
    counted_BC = torch.arange(count)[:, None] + torch.arange(data.num_classes)
    return (counted_BC % 2).float() if data.task.row.targets == "labels" else counted_BC.float() - 0.5


def plain_ensemble(trial: Trial) -> Ensemble:
    """The model as its source makes it, every parameter its own, and tensors that share memory."""
    program = trial.program(())
    module = as_written(program, program.members[0], seed_of(program))
    spread(module)
    return placed(Ensemble(program, Parts((), (), (), (module,))), "cpu")


def are_near(first: Tensor, second: Tensor, slack: float = 0.0) -> bool:
    """Whether numbers are the same but for rounding, or for `slack`; nan where the others have it is the same too."""
    if first.is_complex() or not has_storage(first):
        return first.shape == second.shape
    one, two = first.detach().double(), second.detach().double()
    largest = float(one.nan_to_num(0, 0, 0).abs().max())
    return one.shape == two.shape and torch.allclose(one, two, rtol=0, atol=max(NEAR * largest, slack), equal_nan=True)


def first_line(error: Exception) -> str:
    """What an exception says, in short."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
