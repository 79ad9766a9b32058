"""The allocation pass: units, rules, spectra, and what authors are told."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from swc.compiler.ir.counts import count
from swc.compiler.ir.graph import Graph
from swc.compiler.passes.allocate import Allocate, bank_rules, problem_of
from swc.compiler.passes.context import Context
from swc.compiler.passes.pipeline import run_pipeline
from swc.compiler.solvers.problem import value_of
from swc.diagnostics import Severity
from swc.program.feedback import ClusterFeedback, CoefficientFeedback, Spectrum
from swc.program.spec import Budget, Clusters, Selector, Share, Spec, Templates

from support.examples import percent
from support.wrn_shapes import wrn_context

NETS = ((16, 2), (16, 1))
EVEN = Templates()
COVERAGE = Templates("optimal", "coverage")
PROFILED = Templates("optimal", "profiled")


def context(budget: Budget, templates: Templates = EVEN, coefficients: str = "partner") -> Context:
    share = Share(Selector("conv"), templates=templates, coefficients=coefficients)  # type: ignore[arg-type]
    return wrn_context(NETS, budget, share)


GRAPH = run_pipeline(context(Budget("unlimited")))


def counts_of(graph: Graph) -> tuple[int, ...]:
    return tuple(bank.num_templates for bank in graph.banks)


def codes(found: Context) -> list[str]:
    return [diagnostic.code for diagnostic in found.sink.diagnostics]


def test_without_a_budget_every_bank_is_as_full_as_is_of_use() -> None:
    slots = [slot.bank for slot in GRAPH.slots]
    assert counts_of(GRAPH) == tuple(min(8, slots.count(bank.id)) for bank in GRAPH.banks)


@percent(40)
@given(
    st.sampled_from(["templates", "parameters"]),
    st.floats(0.0, 1.5),
    st.sampled_from([Templates(), COVERAGE, PROFILED, Templates("even", cap=3)]),
)
def test_a_budget_holds_even_when_everything_is_untied(kind: str, over: float, rule: Templates) -> None:
    found = context(Budget("unlimited"), rule, "slot")
    untied = run_pipeline(found)
    private = count(untied).private_scalars
    least = sum(b.template_size for b in untied.banks) + (private + len(untied.slots) if kind == "parameters" else 0)
    amount = least + int(over * count(untied).template_scalars)
    spec = evolve(found.spec, budget=Budget(kind, amount))  # type: ignore[arg-type]
    counts = count(Allocate().run(untied, evolve(found, spec=spec)))
    assert (counts.parameter_scalars if kind == "parameters" else counts.template_scalars) <= amount
    assert not found.sink.errors


@pytest.mark.parametrize("kind", ["templates", "parameters"])
def test_the_smallest_feasible_budget_is_just_that(kind: str) -> None:
    found = context(Budget(kind, 100))  # type: ignore[arg-type]
    assert Allocate().run(GRAPH, found) == GRAPH
    (error,) = found.sink.errors
    assert error.code == "SW450"
    smallest = error.smallest  # type: ignore[attr-defined]
    assert f"{smallest:,}" in error.message()
    assert "m0.block3" in " ".join(error.notes())
    fits, tight = (context(Budget(kind, amount)) for amount in (smallest, smallest - 1))  # type: ignore[arg-type]
    assert set(counts_of(Allocate().run(GRAPH, fits))) == {1}
    assert not fits.sink.errors
    Allocate().run(GRAPH, tight)
    assert codes(tight) == ["SW450"]


def test_optimal_covers_at_least_what_even_does_and_says_how_well_it_is_solved() -> None:
    budget = Budget("templates", 400_000)
    best, even = context(budget, COVERAGE), context(budget)
    problem = problem_of(GRAPH, best.spec, bank_rules(GRAPH, best.spec), {})
    worth = [value_of(problem, counts_of(Allocate().run(GRAPH, one))) for one in (best, even)]
    assert worth[0] > worth[1]
    assert any("optimal(coverage), exact, proven gap" in note for note in best.notes)
    assert even.notes == []


def two_blocks(budget: Budget, first: Templates, second: Templates) -> tuple[Graph, Context]:
    """The last cluster moves to a second share block with a rule of its own."""
    base = context(budget)
    shares = tuple(Share(Selector("conv"), templates=rule) for rule in (first, second))
    spec: Spec = evolve(base.spec, shares=shares)
    clusters = (*GRAPH.clusters[:-1], evolve(GRAPH.clusters[-1], share=1))
    return evolve(GRAPH, clusters=clusters), evolve(base, spec=spec)


def test_two_rules_under_one_budget_are_refused() -> None:
    graph, found = two_blocks(Budget("templates", 10**6), Templates(), COVERAGE)
    assert Allocate().run(graph, found) == graph
    assert codes(found) == ["SW451"]
    assert "`even`" in found.sink.errors[0].message()
    assert "`optimal(coverage)`" in found.sink.errors[0].message()


def test_two_rules_without_a_budget_and_two_caps_with_one_are_fine() -> None:
    graph, found = two_blocks(Budget("unlimited"), Templates(), PROFILED)
    assert Allocate().run(graph, found) == graph
    assert codes(found) == []
    graph, found = two_blocks(Budget("templates", 10**6), Templates(cap=8), Templates(cap=2))
    last = {level.id for level in graph.levels if level.cluster == graph.clusters[-1].id}
    allocated = Allocate().run(graph, found)
    assert codes(found) in ([], ["SW453"])
    assert max(bank.num_templates for bank in allocated.banks if bank.id in last) <= 2
    assert max(counts_of(allocated)) > 2


def spectra(steep: str) -> ClusterFeedback:
    """Every bank has a flat spectrum but one, whose first energy is all."""
    slots = [slot.bank for slot in GRAPH.slots]
    found = tuple(
        Spectrum(bank.id, (1.0, *[0.0 if bank.id == steep else 1.0] * (slots.count(bank.id) - 1)))
        for bank in GRAPH.banks
    )
    return ClusterFeedback(0, (), spectra=found)


def test_profiled_follows_the_latest_spectra() -> None:
    steep = max(GRAPH.banks, key=lambda bank: bank.num_templates).id
    budget = Budget("templates", count(GRAPH).template_scalars)
    feedback = (ClusterFeedback(0, ()), spectra(steep), CoefficientFeedback(1, ()))
    found = evolve(context(budget, PROFILED), feedback=feedback)
    allocated = {bank.id: bank.num_templates for bank in Allocate().run(GRAPH, found).banks}
    assert allocated.pop(steep) == 1
    assert list(allocated.values()) == [bank.num_templates for bank in GRAPH.banks if bank.id != steep]
    assert "SW452" not in codes(found)


@pytest.mark.parametrize("feedback", [(), (spectra("c0.0"), ClusterFeedback(1, ()))])
def test_profiled_without_spectra_is_coverage_and_says_so(feedback: tuple[ClusterFeedback, ...]) -> None:
    budget = Budget("templates", 400_000)
    found = evolve(context(budget, PROFILED), feedback=feedback)
    assert Allocate().run(GRAPH, found) == Allocate().run(GRAPH, context(budget, COVERAGE))
    (note,) = found.sink.diagnostics
    assert (note.code, note.severity) == ("SW452", Severity.NOTE)


def test_a_budget_that_cannot_be_used_is_told() -> None:
    found = context(Budget("templates", 10**8), COVERAGE)
    assert Allocate().run(GRAPH, found) == GRAPH
    assert codes(found) == ["SW453"]
    assert f"{count(GRAPH).template_scalars:,}" in found.sink.warnings[0].message()


def test_a_graph_without_banks_is_left_alone() -> None:
    empty = Graph("test", 0, "")
    found = evolve(context(Budget("templates", 1)))
    assert Allocate().run(empty, found) == empty
    assert codes(found) == []


def test_even_goes_beyond_native_up_to_its_cap() -> None:
    share = Share(Selector("conv"), clusters=Clusters("per_layer"))
    counts = count(run_pipeline(wrn_context(((16, 1),) * 4, Budget("native", 3.0), share)))
    assert counts.template_scalars == 8 * counts.native_scalars // 4
