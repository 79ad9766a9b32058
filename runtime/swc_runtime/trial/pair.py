"""Whether a model computes in an ensemble what it computes by itself.

Takes a trial; gives the model as it is written and the same in an ensemble, after a step of training, or raises
DiagnosticError. Guarantees: differences that a rounding of the images makes as well are none, so that a deep network
in which rounding grows is not taken for one that reads its weights in ways of its own.
"""

from __future__ import annotations

from functools import cached_property

import torch
from attrs import frozen
from swc.diagnostics.catalogue import trying as catalogue
from torch import Tensor

from swc_runtime.carry.rebuild import take_state
from swc_runtime.ensemble import Ensemble, build
from swc_runtime.members.memory import shared_memory, tensors_of, twice_named
from swc_runtime.members.same_build import same_bits
from swc_runtime.trial.subject import (
    NUDGE,
    ActFailedError,
    StepTrace,
    Subject,
    Trial,
    are_near,
    asked_to_be,
    plain_ensemble,
    refuse,
)

ANOTHER = 0.05  # of gradients, relative to their norm
SLACK = 4  # times what a rounding of the images makes


def paired(trial: Trial) -> Pair:
    """The plain model and the one in an ensemble that has all weights composed that can be."""
    pair = Pair.begun(trial, ())
    while past := pair.past:
        pair = Pair.begun(trial, (*pair.private, *past))
    return pair


def in_ensemble(trial: Trial, composed: tuple[str, ...], plain: Subject) -> Ensemble:
    """The model as a run has it, with the weights of the plain one."""
    with asked_to_be("taken into an ensemble"):
        made = build(trial.program(composed))
    given = dict(tensors_of(plain.ensemble.members[0]))
    with torch.no_grad(), asked_to_be("given its state"):
        for path, tensor in (*zip(composed, made.tensors, strict=True), *tensors_of(made.members[0])):
            tensor.copy_(given[path])
        made._apply(torch.clone)  # type: ignore[no-untyped-call]  # as a move to another device would
    return made


@frozen(eq=False, slots=False)
class Pair:
    """A model as it is written and the same one in an ensemble, after one step of training each.

    `private` are the sharable weights that are not composed, `together` the tensors that share memory as it is written.
    """

    trial: Trial
    plain: Subject
    whole: Subject
    seen: tuple[StepTrace, StepTrace]
    private: tuple[str, ...]
    together: tuple[str, ...]

    @classmethod
    def begun(cls, trial: Trial, private: tuple[str, ...]) -> Pair:
        """Build both and let them take a step."""
        plain = Subject(trial, plain_ensemble(trial))
        composed = tuple(path for path in (*trial.sharable, *trial.aside) if path not in private)
        whole = Subject(trial, in_ensemble(trial, composed, plain))
        module = plain.ensemble.members[0]
        together = (*shared_memory(module), *twice_named(module))
        seen = plain.step()
        try:
            return cls(trial, plain, whole, (seen, whole.step()), private, together)
        except ActFailedError:
            if not composed:
                raise
        # it walks its parameters, of which composed weights are none
        return cls.begun(trial, (*private, *blamed(trial, composed)))

    @cached_property
    def nudged(self) -> StepTrace:
        """What the plain model gives for images that are rounded in another way; made only where it is needed."""
        _check_twins(self.trial)  # before a difference is put down to rounding
        return Subject(self.trial, plain_ensemble(self.trial), nudge=NUDGE).step()

    @property
    def past(self) -> tuple[str, ...]:
        """The composed weights that the model reads or changes by other ways, or those that are `blamed`."""
        composed = tuple(weight.path for weight in self.whole.ensemble.weights)
        plain, whole = (seen.gradients for seen in self.seen)
        if self.unlike_mode is None:
            return tuple(path for path in composed if not self._is_gradient_alike(path))
        return tuple(path for path in composed if (path in plain) != (path in whole)) or blamed(self.trial, composed)

    @property
    def unlike_mode(self) -> str | None:
        """The first mode in which both gave different logits before they were trained."""
        plain, whole = (seen.logits for seen in self.seen)
        return next((mode for mode in plain if not self._is_near(mode, plain[mode], whole[mode])), None)

    def _is_near(self, mode: str, plain: Tensor, whole: Tensor) -> bool:
        if are_near(plain, whole):
            return True
        gap = float((plain - self.nudged.logits[mode]).nan_to_num(0, 0, 0).abs().max())
        return are_near(plain, whole, SLACK * gap)

    def _is_gradient_alike(self, path: str) -> bool:
        """Whether a weight has the same gradient in both but for rounding; none is the same as zero."""
        plain, whole = (seen.gradients.get(path) for seen in self.seen)
        if plain is None or whole is None:
            return not any(gradient.any() for gradient in (plain, whole) if gradient is not None)
        gap = (plain - whole).norm()
        if gap <= ANOTHER * plain.norm():
            return True
        return bool(gap <= SLACK * (plain - self.nudged.gradients[path]).norm())


def blamed(trial: Trial, composed: tuple[str, ...]) -> tuple[str, ...]:
    """What stays private where a model fails by an unknown weight: parameters of no layer first, then all."""
    return tuple(path for path in composed if path in trial.aside) or composed


def check_itself(trial: Trial, pair: Pair) -> None:
    """Refuse a model that computes otherwise than the plain one, or whose tensors must share memory."""
    if (mode := pair.unlike_mode) is not None:
        refuse(catalogue.NotItself(name=trial.source.name, when=mode, tensors=pair.together))
    plain, whole = (dict(tensors_of(subject.ensemble.members[0])) for subject in (pair.plain, pair.whole))
    if any(name in whole and not are_near(plain[name], whole[name]) for name in pair.together if name in plain):
        refuse(catalogue.NotItself(name=trial.source.name, when="after a step of training", tensors=pair.together))


def _check_twins(trial: Trial) -> None:
    """Refuse a model of which two builds with one state compute different things."""
    one, two = (Subject(trial, plain_ensemble(trial)) for _ in range(2))
    with asked_to_be("given its state"):
        take_state(two.ensemble.members[0], one.ensemble.members[0])
    answers = one.logits(), two.logits()
    if not all(same_bits(answers[0][mode], answers[1][mode]) for mode in answers[0]):
        refuse(catalogue.BuildsDiffer(name=trial.source.name, differs=("what they compute",)))
