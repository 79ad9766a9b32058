"""The exact answer: integer programming with HiGHS, with a proven gap.

Takes a problem with a budget, gives its solution. Guarantees: the same problem gives the same answer on any machine
(limited by nodes, never by seconds; banks in the order of their ids; one thread); the answer is counted again in
whole numbers and is never worth less than the greedy one or `even`; its gap is below 1e-6 for a thousand clusters of
five levels (docs/results/compiler_speed).
"""

from __future__ import annotations

from math import fsum, gcd, inf
from typing import Any

from attrs import evolve, frozen

from swc.compiler.solvers.even import solve_even
from swc.compiler.solvers.greedy import last_density, solve_greedy
from swc.compiler.solvers.problem import (
    AllocationProblem,
    BankProblem,
    Solution,
    check_feasible,
    cost_of,
    everything,
    value_of,
)
from swc.compiler.solvers.quiet import quiet_library

NODES = range(50, 2_001)  # of the search, fewer where the core is large and each takes longer
NODES_TIMES_COLUMNS = 200_000
RELATIVE_GAP = 1e-9
CLOSE = 1e-6  # a greedy answer that is known to be so good is not searched on where the core is large
LARGE = 4_000  # columns of a core
EXACT_UP_TO = 5_000  # banks, a thousand clusters of five levels; above it the greedy answer comes with its own bound


@frozen
class EqualBanks:
    """Banks of equal cost and values, by their places: only how many have at least k templates matters.

    Without groups equal banks could be exchanged, and the search would go through every exchange.
    """

    places: tuple[int, ...]
    cost: int
    values: tuple[float, ...]


def solve_optimal(problem: AllocationProblem, exact_up_to: int = EXACT_UP_TO) -> Solution:
    """The exact answer, or above `exact_up_to` banks the greedy one; never worth less than `even`."""
    solve = solve_exact if len(problem.banks) <= exact_up_to else solve_greedy
    return _no_worse_than_even(problem, solve(problem))


def solve_exact(problem: AllocationProblem) -> Solution:
    """Maximise the value under the budget; ValueError where one template a bank does not fit."""
    check_feasible(problem)
    if problem.budget is None:
        return everything(problem)
    greedy = solve_greedy(problem)
    core = _core(problem, greedy)
    if len(core.columns) > LARGE and (greedy.gap or 0.0) <= CLOSE:
        return greedy
    chosen, bound = _search(core)
    counts = _spread(core, chosen, len(problem.banks))
    bound = max(greedy.value, min(bound, greedy.bound or bound))  # what the core leaves out is worth no more
    value, cost = value_of(problem, counts), cost_of(problem, counts)
    if cost > problem.budget or value < greedy.value:
        return evolve(greedy, method="exact", bound=bound)
    return Solution(counts, "exact", cost, value, max(bound, value))


def _no_worse_than_even(problem: AllocationProblem, found: Solution) -> Solution:
    """`even` may use a bank's cap beyond its slots; cut back to what is of use, it is a candidate like any other."""
    wide = solve_even(problem).num_templates
    counts = tuple(min(count, bank.most) for count, bank in zip(wide, problem.banks, strict=True))
    value = value_of(problem, counts)
    if value <= found.value:
        return found
    return evolve(found, num_templates=counts, cost=cost_of(problem, counts), value=value)


def _natural(id_: str) -> tuple[tuple[int, str], ...]:
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in id_.replace("c", "").split("."))


def _groups(problem: AllocationProblem) -> list[EqualBanks]:
    """Equal banks together, in the order of their first ids; inside a group by id."""
    order = sorted(range(len(problem.banks)), key=lambda place: _natural(problem.banks[place].id))
    found: dict[tuple[int, tuple[float, ...]], list[int]] = {}
    for place in order:
        bank: BankProblem = problem.banks[place]
        found.setdefault((bank.cost, bank.values), []).append(place)
    return [EqualBanks(tuple(places), cost, values) for (cost, values), places in found.items()]


@frozen
class Core:
    """What the linear relaxation leaves open: `least` .. `most` banks of a group have this many templates or more.

    `columns` are the (group, place in values) pairs whose `least` and `most` differ; `excess` is what remains for
    them, `base` what the settled ones and every first template are worth.
    """

    groups: tuple[EqualBanks, ...]
    settled: tuple[tuple[int, ...], ...]
    columns: tuple[tuple[int, int], ...]
    excess: int
    base: float


def _core(problem: AllocationProblem, greedy: Solution) -> Core:
    """Settle every template whose other choice cannot reach the greedy value.

    With the density d at which the budget ends, the relaxation is worth d x excess + the sum of all (value - d cost)
    above 0; another choice for one template loses |value - d cost| of that (reduced cost fixing).
    """
    groups = _groups(problem)
    excess = (problem.budget or 0) - problem.minimum
    density = last_density(problem)
    firsts = fsum(bank.values[0] for bank in problem.banks)
    margins = [[value - density * group.cost for value in group.values[1:]] for group in groups]
    gains = fsum(max(0.0, m) * len(g.places) for g, row in zip(groups, margins, strict=True) for m in row)
    relaxed = firsts + density * excess + gains
    loss = (relaxed - greedy.value) * (1 + RELATIVE_GAP) + RELATIVE_GAP * abs(relaxed)
    columns = [(g, k) for g, row in enumerate(margins) for k, margin in enumerate(row) if abs(margin) <= loss]
    still_open = set(columns)
    settled = tuple(
        tuple(
            len(group.places) if margin > 0 and (g, k) not in still_open else 0 for k, margin in enumerate(margins[g])
        )
        for g, group in enumerate(groups)
    )
    spent = sum(group.cost * sum(having) for group, having in zip(groups, settled, strict=True))
    worth = fsum(
        value * banks
        for group, having in zip(groups, settled, strict=True)
        for value, banks in zip(group.values[1:], having, strict=True)
    )
    return Core(tuple(groups), settled, tuple(columns), excess - spent, firsts + worth)


def _search(core: Core) -> tuple[list[list[int]], float]:
    """How many banks of each group have a second, third, ... template; and the bound on the value.

    Costs are divided by their common divisor, values by the largest, so that tolerances mean the same everywhere.
    """
    chosen = [list(having) for having in core.settled]
    if not core.columns:
        return chosen, core.base
    costs = [core.groups[g].cost for g, _ in core.columns]
    values = [core.groups[g].values[k + 1] for g, k in core.columns]
    most = [len(core.groups[g].places) for g, _ in core.columns]
    unit, top = gcd(*costs), max(*values, 1e-300)
    answer = _solved([-v / top for v in values], [c // unit for c in costs], core.excess // unit, most)
    if answer.x is not None:
        for (g, k), banks in zip(core.columns, answer.x.tolist(), strict=True):
            chosen[g][k] = round(banks)
    bound = inf if answer.mip_dual_bound is None else core.base - top * float(answer.mip_dual_bound)
    return [sorted(having, reverse=True) for having in chosen], bound


def _solved(losses: list[float], costs: list[int], excess: int, most: list[int]) -> Any:
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp

    with quiet_library():
        return milp(
            np.array(losses),
            integrality=np.ones(len(losses)),
            bounds=Bounds(0, np.array(most, dtype=float)),
            constraints=LinearConstraint(np.array([costs], dtype=float), -inf, excess),
            options={"node_limit": _nodes(len(losses)), "mip_rel_gap": RELATIVE_GAP},
        )


def _nodes(num_columns: int) -> int:
    """The nodes that a search may take."""
    return min(max(NODES.start, NODES_TIMES_COLUMNS // num_columns), NODES[-1])


def _spread(core: Core, chosen: list[list[int]], num_banks: int) -> tuple[int, ...]:
    """Templates by bank: of equal banks the first ids get more."""
    counts = [1] * num_banks
    for group, having in zip(core.groups, chosen, strict=True):
        for number, place in enumerate(group.places):
            counts[place] += sum(number < banks for banks in having)
    return tuple(counts)
