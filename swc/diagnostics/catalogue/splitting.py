"""Diagnostics of splitting clusters into a number of them: SW417 and SW418."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class SplitNumberOutOfReach(Diagnostic):
    """The layers of a share block cannot be split into as many clusters as the spec asks for.

    `then split clusters into N` says how many clusters each share block has after the split. A split parts clusters and
    never joins two of them, so N is at least the number before it: that of the first clusters, or of an earlier split.
    It is at most the number of layers that are parted: with `across members` those of all members, with `across
    reference` those of the largest; layers whose gradient is zero follow others and do not count. With several share
    blocks the number must suit each. Example: `clusters by depth in 4 bins` of layers of one kernel size are four
    clusters, which `into 12` splits and `into 3` cannot.
    """

    code: ClassVar[str] = "SW417"
    selector: str
    number: int
    reach: tuple[int, int]
    common: tuple[int, int]

    def message(self) -> str:
        fewest, most = self.reach
        wanted = f"exactly {most}" if fewest == most else f"{fewest} to {most}"
        return f"layers of `share {self.selector}` can be split into {wanted} clusters, and not into {self.number}"

    def help(self) -> str:
        lowest, highest = self.common
        if lowest > highest:
            return (
                "no number suits all share blocks: write `then split clusters below TAU`, or start from fewer clusters"
            )
        if lowest == highest:
            return f"write `then split clusters into {lowest}`"
        way = f"write a number from {lowest} to {highest}"
        return f"{way}, or start from fewer clusters" if self.number < lowest else way


@frozen(kw_only=True)
class SplitNumberOverBudget(Diagnostic):
    """The budget does not bear as many clusters as a split by number asks for.

    Each cluster needs one template on each of its levels, so that more clusters need a greater budget, the more the
    larger their layers are. Which layers share a cluster is known after the search only, and so is what they need. A
    threshold would be lowered (`then split clusters below TAU`); a number is kept to. Write the number that the help
    names, or raise the budget.
    """

    code: ClassVar[str] = "SW418"
    number: int
    stated: int
    largest: int | None

    def message(self) -> str:
        return f"the budget of {self.stated:,} scalars does not bear a split into {self.number} clusters"

    def help(self) -> str:
        if self.largest is None:
            return "raise the budget, or start from fewer clusters"
        return f"write `then split clusters into {self.largest}`, the most that fit, or raise the budget"


SPLITTING = (SplitNumberOutOfReach, SplitNumberOverBudget)
