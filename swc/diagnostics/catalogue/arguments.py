"""Diagnostics of arguments that a registry's row declares: SW160 to SW169.

Guarantees: `ARGUMENTS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class WrongLength(Diagnostic):
    """A list has more or fewer values than what it is given to takes.

    Some arguments are a few numbers that belong together, as the two `betas` of `adamw`: the first is for the mean of
    the gradients, the second for that of their squares. All of them must be given, in their order.
    """

    code: ClassVar[str] = "SW160"
    what: str
    wanted: int
    found: int

    def message(self) -> str:
        return f"{self.what} takes {self.wanted} values, not {self.found}"

    def help(self) -> str:
        return f"give {self.wanted} values in brackets"


@frozen(kw_only=True)
class LossOfStep(Diagnostic):
    """A recipe names a loss, and the step strategy has one of its own.

    `step distilled` trains a tree of members by hierarchical distillation, whose terms are cross-entropies with the
    labels and with the whole ensemble. Another loss would not be asked. Leave it out, or choose another strategy.
    """

    code: ClassVar[str] = "SW166"
    step: str
    loss: str

    def message(self) -> str:
        return f"`step {self.step}` has a loss of its own, so `loss {self.loss}` would not be asked"

    def help(self) -> str:
        return f"leave `loss {self.loss}` out, or `step {self.step}`"


@frozen(kw_only=True)
class LossAndSmoothing(Diagnostic):
    """A recipe says its loss twice: as `loss NAME(...)`, and by `label_smoothing`.

    `label_smoothing X` is short for `loss cross_entropy(label_smoothing: X)`, so that one of the two would win. Remove
    one of them. A train block may have either, and then replaces whatever its recipe says of the loss.
    """

    code: ClassVar[str] = "SW167"
    item: str
    other: str
    first: str

    def message(self) -> str:
        return f"`{self.item}` says what the loss is, as `{self.other}` at {self.first} does"

    def help(self) -> str:
        return "remove one of the two: `label_smoothing X` is `loss cross_entropy(label_smoothing: X)`"


ARGUMENTS: tuple[type[Diagnostic], ...] = (WrongLength, LossOfStep, LossAndSmoothing)
