"""Diagnostics about the budget and the allocation of templates (SW45x).

Guarantees: `BUDGET` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics import Diagnostic, Severity


@frozen(kw_only=True)
class BudgetTooSmall(Diagnostic):
    """The budget does not hold one template for every bank.

    Each level of each cluster needs at least one template, whatever the allocation rule; together they are the
    smallest budget that is possible with this clustering. A budget in `parameters` also pays for norms, classifiers
    and the coefficients, counted as if every slot had its own. Raise the budget to the amount named, use fewer bins
    (`clusters by depth in 2 bins`), or cut blocks by `blocks grid`, which discards nothing and needs less where the
    shapes do not nest.
    """

    code: ClassVar[str] = "SW450"
    budget: int
    smallest: int
    unit: str
    forced_by: tuple[str, ...] = ()

    def message(self) -> str:
        return f"a budget of {self.budget:,} {self.unit} is too small: these clusters need {self.smallest:,}"

    def help(self) -> str:
        return f"give a budget of at least {self.smallest} {self.unit}, or use fewer clusters, or `blocks grid`"

    def notes(self) -> tuple[str, ...]:
        return self.forced_by


@frozen(kw_only=True)
class MixedRules(Diagnostic):
    """Two share blocks under one budget allocate their templates by different rules.

    One budget covers all share blocks of an ensemble, and a rule decides over all banks at once: `even` hands out
    templates in turn, `optimal(coverage)` and `optimal(profiled)` each maximise a value of their own. These cannot be
    weighed against each other. Give every share block the same rule; the number after `up to` may differ.
    """

    code: ClassVar[str] = "SW451"
    first: str
    second: str

    def message(self) -> str:
        return f"one budget cannot be shared out both by `{self.first}` and by `{self.second}`"

    def help(self) -> str:
        return f"write `templates {self.first}` in every share block"


@frozen(kw_only=True)
class NoSpectraYet(Diagnostic):
    """`optimal(profiled)` uses `coverage` for banks of which nothing was measured.

    The profiled objective values templates by the spectrum of a bank's slot gradients. The first program of a run is
    compiled before anything was trained, and banks made by a split that was not measured have no spectrum either.
    Those banks are valued by `coverage` instead. This is expected before the first split; after it, let the search
    phase measure, or write `optimal(coverage)` to say what is meant.
    """

    code: ClassVar[str] = "SW452"
    severity: ClassVar[Severity] = Severity.NOTE
    missing: int
    banks: int

    def message(self) -> str:
        return f"{self.missing} of {self.banks} banks have no measured spectrum: valued by `coverage`"

    def help(self) -> str:
        return "spectra are measured at the end of a search phase"


@frozen(kw_only=True)
class BudgetNotUsed(Diagnostic):
    """The budget is larger than what the banks can hold.

    Every bank has as many templates as its cap (`up to N`) allows, or at least as many as it has slots, beyond which
    more change nothing; and a good part of the budget is left over. Nothing is wrong with the program; it is only
    smaller than the budget suggests. Raise the cap, use more clusters, or lower the budget.
    """

    code: ClassVar[str] = "SW453"
    severity: ClassVar[Severity] = Severity.WARNING
    budget: int
    used: int
    unit: str

    def message(self) -> str:
        return f"only {self.used:,} of {self.budget:,} {self.unit} can be used: no bank has a use for one more"

    def help(self) -> str:
        return "raise the cap (`up to N`), use more clusters, or lower the budget"


@frozen(kw_only=True)
class SharingStoresMore(Diagnostic):
    """Templates hold more scalars than the layers that share them would own.

    Sharing is there to store less. Templates are as large as the largest block of their level and are cropped for
    smaller ones, so that with a template for nearly every slot more is stored than with weights of each layer's own.
    Lower the budget, or let these layers share nothing.
    Example: `budget 25% of native` in place of `budget 2M templates` for layers that own 1.8 million.
    """

    code: ClassVar[str] = "SW454"
    severity: ClassVar[Severity] = Severity.WARNING
    templates: int
    native: int

    def message(self) -> str:
        return (
            f"the templates hold {self.templates:,} scalars, and the layers that share them would own "
            f"{self.native:,} unshared"
        )

    def help(self) -> str:
        return "lower the budget, or let these layers share nothing: `as none`"


BUDGET = (BudgetTooSmall, MixedRules, NoSpectraYet, BudgetNotUsed, SharingStoresMore)
