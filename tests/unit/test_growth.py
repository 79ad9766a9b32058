"""How the compiler's work grows with the number of layers, in calls of functions: no clock, no busy machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from benchmarks.compiler import compile_whole
from benchmarks.machine import machine_lines
from benchmarks.synthetic import SPLIT, allocation, ensemble, statistics
from swc.compiler.driver import compile_spec, recompile
from swc.compiler.passes.grouping import sizes_over_threshold, union
from swc.compiler.solvers.exact import solve_optimal
from swc.program.expressions import Combine, Concat, Expression, placements, slots_of
from swc.program.feedback import Similarity

from support.counting import calls


def test_four_times_the_layers_are_little_more_than_four_times_the_work() -> None:
    compile_whole(*ensemble(100))  # what is made once (converters, tables) is no growth
    small, large = (calls(lambda n=n: compile_whole(*ensemble(n))) for n in (100, 400))
    assert small < large < 4.5 * small


def test_a_split_grows_with_its_pairs() -> None:
    work: list[float] = []
    for num_layers in (100, 400):
        compiled = compile_spec(*ensemble(num_layers, 40, SPLIT))
        feedback = statistics(compiled)
        found = calls(lambda c=compiled, f=feedback: recompile(c, f))
        work.append(found / (num_layers + len(feedback.similarities)))
    assert work[1] < 1.2 * work[0]


def chain(levels: int) -> Expression:
    """A weight of so many levels, each appended to all before it."""
    built: Expression = Combine("m.a#0", 0, (1, 1))
    for level in range(1, levels):
        built = Concat(1, (built, Combine(f"m.a#{level}", 0, (1, 1))))
    return built


@pytest.mark.parametrize("read", [placements, slots_of])
def test_reading_a_chain_grows_with_its_length(read: Callable[[Expression], object]) -> None:
    short, long = (calls(lambda n=n: read(chain(n))) for n in (40, 160))
    assert long < 4.5 * short
    assert [block.origin for block in placements(chain(5))] == [(0, column) for column in range(5)]


def test_the_sizes_are_those_of_the_groups_at_each_threshold() -> None:
    values = {("a", "b"): 0.5, ("b", "c"): 0.2, ("d", "e"): 0.2, ("c", "d"): 0.1, ("e", "f"): -0.3}
    pairs = [Similarity(one, other, value, 0.0) for (one, other), value in values.items()]
    thresholds = (-1.0, 0.1, 0.2, 0.3, 0.9)  # two of them are a pair's own value, which is not above itself
    expected = tuple((t, tuple(sorted(map(len, union("abcdef", pairs, t)), reverse=True))) for t in thresholds)
    assert sizes_over_threshold(pairs, thresholds) == expected
    assert sizes_over_threshold(pairs[::-1], thresholds) == expected


def test_a_thousand_clusters_of_three_levels_are_solved_exactly() -> None:
    problem = allocation(3_000)
    found = solve_optimal(problem)
    assert found.method == "exact"
    assert (found.gap or 0) <= 1e-6
    assert solve_optimal(evolve(problem)) == found


def test_the_machine_has_a_name() -> None:
    processor, versions = machine_lines()
    assert "cores" in processor
    assert "Python" in versions
    assert "torch" in versions
