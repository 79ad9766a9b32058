"""Diagnostics of sharing policies, of what one of them alone asks for: SW413 to SW431."""

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


@frozen(kw_only=True)
class RankTooLarge(Diagnostic):
    """A share block by `low_rank` asks for a rank that a layer's weight cannot have.

    The weight is read as a matrix: outputs by inputs times kernel for convolutions, outputs by inputs for linear
    layers. A product of two matrices has no higher rank than the smaller side of that, so a larger one would only be
    stored. Ask for a smaller rank, or leave the layer out of the block.
    """

    code: ClassVar[str] = "SW430"
    rank: int
    layer: str
    most: int

    def message(self) -> str:
        return f"`{self.layer}` can have rank {self.most} at most, and `low_rank` is to give it {self.rank}"

    def help(self) -> str:
        return f"ask for rank {self.most} or less, or take layers with a glob that leaves this one out"


@frozen(kw_only=True)
class RankSavesNothing(Diagnostic):
    """A member's own difference from a shared weight stores no less than a weight of the member's own.

    A product of rank r stores r times the rows and columns of the weight as a matrix: for a convolution of 16x3x1x1 at
    rank 2 that is 38 scalars, of 48; at rank 3 it is 57. Nothing is wrong with the program; but without sharing those
    layers, or with a smaller rank, it would be smaller.
    """

    code: ClassVar[str] = "SW431"
    severity: ClassVar[Severity] = Severity.WARNING
    rank: int
    layers: tuple[str, ...]

    def message(self) -> str:
        more = f" and {len(self.layers) - 1} more" if len(self.layers) > 1 else ""
        return f"at rank {self.rank} the difference that `{self.layers[0]}`{more} stores is no smaller than its weight"

    def help(self) -> str:
        return "ask for a smaller rank, or take layers with a glob that leaves these out"


POLICIES = (UnlikeMembers, BankTooSmall, BanksTooLarge, RankTooLarge, RankSavesNothing)
