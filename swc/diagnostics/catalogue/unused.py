"""Diagnostics about what a spec says and nothing uses (SW14x); all are warnings.

Guarantees: `UNUSED` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity


@frozen(kw_only=True)
class UnusedParam(Diagnostic):
    """A param is declared and nothing uses it.

    Setting it with `--set` would change nothing. Use it where its value is meant, or remove it.
    """

    code: ClassVar[str] = "SW140"
    severity: ClassVar[Severity] = Severity.WARNING
    name: str

    def message(self) -> str:
        return f"param `{self.name}` is not used"

    def help(self) -> str:
        return "use it, or remove it"


@frozen(kw_only=True)
class UnusedImport(Diagnostic):
    """A file is imported and nothing of it is used.

    No recipe, policy or ensemble of the imported file is named in this one. Remove the import.
    """

    code: ClassVar[str] = "SW141"
    severity: ClassVar[Severity] = Severity.WARNING
    name: str

    def message(self) -> str:
        return f"nothing of `{self.name}` is used"

    def help(self) -> str:
        return "remove the import"


@frozen(kw_only=True)
class NothingToUntie(Diagnostic):
    """Coefficients are to be untied where none are tied.

    With `coefficients by slot` every slot has coefficients of its own from the start, so `untie coefficients` finds
    nothing to do. Share them `by partner` or `by level`, or remove the clause.
    """

    code: ClassVar[str] = "SW142"
    severity: ClassVar[Severity] = Severity.WARNING

    def message(self) -> str:
        return "no coefficients are tied: `untie` has nothing to do"

    def help(self) -> str:
        return "write `coefficients by partner`, or remove the clause"


@frozen(kw_only=True)
class ItemWithoutEffect(Diagnostic):
    """A share block states an item that its policy has no use for.

    `clusters`, `coefficients`, `templates` and `blocks` say how SuperWeights are shared. With `hard` one stored tensor
    stands for the layers of one place and shape, and with `none` nothing is shared, so that these items change
    nothing there. Remove the item, or choose another policy.
    """

    code: ClassVar[str] = "SW144"
    severity: ClassVar[Severity] = Severity.WARNING
    item: str
    policy: str

    def message(self) -> str:
        return f"`{self.item}` has no effect with the policy `{self.policy}`"

    def help(self) -> str:
        return f"remove `{self.item}`, or share as `superweights`"


@frozen(kw_only=True)
class NothingToSplit(Diagnostic):
    """Clusters are to be split where there are none.

    Only `superweights` keeps layers in clusters by their gradients. With other policies a split changes nothing, and
    `then restart` would only throw the phase's training away. Layers of `shapeshifter` are put in groups by what they
    took of a bank: `then group layers in N clusters`.
    """

    code: ClassVar[str] = "SW150"
    severity: ClassVar[Severity] = Severity.WARNING

    def message(self) -> str:
        return "no block is shared as `superweights`: there are no clusters to split"

    def help(self) -> str:
        return "share a block as `superweights`, or remove the clause"


@frozen(kw_only=True)
class FewerToDraw(Diagnostic):
    """A sandwich is to draw more networks than there are between the largest and the smallest.

    All of them are trained in every step then, and nothing is drawn. State as many as there are, or fewer.
    """

    code: ClassVar[str] = "SW151"
    severity: ClassVar[Severity] = Severity.WARNING
    drawn: int
    others: int

    def message(self) -> str:
        return f"`random: {self.drawn}` of {self.others} networks between the largest and the smallest: all are trained"

    def help(self) -> str:
        return f"write `random: {self.others}`, or add members"


UNUSED = (UnusedParam, UnusedImport, NothingToUntie, ItemWithoutEffect, NothingToSplit, FewerToDraw)
