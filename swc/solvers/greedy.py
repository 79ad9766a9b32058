"""The greedy answer on the concave hull of each bank, with the bound of the linear relaxation.

Takes a problem with a budget, gives its solution. Guarantees: runs in n log n; the bound is that of the linear
relaxation, so the gap it shows is proven; equal densities are taken in the order of the banks.
"""

from __future__ import annotations

from itertools import pairwise
from math import fsum

from attrs import frozen

from swc.solvers.objectives import running
from swc.solvers.problem import AllocationProblem, BankProblem, Solution, check_feasible, cost_of, everything, value_of


@frozen
class Step:
    """A stretch of a bank's hull: `num` more templates, what they cost and are worth."""

    bank: int
    num: int
    cost: int
    value: float

    @property
    def density(self) -> float:
        """Worth for a scalar."""
        return self.value / self.cost


def solve_greedy(problem: AllocationProblem) -> Solution:
    """Take stretches of all hulls by falling density while they fit; ValueError where the budget is too small."""
    check_feasible(problem)
    if problem.budget is None:
        return everything(problem)
    steps = _steps(problem)
    counts = _taken(problem, steps, problem.budget - problem.minimum)
    value = value_of(problem, counts)
    bound = max(value, _bound(problem, steps, problem.budget - problem.minimum))
    return Solution(counts, "greedy", cost_of(problem, counts), value, bound)


def _steps(problem: AllocationProblem) -> list[Step]:
    steps = [step for place, bank in enumerate(problem.banks) for step in _hull(place, bank)]
    return sorted(steps, key=lambda step: -step.density)  # stable: ties stay in the order of the banks


def last_density(problem: AllocationProblem) -> float:
    """The density of the stretch at which the budget ends in the linear relaxation; 0 where everything fits."""
    excess = (problem.budget or 0) - problem.minimum
    for step in _steps(problem):
        if step.cost > excess:
            return step.density
        excess -= step.cost
    return 0.0


def _hull(place: int, bank: BankProblem) -> list[Step]:
    """The upper concave hull over the numbers of templates, from one on, without what adds nothing."""
    worth = running(bank.values)
    corners = [1]
    for count in range(2, bank.most + 1):
        while len(corners) > 1 and _slope(worth, corners[-1], count) >= _slope(worth, corners[-2], corners[-1]):
            corners.pop()
        corners.append(count)
    steps = (
        Step(place, after - before, (after - before) * bank.cost, worth[after] - worth[before])
        for before, after in pairwise(corners)
    )
    return [step for step in steps if step.value > 0]


def _slope(worth: tuple[float, ...], before: int, after: int) -> float:
    return (worth[after] - worth[before]) / (after - before)


def _taken(problem: AllocationProblem, steps: list[Step], excess: int) -> tuple[int, ...]:
    counts = [1] * len(problem.banks)
    for step in steps:
        num = min(step.num, excess // problem.banks[step.bank].cost)
        counts[step.bank] += num
        excess -= num * problem.banks[step.bank].cost
    return tuple(counts)


def _bound(problem: AllocationProblem, steps: list[Step], excess: int) -> float:
    """The linear relaxation: whole stretches while they fit, then a part of the next."""
    parts = [bank.values[0] for bank in problem.banks]
    for step in steps:
        share = min(1.0, excess / step.cost)
        parts.append(share * step.value)
        excess -= min(excess, step.cost)
        if share < 1.0:
            break
    return fsum(parts)
