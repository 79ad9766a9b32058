"""The allocation problem as plain data: how many templates each bank gets under one budget.

Every bank has at least one template. The value of a bank is the sum of its `values`, one for each template up to its
number; they fall, so the value is concave. Guarantees: nothing here knows of graphs, and every answer, whoever found
it, is a `Solution` that `swc.compiler.solvers.check` can hold against its problem.
"""

from __future__ import annotations

from math import fsum
from typing import Literal

from attrs import frozen


@frozen
class BankProblem:
    """One bank: a template costs `cost`; `values` are what its first, second, ... template is worth.

    `values` has min(cap, num_slots) entries, at least one: more templates than slots are worth nothing more.
    """

    id: str
    cost: int
    num_slots: int
    cap: int
    values: tuple[float, ...]

    @property
    def most(self) -> int:
        """The most templates an optimal answer gives it."""
        return len(self.values)


@frozen
class AllocationProblem:
    """Banks in the order of their clusters and levels, and the budget their templates share (None: no limit)."""

    banks: tuple[BankProblem, ...]
    budget: int | None

    @property
    def minimum(self) -> int:
        """The cost of one template for each bank: no answer is cheaper."""
        return sum(bank.cost for bank in self.banks)


@frozen
class Solution:
    """Templates by bank, what they cost and are worth, and an upper `bound` on what any answer is worth.

    `bound` is None where nothing was maximised (`even`, `all`).
    """

    num_templates: tuple[int, ...]
    method: Literal["even", "exact", "greedy", "all"]
    cost: int
    value: float
    bound: float | None = None

    @property
    def gap(self) -> float | None:
        """How far, as a fraction of the bound, the answer can be from the best one."""
        # Worth 990 where no answer is worth more than 1,000: the gap is 0.01, so at most one percent is missed.
        if self.bound is None:
            return None
        return max(0.0, self.bound - self.value) / self.bound if self.bound > 0 else 0.0


def cost_of(problem: AllocationProblem, num_templates: tuple[int, ...]) -> int:
    """What an answer costs, in scalars."""
    return sum(bank.cost * count for bank, count in zip(problem.banks, num_templates, strict=True))


def value_of(problem: AllocationProblem, num_templates: tuple[int, ...]) -> float:
    """What an answer is worth; templates beyond a bank's slots add nothing."""
    return fsum(v for bank, count in zip(problem.banks, num_templates, strict=True) for v in bank.values[:count])


def check_feasible(problem: AllocationProblem) -> None:
    """ValueError where not even one template a bank fits the budget."""
    if problem.budget is not None and problem.minimum > problem.budget:
        raise ValueError(f"one template a bank needs {problem.minimum} scalars, the budget is {problem.budget}")


def everything(problem: AllocationProblem) -> Solution:
    """The answer without a budget: as many templates as are of use, min(cap, slots) for each bank."""
    counts = tuple(bank.most for bank in problem.banks)
    return Solution(counts, "all", cost_of(problem, counts), value_of(problem, counts))
