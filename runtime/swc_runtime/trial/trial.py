"""The trial: whether a run could train a model, keep it, take it up again, recompile and export it.

Takes a `Trial`; gives `TrialResult`, or raises DiagnosticError with what a run would have come upon late. Guarantees:
the generators of torch, numpy and Python are left as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from attrs import frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue import trying as catalogue
from swc.files.checkpoint import Meta, Position
from torch import Tensor

from swc_runtime.carry.plain import plain_member
from swc_runtime.carry.transfer import untie
from swc_runtime.ensemble import Ensemble, build, load_state_tensors, state_tensors
from swc_runtime.inputs import copied, tensors_of, together
from swc_runtime.members.build import as_written
from swc_runtime.members.memory import own_memory
from swc_runtime.members.same_build import constants_of, differences, same_bits, share_memory
from swc_runtime.members.seeds import seed_of, seeded
from swc_runtime.precision import choose_arithmetic
from swc_runtime.records.checkpoint import decode_checkpoint, encode_checkpoint
from swc_runtime.training.optimiser_state import NO_STATE
from swc_runtime.trial.pair import Pair, check_itself, paired
from swc_runtime.trial.subject import (
    FULL,
    Subject,
    Trial,
    are_near,
    asked_to_be,
    first_line,
    refuse,
    seed,
)

META = Meta(Position(0, 0, 0), "", "")
NEAR = 1e-2  # of a sum of shares, in bfloat16
UNWRITABLE = (RuntimeError, TypeError, ValueError, KeyError, NotImplementedError)


@frozen
class TrialResult:
    """What a trial found: the sharable weights that must stay private after all, and those without a gradient.

    `are_shares` says that all outputs of an example are at least 0 and add up to 1, as those of a softmax do.
    """

    past: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    are_shares: bool = False


def try_member(trial: Trial) -> TrialResult:
    """Try a model; DiagnosticError where a run would fail, ActFailedError where the model's own code raises."""
    with _deterministic(), seeded(trial.recipe.seed), torch.enable_grad():
        if not _check_builds(trial):
            return TrialResult()
        pair = paired(trial)
        check_itself(trial, pair)
        _check_carried(trial, pair.whole)
        _check_taken_out(trial, pair)
        rounding = choose_arithmetic(trial.recipe.precision, "cpu")
        if rounding.dtype is not FULL.dtype:
            Subject(trial, pair.whole.ensemble, rounding).step()
        seen = pair.seen[0]
        silent = tuple(path for path in trial.sharable if path not in seen.gradients)
        return TrialResult(pair.private, silent, all(map(_are_shares, seen.logits.values())))


def _are_shares(outputs: Tensor) -> bool:
    sums = outputs.float().sum(-1)
    return outputs.shape[-1] > 1 and bool((outputs >= 0).all()) and bool(((sums - 1).abs() < NEAR).all())


@contextmanager
def _deterministic() -> Iterator[None]:
    """As runs on the CPU compute."""
    before = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("error")
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(before)


def _check_builds(trial: Trial) -> bool:
    """Refuse a source whose builds under one seed, or whose build and the table that was read, are not one model.

    False where two builds share tensors: nothing can be tried with them, and whoever builds all members refuses them.
    """
    program = trial.program(())
    with asked_to_be("built twice"):
        first, second = (as_written(program, program.members[0], seed_of(program)) for _ in range(2))
    name = trial.source.name
    if share_memory(first, second):
        return False
    shapes = {path: tuple(p.shape) for path, p in first.named_parameters()}
    unlike = [path for path in [*shapes, *trial.shapes] if shapes.get(path) != trial.shapes.get(path)]
    if found := tuple(dict.fromkeys(unlike)) or differences(first, second):
        refuse(catalogue.BuildsDiffer(name=name, differs=found))
    _written(trial, first.state_dict())
    return True


def _check_carried(trial: Trial, whole: Subject) -> None:
    """Refuse a model that a checkpoint does not bring back to the bit, or a recompile not carry over to the bit."""
    kept = _kept(trial, whole.ensemble)
    with asked_to_be("carried over a recompile"):
        untied, _ = untie(whole.ensemble, NO_STATE, whole.ensemble.program)
    changed = _changed_constants(whole.ensemble, kept)
    subjects = [Subject(trial, ensemble) for ensemble in (whole.ensemble, kept, untied)]  # none has momentum
    asked = ((lambda subject: subject.step().logits, ""), (Subject.logits, " after another step of training"))
    for ask, when in asked:
        first, *others = [ask(subject) for subject in subjects]
        for mode in first:
            if not all(same_bits(first[mode], other[mode]) for other in others):
                refuse(catalogue.StateElsewhere(name=trial.source.name, when=f"{mode}{when}", tensors=changed))


def _kept(trial: Trial, ensemble: Ensemble) -> Ensemble:
    """A fresh build with the state that a checkpoint has kept."""
    fresh = build(ensemble.program)
    try:
        load_state_tensors(fresh, _written(trial, state_tensors(ensemble)))
    except (ValueError, RuntimeError) as error:
        refuse(catalogue.StateNotKept(name=trial.source.name, reason=first_line(error)))
    return fresh


def _written(trial: Trial, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a checkpoint of a state gives back; DiagnosticError naming what it cannot hold."""
    try:
        return decode_checkpoint(encode_checkpoint(state, META), Path("trial.safetensors"))[0]
    except UNWRITABLE as error:
        wrong = tuple(name.rpartition("/")[2] for name, tensor in state.items() if not _is_written({name: tensor}))
        told = catalogue.StateNotKept(name=trial.source.name, tensors=wrong, reason=first_line(error))
        raise DiagnosticError(told) from error


def _is_written(state: Mapping[str, Tensor]) -> bool:
    try:
        encode_checkpoint(state, META)
    except UNWRITABLE:
        return False
    return True


def _changed_constants(ensemble: Ensemble, fresh: Ensemble) -> tuple[str, ...]:
    """The buffers that no checkpoint keeps and that running the model has changed."""
    before, now = (constants_of(one.members[0]) for one in (fresh, ensemble))
    return tuple(name for name in now if name not in before or not same_bits(now[name], before[name]))


def _check_taken_out(trial: Trial, pair: Pair) -> None:
    """Refuse a model whose plain module, or the state of that in another build, gives other outputs."""
    ensemble, inputs, other = pair.whole.ensemble, pair.whole.batch.inputs, pair.plain.ensemble.members[0]
    with torch.no_grad(), asked_to_be("exported"):
        module = plain_member(ensemble, 0)
        own_memory(other)  # as the loader does that is exported beside
        other.eval()  # alone, as a model's own `eval` may give nothing back
        other.load_state_dict(module.state_dict())
        found = []
        for ask in (partial(_unseeded, ensemble.eval()), module, other):
            seed(2)
            found.append(ask(*tensors_of(copied(inputs))))  # which it may work on in place
    if not all(are_near(found[0], logits) for logits in found[1:]):
        refuse(catalogue.StateElsewhere(name=trial.source.name, when="once exported"))


def _unseeded(ensemble: Ensemble, *inputs: Tensor) -> Tensor:
    """Logits [B, classes] of the one member, which draws from torch's generators as a plain module does."""
    (network,) = ensemble.networks
    with ensemble.composed():
        return ensemble.run(network, together(inputs))[0]
