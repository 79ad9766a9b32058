"""Diagnostics about members that disturb each other, and numbers that are not finite where they are used (SW53x).

Guarantees: `DISTURBING` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity

SHOWN = 5  # names in a message


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


@frozen(kw_only=True)
class MembersShareState(Diagnostic):
    """Two members, or two builds of one, hold the same parameter or buffer.

    What members share is the compiler's affair: it is counted, trained and kept. A tensor that their code shares behind
    its back would be trained by both, counted twice, and no longer be shared once a run is resumed. Two builds of one
    member must not share either, as a member is built again when weights are restored, recompiled or exported. It
    happens where a factory gives back a module it made before (`functools.cache`, a module at the top of the file), or
    registers a tensor from the top of the file as a buffer. Make everything in the function or in `__init__`; give
    buffers a copy, `register_buffer("mask", MASK.clone())`; share layers with a `share` block.
    """

    code: ClassVar[str] = "SW530"
    member: str
    path: str
    other: str
    other_path: str
    more: tuple[str, ...] = ()

    def message(self) -> str:
        if self.member == self.other:
            return f"two builds of member `{self.member}` share `{self.path}`"
        return f"members `{self.member}` and `{self.other}` share a tensor: `{self.path}` and `{self.other_path}`"

    def help(self) -> str:
        return "let the factory make a new module at each call, and give buffers a `.clone()` of what lies outside"

    def notes(self) -> tuple[str, ...]:
        return (f"shared too: {', '.join(self.more[:SHOWN])}",) if self.more else ()


@frozen(kw_only=True)
class ImagesChanged(Diagnostic):
    """A member changed the images that it was given, which the other members read too.

    A model that begins with an operation in place, such as `nn.ReLU(inplace=True)`, is noticed when it first runs, and
    gets a copy of the images ever after. This one did not change them then, and does now, so that what other members
    saw in this step is not known. Nothing of the step was kept. Let the model work on a copy.
    """

    code: ClassVar[str] = "SW531"
    member: str

    def message(self) -> str:
        return f"member `{self.member}` changed the images that all members read"

    def help(self) -> str:
        return "let its `forward` begin with `images = images.clone()`, or use operations that are not in place"


@frozen(kw_only=True)
class WeightsChanged(Diagnostic):
    """A member's code changed a weight that the compiler composes, in place, while the model ran.

    Such a weight is made of templates, or is one that several members read: what is written into it reaches other
    members, and is lost at the next step. Change what is trained by the optimiser alone; to bound or normalise a
    weight, compute another from it in `forward` (as `torch.nn.utils.parametrizations` does), or leave the layer out of
    the `share` block.
    """

    code: ClassVar[str] = "SW532"
    member: str
    layers: tuple[str, ...]

    def message(self) -> str:
        return f"member `{self.member}` changed shared weights in place: {_listed(self.layers)}"

    def help(self) -> str:
        return "compute another tensor from the weight, or leave the layer out of the `share` block"


@frozen(kw_only=True)
class NonFinitePredictions(Diagnostic):
    """A member's predictions are infinite or not a number for some images, though its parameters are finite.

    In training BatchNorm takes the statistics of the batch; predictions take the running ones, so a model can train
    well and predict nonsense: a channel whose variance is zero, a running statistic that is far off, an operation of
    the model's own such as a logarithm or a quotient, or an overflow in bfloat16. No score is given, as the ensemble's
    would be meaningless too. The state of the run is kept: look at the member in eval mode, lower the learning rate,
    or set `precision float32` in the recipe. Probabilities are what is looked at: a logit of minus infinity is a
    probability of zero, and allowed.
    """

    code: ClassVar[str] = "SW533"
    members: tuple[str, ...]
    num_images: tuple[int, ...]
    total: int
    example: str = "image"

    def message(self) -> str:
        counted = ", ".join(f"{count} of {self.total} {self.example}s" for count in self.num_images[:SHOWN])
        return f"the predictions of {_listed(self.members)} are not finite: {counted}"

    def help(self) -> str:
        return "look at the member in eval mode; lower the learning rate, or set `precision float32` in the recipe"


@frozen(kw_only=True)
class ScoresLeftOut(Diagnostic):
    """Scores within a phase were left out, as a member's predictions were not finite.

    This may pass: early in training running statistics are often far behind the weights. Training goes on, and metrics
    have no line of scores for this epoch. At the end of the run the same is an error (SW533).
    """

    code: ClassVar[str] = "SW534"
    severity: ClassVar[Severity] = Severity.WARNING
    phase: str
    epoch: int
    members: tuple[str, ...]

    def message(self) -> str:
        return (
            f"no scores in phase `{self.phase}` after epoch {self.epoch}: the predictions of {_listed(self.members)} "
            f"are not finite"
        )

    def help(self) -> str:
        return "training goes on; if it stays so, lower the learning rate, or set `precision float32`"


@frozen(kw_only=True)
class NonFiniteGradients(Diagnostic):
    """Gradients that were measured for a recompile are infinite or not a number.

    They are taken in eval mode, with running statistics, so that training may have gone well until here. Similarities
    of such gradients mean nothing, and would be taken for "not similar". The last checkpoint is kept. The causes are
    those of SW533: look at the member in eval mode, lower the learning rate, or set `precision float32`.
    """

    code: ClassVar[str] = "SW535"
    layers: tuple[str, ...]

    def message(self) -> str:
        return f"the gradients measured of {_listed(self.layers)} are not finite"

    def help(self) -> str:
        return "look at the member in eval mode; lower the learning rate, or set `precision float32`"


DISTURBING: tuple[type[Diagnostic], ...] = (
    MembersShareState,
    ImagesChanged,
    WeightsChanged,
    NonFinitePredictions,
    ScoresLeftOut,
    NonFiniteGradients,
)
