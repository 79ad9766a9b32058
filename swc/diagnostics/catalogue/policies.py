"""Diagnostics of sharing policies, of what one of them alone asks for: SW413 to SW415."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity


@frozen(kw_only=True)
class UnlikeMembers(Diagnostic):
    """A policy that gives all members one weight was asked to share members of different shapes.

    BatchEnsemble (`rank_one`) stores one weight for each place and modulates it for each member by an outer product of
    two vectors, so a layer must have the same shape in every member. Ensembles of several depths or widths are shared
    with `superweights`, or with `slices`, where a narrow layer is the leading part of a wide one.
    """

    code: ClassVar[str] = "SW413"
    policy: str
    layer: str
    found: str
    other: str

    def message(self) -> str:
        return f"`{self.policy}` shares members of one architecture: `{self.layer}` {self.found}, {self.other}"

    def help(self) -> str:
        return "give all members one depth and width, or share as `superweights` or `slices`"


@frozen(kw_only=True)
class BankTooSmall(Diagnostic):
    """The budget leaves too little for a bank of `shapeshifter`.

    The banks share what the budget leaves in proportion to what their layers would own. A bank must hold a scalar; and
    where a layer is larger than its bank and is up-sampled over outputs and inputs (`bilinear`, `mask`, `average`), the
    scalars of one kernel of that layer. Raise the budget, join groups, or up-sample by `repeat`, which needs one.
    """

    code: ClassVar[str] = "SW414"
    group: str
    layer: str
    size: int
    needed: int

    def message(self) -> str:
        return f"the bank of group `{self.group}` gets {self.size:,} scalars, but `{self.layer}` needs {self.needed:,}"

    def help(self) -> str:
        return "give a larger budget or fewer groups" + (', or `upsample: "repeat"`' if self.needed > 1 else "")


@frozen(kw_only=True)
class BanksTooLarge(Diagnostic):
    """The budget is larger than what the layers of `shapeshifter` can read from their banks.

    A layer is mixed from at most eight templates of its own size, and the layers of a group read their bank in turn.
    What none of them would reach is not stored. Nothing is wrong with the program; it is only smaller than the budget
    suggests. Lower the budget or put more layers in a group.
    """

    code: ClassVar[str] = "SW415"
    severity: ClassVar[Severity] = Severity.WARNING
    used: int
    size: int

    def message(self) -> str:
        return f"only {self.used:,} of {self.size:,} scalars for banks can be used: no layer reads the others"

    def help(self) -> str:
        return "lower the budget, or put more layers in a group"


POLICIES = (UnlikeMembers, BankTooSmall, BanksTooLarge)
