"""The rule `even`: one template at a time to every bank in turn, as in the authors' release.

Takes a problem, gives its solution. Guarantees: the order of the banks and the strict comparison with the excess are
the release's, so that its allocations are met bank by bank.
"""

from __future__ import annotations

from itertools import count

from swc.compiler.solvers.problem import AllocationProblem, Solution, check_feasible, cost_of, everything, value_of


def solve_even(problem: AllocationProblem) -> Solution:
    """Share the budget out evenly; ValueError where one template a bank does not fit.

    Every bank starts with one. Sweep c adds one to each bank with more than c slots, for c below the bank's cap.
    What is left goes round again without regard to slots, until nothing fits. Source: authors' release.
    """
    check_feasible(problem)
    if problem.budget is None:
        return everything(problem)
    # Banks of cost 10 with 1, 2 and 3 slots, cap 4, budget 75: (1, 1, 1) leaves 45; sweep 1 adds to the second and
    # third, sweep 2 to the third (15 left); the last round ignores slots: the first gets one, and 5 are left.
    counts = [1] * len(problem.banks)
    excess = problem.budget - problem.minimum
    for sweep in range(1, max((bank.cap for bank in problem.banks), default=1)):
        excess = _sweep(problem, counts, excess, sweep)
    for _ in count():
        left = _sweep(problem, counts, excess, 0)
        if left == excess:
            break
        excess = left
    found = tuple(counts)
    return Solution(found, "even", cost_of(problem, found), value_of(problem, found))


def _sweep(problem: AllocationProblem, counts: list[int], excess: int, more_slots_than: int) -> int:
    """Add a template to each bank with enough slots, below its cap, that costs less than the excess; what is left."""
    for place, bank in enumerate(problem.banks):
        # `<`, not `<=`: the release leaves a template out that would use the budget up exactly, and so do its
        # allocations.
        if bank.num_slots > more_slots_than and counts[place] < bank.cap and bank.cost < excess:
            counts[place] += 1
            excess -= bank.cost
    return excess
