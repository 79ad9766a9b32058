"""The trial: whether a run could train a model, keep it, take it up again, recompile and export it.

Takes a `Trial`; gives `Tried`, or raises DiagnosticError with what a run would have come upon late. Guarantees: the
generators of torch, numpy and Python are left as they were.
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
from torch import Tensor

from swc_runtime.builds import constants_of, differences, held_by_both, same_bits
from swc_runtime.checkpoint import Meta, Position, decode_checkpoint, encode_checkpoint
from swc_runtime.ensemble import Ensemble, build, load_state_tensors, state_tensors
from swc_runtime.export.plain import plain_member
from swc_runtime.init import as_written, initial_member, seed_of, seeded
from swc_runtime.precision import choose_arithmetic
from swc_runtime.rebuild import take_state
from swc_runtime.transfer import untie
from swc_runtime.trial.pair import check_itself, paired
from swc_runtime.trial.subject import (
    FULL,
    Subject,
    Trial,
    are_near,
    asked_to_be,
    first_line,
    plain_ensemble,
    refuse,
    seed,
)

META = Meta(Position(0, 0, 0), "", "")
UNWRITABLE = (RuntimeError, TypeError, ValueError, KeyError, NotImplementedError)


@frozen
class Tried:
    """What a trial found: the sharable weights that must stay private after all, and those without a gradient."""

    past: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


def try_member(trial: Trial) -> Tried:
    """Try a model; DiagnosticError where a run would fail, ActFailedError where the model's own code raises."""
    with _deterministic(), seeded(trial.recipe.seed), torch.enable_grad():
        _check_builds(trial)
        pair = paired(trial)
        check_itself(trial, pair)
        whole = pair.whole
        _check_kept(trial, whole)
        _check_untied(trial, whole)
        _check_taken_out(trial, whole)
        rounding = choose_arithmetic(trial.recipe.precision, "cpu")
        if rounding.dtype is not FULL.dtype:
            Subject(trial, whole.ensemble, rounding).step()
        return Tried(pair.private, tuple(path for path in trial.sharable if path not in pair.seen[0].gradients))


@contextmanager
def _deterministic() -> Iterator[None]:
    """As runs on the CPU compute."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _check_builds(trial: Trial) -> None:
    """Refuse a source whose builds under one seed, or whose build and the table that was read, are not one model."""
    program = trial.program(())
    with asked_to_be("built twice"):
        first, second = (as_written(program, program.members[0], seed_of(program)) for _ in range(2))
    name = trial.source.name
    if both := held_by_both(first, second):
        refuse(catalogue.BuildsShare(name=name, shared=both))
    shapes = {path: tuple(p.shape) for path, p in first.named_parameters()}
    unlike = [path for path in [*shapes, *trial.shapes] if shapes.get(path) != trial.shapes.get(path)]
    if found := tuple(dict.fromkeys(unlike)) or differences(first, second):
        refuse(catalogue.BuildsDiffer(name=name, differs=found))
    _written(trial, first.state_dict())
    one, two = (Subject(trial, plain_ensemble(trial)) for _ in range(2))
    with asked_to_be("given its state"):
        take_state(two.ensemble.members[0], one.ensemble.members[0])
    answers = one.logits(), two.logits()
    if not all(same_bits(answers[0][mode], answers[1][mode]) for mode in answers[0]):
        refuse(catalogue.BuildsDiffer(name=name, differs=("what they compute",)))


def _check_kept(trial: Trial, whole: Subject) -> None:
    """Refuse a model that a checkpoint of its state does not bring back, to the bit, in a fresh build."""
    fresh = build(whole.ensemble.program)
    try:
        load_state_tensors(fresh, _written(trial, state_tensors(whole.ensemble)))
    except (ValueError, RuntimeError) as error:
        refuse(catalogue.StateNotKept(name=trial.source.name, reason=first_line(error)))
    _check_same(trial, whole, fresh)


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


def _check_untied(trial: Trial, whole: Subject) -> None:
    """Refuse a model that a recompile does not carry over to the bit."""
    with asked_to_be("carried over a recompile"):
        after, _ = untie(whole.ensemble, {}, whole.ensemble.program)
    _check_same(trial, whole, after)


def _check_same(trial: Trial, whole: Subject, ensemble: Ensemble) -> None:
    """Refuse where an ensemble that took over a member's state answers, or learns, in another way."""
    changed = _changed_constants(whole)
    one, two = (Subject(trial, made) for made in (whole.ensemble, ensemble))  # neither has momentum
    before = one.step().logits, two.step().logits
    for (first, second), when in ((before, ""), ((one.logits(), two.logits()), " after another step of training")):
        for mode in first:
            if not same_bits(first[mode], second[mode]):
                refuse(catalogue.StateElsewhere(name=trial.source.name, when=f"{mode}{when}", tensors=changed))


def _changed_constants(whole: Subject) -> tuple[str, ...]:
    """The buffers that no checkpoint keeps and that running the model has changed."""
    program = whole.ensemble.program
    fresh = constants_of(initial_member(program, program.members[0], seed_of(program)))
    now = constants_of(whole.ensemble.members[0])
    return tuple(name for name in now if name not in fresh or not same_bits(now[name], fresh[name]))


def _check_taken_out(trial: Trial, whole: Subject) -> None:
    """Refuse a model whose plain module, or the state of it in another build, gives other outputs."""
    images = whole.batch.images
    with torch.no_grad(), asked_to_be("exported"):
        whole.ensemble.eval()
        modules = [plain_member(whole.ensemble, 0) for _ in range(2)]
        modules[1].load_state_dict({name: tensor.clone() for name, tensor in modules[0].state_dict().items()})
        found = []
        for ask in (lambda: whole.ensemble(images)[0], *(partial(module, images) for module in modules)):
            seed(2)
            found.append(ask())
    if not all(are_near(found[0], other) for other in found[1:]):
        refuse(catalogue.StateElsewhere(name=trial.source.name, when="once exported"))
