"""The solvers: exact against brute force, bounds, the checker on corrupted answers, determinism, speed."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import product
from random import Random

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from swc.compiler.solvers.check import checked, faults
from swc.compiler.solvers.even import solve_even
from swc.compiler.solvers.exact import solve_exact, solve_optimal
from swc.compiler.solvers.greedy import solve_greedy
from swc.compiler.solvers.objectives import coverage, profiled, running
from swc.compiler.solvers.problem import AllocationProblem, BankProblem, Solution, everything, value_of


def bank(number: int, cost: int, num_slots: int, values: tuple[float, ...], cap: int = 8) -> BankProblem:
    return BankProblem(f"c{number}.0", cost, num_slots, cap, values)


def covered(number: int, size: int, num_slots: int, cap: int = 8) -> BankProblem:
    return bank(number, size, num_slots, coverage(size, num_slots, cap), cap)


def measured(number: int, size: int, energies: list[float], cap: int) -> BankProblem:
    return bank(number, size, len(energies), profiled(size, len(energies), cap, tuple(energies)), cap)


sizes = st.integers(1, 60)
coverages = st.tuples(sizes, st.integers(1, 6), st.integers(1, 4))
energies = st.lists(st.floats(0, 100), min_size=1, max_size=5)


@st.composite
def problems(draw: st.DrawFn, most: int = 4) -> AllocationProblem:
    banks: list[BankProblem] = []
    for number in range(draw(st.integers(1, most))):
        if draw(st.booleans()):
            banks.append(covered(number, *draw(coverages)))
        else:
            banks.append(measured(number, draw(sizes), draw(energies), draw(st.integers(1, 4))))
    least = sum(one.cost for one in banks)
    return AllocationProblem(tuple(banks), least + draw(st.integers(0, 3 * least)))


def best_value(problem: AllocationProblem) -> float:
    choices = product(*(range(1, one.most + 1) for one in problem.banks))
    costs = [one.cost for one in problem.banks]
    fits = (c for c in choices if sum(map(int.__mul__, c, costs)) <= (problem.budget or 0))
    return max(value_of(problem, counts) for counts in fits)


@given(problems())
def test_exact_is_as_good_as_trying_everything(problem: AllocationProblem) -> None:
    best = best_value(problem)
    found = checked(problem, solve_exact(problem))
    assert found.value == pytest.approx(best, rel=1e-9, abs=1e-12)
    assert found.gap is not None
    assert found.gap < 1e-6


@given(problems())
def test_the_greedy_bound_holds_and_its_gap_is_honest(problem: AllocationProblem) -> None:
    best = best_value(problem)
    found = checked(problem, solve_greedy(problem))
    assert found.bound is not None
    assert found.bound >= best * (1 - 1e-12)
    assert found.value <= best * (1 + 1e-12)
    assert (found.gap or 0.0) >= (best - found.value) / found.bound - 1e-12 if found.bound else True


@given(problems(most=12))
def test_optimal_is_never_below_even_nor_greedy(problem: AllocationProblem) -> None:
    even = checked(problem, solve_even(problem))
    for found in (solve_optimal(problem), solve_optimal(problem, exact_up_to=0)):
        checked(problem, found)
        assert found.value >= even.value
    assert solve_exact(problem).value >= solve_greedy(problem).value


@given(problems(most=8), st.randoms(use_true_random=False))
def test_the_answer_does_not_depend_on_the_order_of_the_banks(problem: AllocationProblem, random: Random) -> None:
    places = list(range(len(problem.banks)))
    random.shuffle(places)
    shuffled = AllocationProblem(tuple(problem.banks[place] for place in places), problem.budget)
    found = dict(zip((one.id for one in problem.banks), solve_exact(problem).num_templates, strict=True))
    again = dict(zip((one.id for one in shuffled.banks), solve_exact(shuffled).num_templates, strict=True))
    assert solve_exact(problem).value == pytest.approx(solve_exact(shuffled).value, rel=1e-12)
    assert found.keys() == again.keys()


def test_of_equal_banks_the_first_ids_get_more() -> None:
    alike = tuple(covered(number, 100, 10) for number in range(12))
    problem = AllocationProblem(alike, 100 * (12 * 2 + 5))
    assert solve_exact(problem).num_templates == (3,) * 5 + (2,) * 7
    swapped = AllocationProblem((alike[10], *alike[:10], alike[11]), problem.budget)
    assert solve_exact(swapped).num_templates == (2, *(3,) * 5, *(2,) * 6)  # by number, not by place: c2 before c10


@given(problems(), st.integers(0, 3), st.sampled_from(["count", "zero", "over", "cost", "value", "bound", "short"]))
def test_the_checker_takes_no_corrupted_answer(problem: AllocationProblem, at: int, how: str) -> None:
    found = solve_exact(problem)
    assert faults(problem, found) == ()
    place = at % len(problem.banks)
    counts = found.num_templates
    corrupt = {
        "count": evolve(found, num_templates=(*counts[:place], counts[place] + 1, *counts[place + 1 :])),
        "zero": evolve(found, num_templates=(*counts[:place], 0, *counts[place + 1 :])),
        "over": evolve(found, num_templates=tuple(one.most + 1 for one in problem.banks)),
        "cost": evolve(found, cost=found.cost - 1),
        "value": evolve(found, value=found.value + 1.0),
        "bound": evolve(found, bound=found.value - 1.0),
        "short": evolve(found, num_templates=counts[1:]),
    }[how]
    assert faults(problem, corrupt) != ()
    with pytest.raises(AssertionError):
        checked(problem, corrupt)


def test_the_checker_holds_the_budget() -> None:
    problem = AllocationProblem((covered(0, 10, 4),), 25)
    over = Solution((3,), "even", 30, value_of(problem, (3,)))
    assert any("of a budget of 25" in fault for fault in faults(problem, over))


def test_even_fills_beyond_the_slots_where_something_is_left_and_compares_strictly() -> None:
    assert solve_even(AllocationProblem((covered(0, 10, 1),), 40)).num_templates == (3,)  # a fourth would leave nothing
    assert solve_even(AllocationProblem((covered(0, 10, 1),), 41)).num_templates == (4,)
    assert solve_even(AllocationProblem((covered(0, 10, 1, cap=2),), 400)).num_templates == (2,)


def test_even_serves_banks_with_more_slots_first() -> None:
    problem = AllocationProblem((covered(0, 10, 1), covered(1, 10, 3)), 41)
    assert solve_even(problem).num_templates == (1, 3)


@pytest.mark.parametrize("solve", [solve_even, solve_greedy, solve_exact, solve_optimal])
def test_without_a_budget_everything_useful_and_below_the_minimum_nothing(solve: object) -> None:
    assert callable(solve)
    banks = (covered(0, 10, 3), covered(1, 7, 20))
    assert solve(AllocationProblem(banks, None)) == everything(AllocationProblem(banks, None))
    assert solve(AllocationProblem(banks, None)).num_templates == (3, 8)
    assert solve(AllocationProblem(banks, 17)).num_templates == (1, 1)
    with pytest.raises(ValueError, match="needs 17 scalars"):
        solve(AllocationProblem(banks, 16))


@given(st.integers(1, 10**7), st.integers(1, 60), st.integers(1, 60))
def test_coverage_is_its_formula_and_concave(size: int, slots: int, cap: int) -> None:
    values = coverage(size, slots, cap)
    for count, worth in enumerate(running(values)):
        assert worth == pytest.approx(size * slots * (1 - (1 - count / slots) ** 2), rel=1e-9, abs=1e-6)
    assert list(values) == sorted(values, reverse=True)
    assert all(value > 0 for value in values)


# a square of float32 is at least 1e-90: nothing measured is so small that scaling it loses digits
squares = st.just(0.0) | st.floats(1e-90, 1e9)


@given(st.integers(1, 1000), st.lists(squares, min_size=1, max_size=20), st.floats(1e-3, 1e3))
def test_profiled_is_a_share_of_the_scalars_and_blind_to_scale(size: int, found: list[float], scale: float) -> None:
    values = profiled(size, len(found), 99, tuple(found))
    scaled = profiled(size, len(found), 99, tuple(scale * energy for energy in found))
    total = size * len(found) if sum(found) > 0 else 0
    assert sum(values) == pytest.approx(total)
    assert scaled == pytest.approx(values, rel=1e-6, abs=1e-6)
    assert list(values) == sorted(values, reverse=True)


def test_profiled_gives_where_the_spectrum_is_long() -> None:
    flat, steep = measured(0, 100, [1.0] * 8, 8), measured(1, 100, [8.0, *[1e-6] * 7], 8)
    assert solve_exact(AllocationProblem((flat, steep), 900)).num_templates == (8, 1)
    with pytest.raises(ValueError, match="negative"):
        profiled(1, 2, 2, (1.0, -1.0))
    with pytest.raises(ValueError, match="negative"):
        profiled(1, 2, 2, (float("nan"),))


def large(num: int) -> AllocationProblem:
    random = Random(0)
    sizes = [random.choice((144, 432, 2304, 36864, 589824)) * random.randint(1, 40) for _ in range(num)]
    banks = tuple(covered(number, size, random.randint(1, 40)) for number, size in enumerate(sizes))
    least = sum(one.cost for one in banks)
    most = everything(AllocationProblem(banks, None)).cost
    return AllocationProblem(banks, least + (most - least) // 3)


def test_a_thousand_clusters_exactly_and_ten_thousand_greedily_in_time() -> None:
    start = time.process_time()
    exact = checked(large(1000), solve_optimal(large(1000)))
    middle = time.process_time()
    greedy = checked(large(10_000), solve_optimal(large(10_000)))
    assert middle - start < 10  # twice the time it may take on a quiet machine
    assert time.process_time() - middle < 4
    assert (exact.method, greedy.method) == ("exact", "greedy")
    assert (exact.gap or 0) < 1e-6
    assert (greedy.gap or 0) < 1e-5


def test_the_library_prints_nothing_and_output_around_it_is_kept() -> None:
    program = (
        "from swc.compiler.solvers.quiet import quiet_library\n"
        "import ctypes\n"
        "print('before')\n"
        "with quiet_library():\n"
        "    ctypes.CDLL(None).printf(b'noise\\n')\n"
        "print('after')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "before\nafter\n"
