"""Diagnostics about members that a run could not train, keep, take up again or export (SW312 and up).

Guarantees: `TRYING` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity

LISTED = 8  # names in a note


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(f"`{name}`" for name in names[:LISTED]) + more


@frozen(kw_only=True)
class BuildsDiffer(Diagnostic):
    """A factory gives another model each time it is called.

    A member is built from its source whenever a run begins, goes on, recompiles or is exported, and then given its
    state. So every build must have the same layers, shapes, types, buffers and constants. Initial values of parameters
    and of buffers that are kept may differ: torch's, numpy's and Python's global generators are seeded before each
    build, by the recipe's seed and the member's name. What must not decide about the model itself: random numbers,
    the time, how often the factory was called, what another model left in a global variable.
    """

    code: ClassVar[str] = "SW312"
    name: str
    differs: tuple[str, ...]

    def message(self) -> str:
        what = ", ".join(self.differs) if " " in self.differs[0] else _listed(self.differs)
        return f"two builds of `{self.name}` differ in {what}"

    def help(self) -> str:
        return "let the factory depend on its arguments alone, and keep what it draws in a buffer (`register_buffer`)"


@frozen(kw_only=True)
class StateNotKept(Diagnostic):
    """A tensor of a model's state cannot be written to a checkpoint, or not be read back into the model.

    A checkpoint holds the parameters and buffers that `state_dict()` lists, as plain dense tensors, and a run that is
    taken up again finds them in a fresh build by their names. Sparse and quantised tensors, buffers without a value
    until the first batch, and buffers that appear, vanish or change their shape or type while the model runs do not
    fit.
    """

    code: ClassVar[str] = "SW314"
    name: str
    reason: str
    tensors: tuple[str, ...] = ()

    def message(self) -> str:
        which = f" {_listed(self.tensors)}" if self.tensors else ""
        return f"the state of `{self.name}` cannot be kept in a checkpoint{':' if which else ''}{which}: {self.reason}"

    def help(self) -> str:
        return "give every buffer its shape and a dense type where the model is built, and keep both"


@frozen(kw_only=True)
class StateElsewhere(Diagnostic):
    """A model keeps something from step to step that is neither a parameter nor a buffer that is kept.

    Before it was refused, the model was trained for a step, its state was written and read into a second build, and
    both were asked the same with the same random numbers: they gave different answers. A run that is stopped and goes
    on, or that recompiles, would not be the run it was. The usual reasons: a counter or a list in an attribute, a
    `torch.Generator` of its own, a buffer with `persistent=False` that changes, a tensor in an attribute that was never
    registered, a `state_dict` of its own that gives copies.
    """

    code: ClassVar[str] = "SW315"
    name: str
    when: str
    tensors: tuple[str, ...] = ()

    def message(self) -> str:
        return f"`{self.name}` keeps what no checkpoint holds: with its state in a second build it differs {self.when}"

    def help(self) -> str:
        return (
            "keep in a buffer (`register_buffer`) whatever the model changes while it runs, and draw from torch's "
            + ("global generator")
        )

    def notes(self) -> tuple[str, ...]:
        return (f"changed, and not kept: {_listed(self.tensors)}",) if self.tensors else ()


@frozen(kw_only=True)
class NotTrainable(Diagnostic):
    """A member cannot do something that a run will ask of it; it was asked when it was compiled.

    Each model that is not a family of ours takes a step of training, forward and backward, predicts in eval mode, is
    kept and taken up again, carried over a recompile, and taken out as a plain module. The message says which of these
    failed and how. Found now, it costs seconds; found at the end of a stage, a night.
    """

    code: ClassVar[str] = "SW316"
    name: str
    act: str
    error: str
    place: str = ""

    def message(self) -> str:
        return f"`{self.name}` cannot be {self.act}: {self.error}"

    def help(self) -> str:
        return "do the same with the model in Python, and correct what it raises"

    def notes(self) -> tuple[str, ...]:
        return (f"raised at {self.place}",) if self.place else ()


@frozen(kw_only=True)
class UnusableLogits(Diagnostic):
    """The logits of a member are of a kind that no loss can be taken of.

    Logits are real floating-point numbers, and in training mode they depend on the parameters: `backward` goes through
    them. Integers or complex numbers, and logits that were detached, made under `torch.no_grad()` or computed in numpy,
    cannot be trained on.
    """

    code: ClassVar[str] = "SW317"
    name: str
    found: str
    mode: str

    def message(self) -> str:
        return f"`{self.name}` gives {self.found} in {self.mode} mode"

    def help(self) -> str:
        return (
            "let the model return floating-point logits that gradients flow through: in training mode, and in eval "
            "mode too where clusters are split or coefficients untied"
        )


@frozen(kw_only=True)
class NoGradient(Diagnostic):
    """Weights that may be shared get no gradient from a member's loss.

    A step of training on two random images left these weights without any gradient: the model does not use them in
    training mode, as an auxiliary head that is only asked in eval mode, or it detaches what comes out of them. If a
    sharing policy gives such a layer templates, it takes a part in the budget and none in training. Layers that are
    left out at random (LayerDrop) are named here too where the draw left them out.
    """

    code: ClassVar[str] = "SW318"
    severity: ClassVar[Severity] = Severity.WARNING
    name: str
    layers: tuple[str, ...]

    def message(self) -> str:
        return f"no gradient reaches these layers of `{self.name}`: {_listed(self.layers)}"

    def help(self) -> str:
        return "take them out of the model, or leave them out of the share blocks, unless that is meant"


@frozen(kw_only=True)
class ProbabilitiesForLogits(Diagnostic):
    """A model gives probabilities where logits are wanted.

    All outputs of two random examples were at least 0 and added up to 1 for each of them, as those of a softmax. The
    loss and the predictions take a softmax themselves; a second one flattens every prediction and slows training.
    Return what goes into the softmax.
    """

    code: ClassVar[str] = "SW338"
    severity: ClassVar[Severity] = Severity.WARNING
    name: str

    def message(self) -> str:
        return f"`{self.name}` seems to give probabilities: its outputs are at least 0 and add up to 1"

    def help(self) -> str:
        return "return logits: take the softmax out of the model"


@frozen(kw_only=True)
class NotItself(Diagnostic):
    """A model behaves differently once its weights are the ensemble's, or once its tensors have memory of their own.

    A shared layer's weight is composed by the ensemble and put into the layer as a plain tensor, and every parameter
    and buffer is given memory of its own. A model that reads its weights in another way than by the layer's `weight`
    (from a list that was made once, by walking `parameters()` in `forward`), or whose buffers are views of parameters
    or of each other and must change together, does not compute the same any more.
    """

    code: ClassVar[str] = "SW319"
    name: str
    when: str
    tensors: tuple[str, ...] = ()

    def message(self) -> str:
        return f"`{self.name}` does not stay itself in an ensemble: it differs from the plain model {self.when}"

    def help(self) -> str:
        return "read a layer's weight as `layer.weight` where it is used, and give each buffer its own memory"

    def notes(self) -> tuple[str, ...]:
        return (f"these shared memory with others: {_listed(self.tensors)}",) if self.tensors else ()


TRYING = (
    BuildsDiffer,
    StateNotKept,
    StateElsewhere,
    NotTrainable,
    UnusableLogits,
    NoGradient,
    ProbabilitiesForLogits,
    NotItself,
)
