"""Diagnostics of `swc slim` (SW70x).

Guarantees: `SLIMMING` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class SlicesMissing(Diagnostic):
    """A network is to be slimmed that was not trained to work with fewer channels.

    `swc slim` cuts channels of a trained network and looks at the loss, with no training in between. That says
    something only where narrower networks were trained as its leading parts: members of several widths that share
    their convolutions as `slices`, most often with `step sandwich`.
    """

    code: ClassVar[str] = "SW700"
    ensemble: str

    def message(self) -> str:
        return f"`{self.ensemble}` shares no convolutions as `slices`"

    def help(self) -> str:
        return "train members of several widths with `share conv as slices`, and slim that run"


@frozen(kw_only=True)
class TargetOutOfReach(Diagnostic):
    """No network of so few multiply-adds can be cut from the trained one.

    A cut takes an eighth of the channels that a group had at first, and every group keeps some. What is left when all
    are cut as far as they go is the smallest network there is. Ask for more, or train a slimmable network of fewer
    layers.
    """

    code: ClassVar[str] = "SW701"
    limit: int
    least: int
    whole: int

    def message(self) -> str:
        return f"no cut network keeps within {self.limit:,} multiply-adds: the smallest takes {self.least:,}"

    def help(self) -> str:
        return f"ask for at least {-(-100 * self.least // self.whole)}% of the widest member's {self.whole:,}"


@frozen(kw_only=True)
class SeveralWidest(Diagnostic):
    """Several members take the same multiply-adds, more than any other, so that none is the widest.

    The search starts from one network, the one that all narrower members are slices of. A slimmable ensemble has one
    such member. An array of equal members, or two depths of equal cost, leave it open which one is meant.
    """

    code: ClassVar[str] = "SW702"
    members: tuple[str, ...]

    def message(self) -> str:
        return f"several members are the widest: {', '.join(f'`{name}`' for name in self.members)}"

    def help(self) -> str:
        return "train an ensemble with one widest member"


@frozen(kw_only=True)
class NotSlimmable(Diagnostic):
    """A member is not a `wrn`, the one family whose channel numbers can be given by hand.

    What the search finds becomes a spec, in which `wrn(..., channels: "...")` names a number for every convolution.
    No other family takes such numbers. Slim an ensemble whose members are all WRNs.
    """

    code: ClassVar[str] = "SW703"
    member: str
    family: str

    def message(self) -> str:
        return f"member `{self.member}` is a `{self.family}`, whose channels cannot be numbered by hand"

    def help(self) -> str:
        return "slim an ensemble of `wrn(...)` members"


@frozen(kw_only=True)
class UnreadableTarget(Diagnostic):
    """A target of `--flops` is neither a part of the widest member nor a number of multiply-adds.

    A part is written in per cent, above 0 and at most 100: `50%`. A number may end in `k`, `M` or `G`: `12.5M` are
    12,500,000 multiply-adds for one image. A multiply-add is one, not two.
    """

    code: ClassVar[str] = "SW704"
    found: str

    def message(self) -> str:
        return f"`{self.found}` is not a number of multiply-adds"

    def help(self) -> str:
        return "write a part of the widest member, `--flops 50%`, or a number, `--flops 12M`"


SLIMMING = (SlicesMissing, TargetOutOfReach, SeveralWidest, NotSlimmable, UnreadableTarget)
