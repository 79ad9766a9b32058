"""Whether a run could train a model, keep it, take it up again, recompile and export it: all of it tried once.

Takes a source, the names and shapes of its parameters and the recipe; gives `Tried`, or raises DiagnosticError with
what a run would have come upon late. Guarantees: what is tried are the functions that runs use, on the CPU, on a few
random images; the generators of torch, numpy and Python are left as they were.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
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

from swc_runtime.bank import Parts
from swc_runtime.builds import constants_of, differences, held_by_both, same_bits
from swc_runtime.checkpoint import Meta, Position, decode_checkpoint, encode_checkpoint
from swc_runtime.ensemble import Ensemble, build, load_state_tensors, placed, state_tensors
from swc_runtime.evaluate.predict import predict_logits
from swc_runtime.export.formats import TOLERANCE, difference
from swc_runtime.export.plain import plain_member
from swc_runtime.init import as_written, initial_member, seed_of, seeded
from swc_runtime.memory import has_storage, shared_memory, tensors_of, twice_named
from swc_runtime.optimiser import make_optimiser, set_learning_rate
from swc_runtime.precision import Arithmetic, choose_arithmetic, laid_out
from swc_runtime.rebuild import take_state
from swc_runtime.steps.independent import independent
from swc_runtime.steps.step import Batch, StepOptions
from swc_runtime.transfer import untie

NUM_IMAGES = 4
MEMBER = "member"
NEAR = 1e-3  # relative to the largest number: beyond what another order of sums makes of float32
RATE = 0.1  # of the steps of training
ANOTHER = 0.05  # of gradients, relative to their norm


class ActFailedError(Exception):
    """The model raised `error` when it was to be `act`."""

    def __init__(self, act: str, error: Exception) -> None:
        self.act = act
        self.error = error
        super().__init__(f"{act}: {error}")


@frozen
class Trial:
    """A model to try: its source, the data, its parameters' shapes by name, and which weights may be composed."""

    source: ModelSource
    data: DataFacts
    shapes: Mapping[str, tuple[int, ...]]
    sharable: tuple[str, ...]
    recipe: Recipe = field(factory=lambda: Recipe("trial"))

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
                WeightPlan(MEMBER, path, self.shapes[path], Stored(path, self.shapes[path])) for path in composed
            ),
            private=private,
            training=Training(self.recipe, ()),
        )


@frozen
class Tried:
    """What a trial found: the sharable weights that must stay private after all, and those without a gradient."""

    past: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


def try_member(trial: Trial) -> Tried:
    """Try a model; DiagnosticError where a run would fail, ActFailedError where the model's own code raises."""
    with _deterministic(), seeded(trial.recipe.seed), torch.enable_grad():
        _check_builds(trial)
        pair, past = _paired(trial)
        _check_itself(trial, pair)
        whole = pair.whole
        _check_kept(trial, whole)
        _check_untied(trial, whole)
        _check_taken_out(trial, whole)
        return Tried(past, tuple(path for path in trial.sharable if path not in pair.seen[0].gradients))


@contextmanager
def _deterministic() -> Iterator[None]:
    """As runs on the CPU compute."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@contextmanager
def _asked_to_be(act: str) -> Iterator[None]:
    try:
        yield
    except (DiagnosticError, ActFailedError):
        raise
    except Exception as error:
        raise ActFailedError(act, error) from error


def _refuse(diagnostic: Diagnostic) -> NoReturn:
    raise DiagnosticError(diagnostic)


def _seed(seed: int) -> None:
    """Seed what draws on the CPU: `torch.manual_seed` takes milliseconds for devices that are not asked."""
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


# --- builds -----------------------------------------------------------------------------------------------------------


def _check_builds(trial: Trial) -> None:
    """Refuse a source whose builds under one seed, or whose build and the table that was read, are not one model."""
    program = trial.program(())
    with _asked_to_be("built twice"):
        first, second = (as_written(program, program.members[0], seed_of(program)) for _ in range(2))
    name = trial.source.name
    if both := held_by_both(first, second):
        _refuse(catalogue.BuildsShare(name=name, shared=both))
    shapes = {path: tuple(p.shape) for path, p in first.named_parameters()}
    unlike = [path for path in [*shapes, *trial.shapes] if shapes.get(path) != trial.shapes.get(path)]
    if found := tuple(dict.fromkeys(unlike)) or differences(first, second):
        _refuse(catalogue.BuildsDiffer(name=name, differs=found))
    _written(trial, first.state_dict())


def _plain(trial: Trial) -> Ensemble:
    """The model as its source makes it, every parameter its own, tensors that share memory and all."""
    program = trial.program(())
    module = as_written(program, program.members[0], seed_of(program))
    return placed(Ensemble(program, Parts((), (), (), (module,))), "cpu")


def _ensemble(trial: Trial, composed: tuple[str, ...], plain: _Subject) -> Ensemble:
    """The model as a run has it, with the weights of the plain one."""
    with _asked_to_be("taken into an ensemble"):
        made = build(trial.program(composed))
    given = dict(tensors_of(plain.ensemble.members[0]))
    with torch.no_grad(), _asked_to_be("given its state"):
        for path, tensor in (*zip(composed, made.tensors, strict=True), *tensors_of(made.members[0])):
            tensor.copy_(given[path])
        made._apply(torch.clone)  # as a move to another device would
    return made


# --- asking --------------------------------------------------------------------------------------------------------


@frozen(eq=False)
class _Seen:
    """Logits before a step of training, by the mode that was trial, and the step's gradients by path."""

    logits: dict[str, Tensor]
    gradients: dict[str, Tensor]


@define(eq=False, slots=False)
class _Subject:
    """An ensemble of one member, which is always asked the same."""

    trial: Trial
    ensemble: Ensemble

    @cached_property
    def batch(self) -> Batch:
        """Random images, of as many classes as there are."""
        generator = torch.Generator().manual_seed(1)
        images = torch.randn(NUM_IMAGES, *self.trial.data.image_shape, generator=generator)
        return Batch(laid_out(images), torch.arange(NUM_IMAGES) % self.trial.data.num_classes)

    @cached_property
    def optimiser(self) -> torch.optim.Optimizer:
        """That of a run."""
        return make_optimiser(self.ensemble, self.trial.recipe)

    @cached_property
    def arithmetic(self) -> Arithmetic:
        """What a run on the CPU computes in."""
        return choose_arithmetic(self.trial.recipe.precision, "cpu")

    def logits(self) -> dict[str, Tensor]:
        """In eval mode, of several images and of one, and in training mode."""
        images, labels = self.batch.images, self.batch.labels
        made = {}
        with _asked_to_be("evaluated"):
            for mode, size in (("in eval mode", NUM_IMAGES), ("in eval mode for one image", 1)):
                _seed(2)
                made[mode] = predict_logits(self.ensemble, [(images[:size], labels[:size])], self.arithmetic)[0]
        with _asked_to_be("run in training mode"), self.arithmetic.autocast():
            _seed(3)
            trained = self.ensemble.train()(images)
        if not trained.requires_grad:
            found = "logits without gradients"
            _refuse(catalogue.UnusableLogits(name=self.trial.source.name, found=found, mode="training"))
        return made | {"in training mode": trained.detach()}

    def step(self) -> _Seen:
        """Answer, then take a step of training."""
        found = self.logits()
        options = StepOptions(self.arithmetic, self.trial.recipe.label_smoothing)
        set_learning_rate(self.optimiser, RATE)
        with _asked_to_be("trained"):
            _seed(4)
            self.ensemble.train()
            self.optimiser.zero_grad(set_to_none=True)
            independent(self.ensemble, self.batch, options)
            self.optimiser.step()
        return _Seen(found, self._gradients())

    def _gradients(self) -> dict[str, Tensor]:
        named = dict(self.ensemble.members[0].named_parameters())
        paths = [weight.path for weight in self.ensemble.weights]
        named |= dict(zip(paths, self.ensemble.tensors, strict=True))
        return {path: p.grad.detach().clone() for path, p in named.items() if p.grad is not None}


# --- in an ensemble as by itself --------------------------------------------------------------------------------------


def _paired(trial: Trial) -> tuple[_Pair, tuple[str, ...]]:
    """The plain model and the one in an ensemble, and the weights that cannot be composed there."""
    pair = _Pair.begun(trial, ())
    while past := pair.past:
        pair = _Pair.begun(trial, (*pair.private, *past))
    return pair, pair.private


@frozen(eq=False)
class _Pair:
    """A model as it is written and the same one in an ensemble, after one step of training each."""

    plain: _Subject
    whole: _Subject
    seen: tuple[_Seen, _Seen]
    private: tuple[str, ...]

    @classmethod
    def begun(cls, trial: Trial, private: tuple[str, ...]) -> _Pair:
        """Build both and let them take a step; of the sharable weights all but `private` are composed."""
        plain = _Subject(trial, _plain(trial))
        composed = tuple(path for path in trial.sharable if path not in private)
        whole = _Subject(trial, _ensemble(trial, composed, plain))
        seen = plain.step()
        try:
            return cls(plain, whole, (seen, whole.step()), private)
        except ActFailedError:
            if not composed:
                raise
        return cls.begun(trial, trial.sharable)  # it walks its parameters, of which composed weights are none

    @property
    def past(self) -> tuple[str, ...]:
        """The composed weights that the model reads or changes by other ways: all, where it cannot be told which."""
        composed = tuple(weight.path for weight in self.whole.ensemble.weights)
        plain, whole = (seen.gradients for seen in self.seen)
        if self.is_near:
            return tuple(path for path in composed if not _are_alike(plain.get(path), whole.get(path)))
        return tuple(path for path in composed if (path in plain) != (path in whole)) or composed

    @property
    def is_near(self) -> bool:
        """Whether both gave the same logits before they were trained."""
        plain, whole = (seen.logits for seen in self.seen)
        return all(_are_near(plain[mode], whole[mode]) for mode in plain)


def _are_alike(plain: Tensor | None, whole: Tensor | None) -> bool:
    """Whether two gradients are the same but for rounding; none is the same as zero."""
    if plain is None or whole is None:
        return not any(gradient.any() for gradient in (plain, whole) if gradient is not None)
    return bool((plain - whole).norm() <= ANOTHER * plain.norm())


def _are_near(first: Tensor, second: Tensor) -> bool:
    """Whether numbers are the same but for rounding; nan where the others have it is the same too."""
    if first.is_complex() or not has_storage(first):
        return first.shape == second.shape
    one, two = first.detach().double(), second.detach().double()
    largest = float(one.nan_to_num(0, 0, 0).abs().max())
    return one.shape == two.shape and torch.allclose(one, two, rtol=0, atol=NEAR * largest, equal_nan=True)


def _check_itself(trial: Trial, pair: _Pair) -> None:
    """Refuse a model that computes otherwise than the plain one, before a step of training or after it."""
    after = [subject.logits() for subject in (pair.plain, pair.whole)]
    for one, two, when in ((*(seen.logits for seen in pair.seen), ""), (*after, " after a step of training")):
        for mode in one:
            if not _are_near(one[mode], two[mode]):
                _tell_unlike(trial, pair, f"{mode}{when}")
    states = [dict(tensors_of(subject.ensemble.members[0])) for subject in (pair.plain, pair.whole)]
    if any(name in states[0] and not _are_near(states[0][name], tensor) for name, tensor in states[1].items()):
        _tell_unlike(trial, pair, "after a step of training")


def _tell_unlike(trial: Trial, pair: _Pair, when: str) -> NoReturn:
    """Refuse a model that differs from the plain one: two plain ones may do so too."""
    another = _Subject(trial, _plain(trial))
    take_state(another.ensemble.members[0], pair.plain.ensemble.members[0])
    one, two = pair.plain.logits(), another.logits()
    if not all(_are_near(one[mode], two[mode]) for mode in one):
        _refuse(catalogue.BuildsDiffer(name=trial.source.name, differs=("what they compute",)))
    module = _plain(trial).members[0]
    tensors = (*shared_memory(module), *twice_named(module))
    _refuse(catalogue.NotItself(name=trial.source.name, when=when, tensors=tensors))


# --- kept, carried over, taken out ------------------------------------------------------------------------------------


def _check_kept(trial: Trial, whole: _Subject) -> None:
    """Refuse a model that a checkpoint of its state does not bring back, to the bit, in a fresh build."""
    fresh = build(whole.ensemble.program)
    try:
        load_state_tensors(fresh, _written(trial, state_tensors(whole.ensemble)))
    except (ValueError, RuntimeError) as error:
        _refuse(catalogue.StateNotKept(name=trial.source.name, reason=_first_line(error)))
    _check_same(trial, whole, fresh)


def _written(trial: Trial, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a checkpoint of a state gives back; DiagnosticError naming what it cannot hold."""
    meta, path = Meta(Position(0, 0, 0), "", ""), Path("trial.safetensors")
    try:
        return decode_checkpoint(encode_checkpoint(state, meta), path)[0]
    except (RuntimeError, TypeError, ValueError, KeyError, NotImplementedError) as error:
        wrong = tuple(name.rpartition("/")[2] for name, tensor in state.items() if not _is_written({name: tensor}))
        told = catalogue.StateNotKept(name=trial.source.name, tensors=wrong, reason=_first_line(error))
        raise DiagnosticError(told) from error


def _is_written(state: Mapping[str, Tensor]) -> bool:
    try:
        encode_checkpoint(state, Meta(Position(0, 0, 0), "", ""))
    except (RuntimeError, TypeError, ValueError, KeyError, NotImplementedError):
        return False
    return True


def _check_untied(trial: Trial, whole: _Subject) -> None:
    """Refuse a model that a recompile does not carry over to the bit."""
    with _asked_to_be("carried over a recompile"):
        after, _ = untie(whole.ensemble, {}, whole.ensemble.program)
    _check_same(trial, whole, after)


def _check_same(trial: Trial, whole: _Subject, ensemble: Ensemble) -> None:
    """Refuse where an ensemble that took over a member's state answers, or learns, in another way."""
    changed = _changed_constants(whole)
    one, two = (_Subject(trial, made) for made in (whole.ensemble, ensemble))  # neither has momentum
    before = one.step().logits, two.step().logits
    for (first, second), when in ((before, ""), ((one.logits(), two.logits()), " after another step of training")):
        for mode in first:
            if not same_bits(first[mode], second[mode]):
                _refuse(catalogue.StateElsewhere(name=trial.source.name, when=f"{mode}{when}", tensors=changed))


def _changed_constants(whole: _Subject) -> tuple[str, ...]:
    """The buffers that no checkpoint keeps and that running the model has changed."""
    program = whole.ensemble.program
    fresh = constants_of(initial_member(program, program.members[0], seed_of(program)))
    now = constants_of(whole.ensemble.members[0])
    return tuple(name for name in now if name not in fresh or not same_bits(now[name], fresh[name]))


def _check_taken_out(trial: Trial, whole: _Subject) -> None:
    """Refuse a model whose plain module, or the state of it in another build, gives other outputs."""
    images = whole.batch.images
    with torch.no_grad(), _asked_to_be("exported"):
        whole.ensemble.eval()
        modules = [plain_member(whole.ensemble, 0) for _ in range(2)]
        modules[1].load_state_dict({name: tensor.clone() for name, tensor in modules[0].state_dict().items()})
        found = []
        for ask in (lambda: whole.ensemble(images)[0], *(partial(module, images) for module in modules)):
            _seed(2)
            found.append(ask())
    if any(not difference(other, found[0]) <= TOLERANCE for other in found[1:]):
        _refuse(catalogue.StateElsewhere(name=trial.source.name, when="once exported"))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
