"""The checker of any solution: holds an answer against its problem without trusting who found it.

Takes a problem and a solution, gives what is wrong with it. Guarantees: counts in whole numbers and from scratch.
"""

from __future__ import annotations

from collections.abc import Iterator

from swc.compiler.solvers.problem import AllocationProblem, Solution, cost_of, value_of

TOLERANCE = 1e-9  # of the value, for sums of floats in another order


def faults(problem: AllocationProblem, solution: Solution) -> tuple[str, ...]:
    """What is wrong with a solution, a line each; empty where nothing is."""
    if len(solution.num_templates) != len(problem.banks):
        return (f"{len(solution.num_templates)} answers for {len(problem.banks)} banks",)
    return (*_bank_faults(problem, solution), *_total_faults(problem, solution))


def checked(problem: AllocationProblem, solution: Solution) -> Solution:
    """The solution, once nothing is wrong with it; an AssertionError otherwise is a solver's bug."""
    found = faults(problem, solution)
    assert not found, f"{solution.method}: {'; '.join(found)}"
    return solution


def _bank_faults(problem: AllocationProblem, solution: Solution) -> Iterator[str]:
    for bank, count in zip(problem.banks, solution.num_templates, strict=True):
        most = bank.cap if solution.method == "even" else bank.most
        if type(count) is not int or not 1 <= count <= most:
            yield f"bank `{bank.id}` has {count} templates, not 1 to {most}"


def _total_faults(problem: AllocationProblem, solution: Solution) -> Iterator[str]:
    cost, value = cost_of(problem, solution.num_templates), value_of(problem, solution.num_templates)
    slack = TOLERANCE * max(1.0, abs(value))
    if solution.cost != cost:
        yield f"it costs {cost}, not {solution.cost}"
    if problem.budget is not None and cost > problem.budget:
        yield f"it costs {cost} of a budget of {problem.budget}"
    if abs(solution.value - value) > slack:
        yield f"it is worth {value}, not {solution.value}"
    if solution.bound is not None and solution.bound < value - slack:
        yield f"it is worth {value}, more than its bound {solution.bound}"
