"""A compiled revision in a loop of one's own, and how the next one takes over.

Takes a compiled ensemble and a function that makes its optimiser; gives `LoopState`. Guarantees: measuring, recompiling
and carrying are those of `swc train`; a state that was kept comes back to the bit; the revision that was left stays as
it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from typing import TYPE_CHECKING, Any

import torch
from attrs import evolve, frozen

from swc.compiler.driver import Compiled, compile_spec
from swc.files.kind_codec import content_of, text_of_kind
from swc.files.kinds import FILE_KINDS
from swc.program.spec import Spec
from swc.program.stages import Stage, stages
from swc.program.training import Optimiser, Phase, Recipe, Training
from swc.registry.optimisers import OPTIMISERS, OptimiserRow
from swc.running.actions import action_after
from swc.running.given_weights import fold_given
from swc.running.machine import Machine
from swc.running.observer import Observer
from swc_runtime.data.shares import WHOLE
from swc_runtime.ensemble import Ensemble, build, load_state_tensors, state_tensors
from swc_runtime.inputs import Inputs, moved
from swc_runtime.precision import choose_arithmetic
from swc_runtime.ranks.ranks import ALONE
from swc_runtime.training.input_statistics import fit_inputs
from swc_runtime.training.kernel_choice import KernelChoice
from swc_runtime.training.norm_statistics import reestimate
from swc_runtime.training.optimiser import apply_rates, make_optimiser, set_learning_rate, spare_frozen
from swc_runtime.training.optimiser_state import OptimiserState, load_optimiser_state, optimiser_state

if TYPE_CHECKING:
    from torch import Tensor

Batches = Iterable[tuple[Inputs, "Tensor"]]
"""Inputs and labels, a batch at a time, as often as it is gone through: a DataLoader, or a list."""

MakeOptimiser = Callable[[Ensemble], torch.optim.Optimizer]


@frozen(eq=False)
class LoopState:
    """What is trained between two recompiles: the compiled revision, its ensemble, and an optimiser of its parameters.

    Train `num_epochs` epochs, in any way; then `advance`, unless it `is_last`.
    """

    compiled: Compiled
    ensemble: Ensemble
    optimiser: torch.optim.Optimizer

    @property
    def stage(self) -> Stage:
        """The stage of the spec's training that this revision is for."""
        stage = self.compiled.stage
        assert stage is not None, "`begin` refuses a spec without a train block"
        return stage

    @property
    def num_epochs(self) -> int:
        """The epochs that the spec gives it."""
        return self.stage.stop - self.stage.start

    @property
    def is_last(self) -> bool:
        """Whether no other follows."""
        return self.compiled.revision == len(stages(training_of(self.compiled))) - 1

    @property
    def optimiser_state(self) -> OptimiserState:
        """What the optimiser keeps, by the ids of the parameters; no copies.

        ValueError for an optimiser that is not known, or keeps more than is known of it.
        """
        _check_known(self.optimiser)
        return optimiser_state(self.ensemble, self.optimiser, _recipe_with(self.compiled, self.optimiser))

    def state_dict(self) -> dict[str, Any]:
        """All that `restored` needs, for `torch.save`: plain texts and numbers, and tensors, which are no copies."""
        feedback = [text_of_kind(FILE_KINDS["feedback"], one) for one in self.compiled.feedback]
        return {
            "program": self.compiled.program_hash,
            "revision": self.compiled.revision,
            "feedback": feedback,
            "ensemble": state_tensors(self.ensemble),
            "optimiser": self.optimiser.state_dict(),
        }


def begin(
    compiled: Compiled,
    make: MakeOptimiser | None = None,
    device: torch.device | str = "cpu",
    batches: Batches | None = None,
) -> LoopState:
    """A compiled ensemble with fresh weights on a device; `make` gives its optimiser (None: the recipe's).

    Members that take something from the training part, such as the bins of embeddings, are shown `batches`. ValueError
    where they need them, and where the spec has no train block: nothing says when to recompile. Members that are given
    weights begin with what the budget keeps of them; where that is not all, norms are estimated over `batches`, and
    without these stay those of the files.
    """
    if compiled.spec.training is None:
        raise ValueError(f"`{compiled.spec.name}` has no train block, whose phases say when to recompile")
    ensemble = build(compiled.program).to(device)
    fit_inputs(ensemble, lambda: _asked_for(batches))
    if fold_given(compiled, ensemble).has_lost and batches is not None:
        placed = ((moved(inputs, device), labels.to(device)) for inputs, labels in batches)
        reestimate(ensemble, placed, choose_arithmetic("float32", device), ALONE)
    return _with_optimiser(compiled, ensemble, make)


def _asked_for(batches: Batches | None) -> Batches:
    if batches is None:
        raise ValueError("members have embeddings that take bins from the training part: give `batches`")
    return batches


def advance(
    revision: LoopState, batches: Batches, make: MakeOptimiser | None = None, observer: Observer | None = None
) -> LoopState:
    """The next revision: measured over `batches`, compiled afresh, with what the stage's action carries over.

    `batches` are gone through once to measure, and once more where norms are estimated again; in float32, with the loss
    of the spec's recipe. Inside a phase the optimiser's rates go on. Its state is carried for the optimisers of the
    registry; ValueError for another one whose state would have to be carried, and after the last revision.
    """
    if revision.is_last:
        raise ValueError("this is the last revision: the spec has nothing to measure after it")
    action, where, who = action_after(revision), _Surroundings.of(revision, batches), observer or Observer()
    feedback = action.measure(where, revision, who)
    if feedback is not None:
        who.measured(feedback)
    compiled = action.recompile(revision.compiled, feedback)
    ensemble, kept = action.carry(where, revision, compiled, who)
    who.revision_begins(compiled)
    made = _with_optimiser(compiled, ensemble, make)
    _check_goes_on(made, kept)
    load_optimiser_state(made.ensemble, made.optimiser, kept)
    if made.stage.phase == revision.stage.phase:
        _keep_options(revision.optimiser, made.optimiser)
    return made


def _keep_options(old: torch.optim.Optimizer, new: torch.optim.Optimizer) -> None:
    """Within a phase the rates, and whatever else a schedule changed, go on. ValueError for other groups."""
    if len(old.param_groups) != len(new.param_groups):
        raise ValueError("the optimiser of the next revision has other groups of parameters: nothing tells their rates")
    for was, group in zip(old.param_groups, new.param_groups, strict=True):
        group.update({name: value for name, value in was.items() if name != "params"})


def restored(
    compiled: Compiled,
    kept: Mapping[str, Any],
    make: MakeOptimiser | None = None,
    device: torch.device | str = "cpu",
    with_state: bool = True,
) -> LoopState:
    """The revision whose `state_dict` was kept, from the spec's first revision. ValueError where it is of another.

    Without its state it has fresh weights: for loops that keep `ensemble` and `optimiser` themselves.
    """
    feedback = tuple(content_of(FILE_KINDS["feedback"], text, "the state that was kept") for text in kept["feedback"])
    number, spec_hash = int(kept["revision"]), compiled.program.spec_hash
    known = compile_spec(compiled.spec, compiled.tables, number, feedback, spec_hash=spec_hash)
    if known.program_hash != kept["program"]:
        raise ValueError("the state that was kept is that of another spec, or of another version of the compiler")
    ensemble = build(known.program).to(device)
    if not with_state:
        return _with_optimiser(known, ensemble, make)
    load_state_tensors(ensemble, kept["ensemble"])
    made = _with_optimiser(known, ensemble, make)
    made.optimiser.load_state_dict(kept["optimiser"])
    return made


def _with_optimiser(compiled: Compiled, ensemble: Ensemble, make: MakeOptimiser | None) -> LoopState:
    if make is None:
        return _with_recipe(compiled, ensemble)
    made = make(ensemble)
    apply_rates(made, ensemble)
    spare_frozen(made, ensemble)
    return LoopState(compiled, ensemble, made)


def _with_recipe(compiled: Compiled, ensemble: Ensemble) -> LoopState:
    """With the recipe's optimiser, at the rate that the phase begins with but for a warm-up."""
    begun = LoopState(compiled, ensemble, make_optimiser(ensemble, training_of(compiled).recipe))
    if begun.stage.phase.lr is not None:
        set_learning_rate(begun.optimiser, begun.stage.phase.lr)
    return begun


def training_of(compiled: Compiled) -> Training:
    """The recipe and the phases of a spec that can be trained."""
    training = compiled.spec.training
    assert training is not None, "`begin` refuses a spec without a train block"
    return training


def _recipe_with(compiled: Compiled, optimiser: torch.optim.Optimizer) -> Recipe:
    """The spec's recipe with the optimiser that is used in its place."""
    row = _row_of(optimiser)
    first = optimiser.param_groups[0]
    values = {one.name: first[one.name] for one in row.arguments if one.name in first}
    return evolve(training_of(compiled).recipe, optimiser=Optimiser.of(row.name, **values))


def _row_of(optimiser: torch.optim.Optimizer) -> OptimiserRow:
    """The row of an optimiser's class. ValueError where none says how its state crosses a recompile."""
    for row in OPTIMISERS.rows:
        if type(optimiser) is OPTIMISERS.load(row.name):
            return row
    known = ", ".join(row.name for row in OPTIMISERS.rows)
    raise ValueError(f"how the state of {type(optimiser).__name__} crosses a recompile is not known: {known} are")


def _check_known(optimiser: torch.optim.Optimizer) -> None:
    """ValueError where an optimiser keeps something of which its row does not say how it crosses a recompile."""
    known = {one.key for one in _row_of(optimiser).state}
    other = {key for own in optimiser.state.values() for key, value in own.items() if value is not None} - known
    if other:
        raise ValueError(
            f"{type(optimiser).__name__} keeps {', '.join(f'`{key}`' for key in sorted(other))}, and nothing says how "
            "that crosses a recompile: make it without, or end the phase with `then restart`"
        )


def _check_goes_on(made: LoopState, kept: OptimiserState) -> None:
    """ValueError where the optimiser of a new revision keeps other things than those which are carried to it."""
    if any(kept.tensors.values()) and _recipe_with(made.compiled, made.optimiser).optimiser.state != kept.rows:
        carried = ", ".join(f"`{row.key}`" for row in kept.rows)
        raise ValueError(
            f"{type(made.optimiser).__name__} as it was made does not go on with the {carried} that are carried to it: "
            "make the optimiser of the revision before, with the same options"
        )


@frozen(eq=False)
class _Surroundings:
    """A loop that is not ours, as the actions between stages see it."""

    spec: Spec
    recipe: Recipe
    machine: Machine
    loader: Batches

    @classmethod
    def of(cls, revision: LoopState, batches: Batches) -> _Surroundings:
        device = next(revision.ensemble.parameters()).device
        arithmetic, kernels = choose_arithmetic("float32", device), KernelChoice("torch", "a loop of one's own")
        machine = Machine(str(device), arithmetic, kernels, torch.get_num_threads(), False, ALONE, WHOLE, False)
        compiled = revision.compiled
        return cls(compiled.spec, training_of(compiled).recipe, machine, batches)

    @property
    def given_digest(self) -> str:
        """Nobody kept it."""
        return ""

    @property
    def steps_per_epoch(self) -> int:
        """The batches there are. ValueError where they do not say how many."""
        if not isinstance(self.loader, Sized):
            raise ValueError("a split that keeps sketches needs batches that have a length, such as a DataLoader's")
        return len(self.loader)

    def plain_batches(self) -> Iterator[tuple[Inputs, Tensor]]:
        """The batches, as there are no others."""
        return self._placed()

    def batches(self, phase: Phase, epoch: int) -> Iterator[tuple[Inputs, Tensor]]:
        """The batches, on the ensemble's device."""
        return self._placed()

    def _placed(self) -> Iterator[tuple[Inputs, Tensor]]:
        return ((moved(inputs, self.machine.device), labels.to(self.machine.device)) for inputs, labels in self.loader)
