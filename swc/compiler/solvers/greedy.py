"""The greedy answer, with the bound of the linear relaxation.

Takes a problem with a budget, gives its solution. Guarantees: runs in n log n; the bound is that of the linear
relaxation, so the gap it shows is proven; equal densities are taken in the order of the banks. What a template is worth
falls within a bank (`BankProblem`), so a bank's templates are taken in their order.
"""

from __future__ import annotations

from itertools import groupby
from math import fsum
from typing import NamedTuple

from swc.compiler.solvers.problem import (
    AllocationProblem,
    BankProblem,
    Solution,
    check_feasible,
    cost_of,
    everything,
    value_of,
)


class Stretch(NamedTuple):
    """A stretch of a bank: `num` more templates, what they cost and are worth (a tuple, as there are very many)."""

    bank: int
    num: int
    cost: int
    value: float

    @property
    def density(self) -> float:
        """Worth for a scalar."""
        return self.value / self.cost


def solve_greedy(problem: AllocationProblem) -> Solution:
    """Take stretches of all banks by falling density while they fit; ValueError where the budget is too small."""
    check_feasible(problem)
    if problem.budget is None:
        return everything(problem)
    steps = _steps(problem)
    counts = _taken(problem, steps, problem.budget - problem.minimum)
    value = value_of(problem, counts)
    bound = max(value, _bound(problem, steps, problem.budget - problem.minimum))
    return Solution(counts, "greedy", cost_of(problem, counts), value, bound)


def _steps(problem: AllocationProblem) -> list[Stretch]:
    steps = [step for place, bank in enumerate(problem.banks) for step in _stretches(place, bank)]
    return sorted(steps, key=lambda step: -step.density)  # stable: ties stay in the order of the banks


def last_density(problem: AllocationProblem) -> float:
    """The density of the stretch at which the budget ends in the linear relaxation; 0 where everything fits."""
    excess = (problem.budget or 0) - problem.minimum
    for step in _steps(problem):
        if step.cost > excess:
            return step.density
        excess -= step.cost
    return 0.0


def _stretches(place: int, bank: BankProblem) -> list[Stretch]:
    """Templates after the first, those worth the same together, without what adds nothing."""
    # Values (9, 4, 4, 4, 1, 0) give the steps 3 at 4 and 1 at 1: the first template is in every answer, the last is
    # useless.
    runs = ((value, len(list(equal))) for value, equal in groupby(bank.values[1:]))
    return [Stretch(place, num, num * bank.cost, num * value) for value, num in runs if value > 0]


def _taken(problem: AllocationProblem, steps: list[Stretch], excess: int) -> tuple[int, ...]:
    counts = [1] * len(problem.banks)
    least = min((bank.cost for bank in problem.banks), default=0)
    for place, num, cost, _ in steps:
        if cost <= excess:
            counts[place] += num
            excess -= cost
        elif excess < least:
            break
        else:
            some = excess // problem.banks[place].cost
            counts[place] += some
            excess -= some * problem.banks[place].cost
    return tuple(counts)


def _bound(problem: AllocationProblem, steps: list[Stretch], excess: int) -> float:
    """The linear relaxation: whole stretches while they fit, then a part of the next."""
    # Values fall within a bank and the steps by density, so this fractional filling is the best one; a whole one is a
    # special case of it and cannot be worth more (Dantzig, 1957).
    parts = [bank.values[0] for bank in problem.banks]
    for step in steps:
        share = min(1.0, excess / step.cost)
        parts.append(share * step.value)
        excess -= min(excess, step.cost)
        if share < 1.0:
            break
    return fsum(parts)
