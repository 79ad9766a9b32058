"""The pass that decides how many templates each bank gets under the ensemble's budget.

Takes a graph with banks and slots, gives it with `num_templates` set. Guarantees: the budget holds in the unit the
spec states, whatever is untied later; every answer is checked in whole numbers; what could not be done as asked is a
diagnostic. Sources: authors' release for `even`; `optimal` is this project's (docs/explanation/method.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from attrs import evolve, frozen

from swc.compiler.ir.graph import Bank, Graph
from swc.compiler.passes.budget import budget_scalars, template_allowance, template_cost
from swc.compiler.passes.context import Context
from swc.compiler.passes.least import least_budget
from swc.compiler.solvers.check import checked
from swc.compiler.solvers.even import solve_even
from swc.compiler.solvers.exact import solve_optimal
from swc.compiler.solvers.objectives import coverage, profiled
from swc.compiler.solvers.problem import AllocationProblem, BankProblem, Solution
from swc.diagnostics.catalogue.budget import (
    BudgetNotUsed,
    BudgetTooSmall,
    MixedRules,
    NoSpectraYet,
    SharingStoresMore,
)
from swc.diagnostics.catalogue.limits import TooManyParameters
from swc.program.expressions import num_scalars
from swc.program.feedback import ClusterFeedback
from swc.program.limits import SCALARS
from swc.program.spec import Spec, Templates

_MANY = 3  # how many of the costliest banks an error names
_LEFT_OVER = 0.01  # a smaller part of the budget may be left over without a word


@frozen
class Allocate:
    """Share the budget out among the banks by the rule of the share blocks."""

    name: str = "allocate"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Set each bank's number of templates; the graph as it is where that cannot be done."""
        rules = bank_rules(graph, context.spec)
        if not rules or _rules_differ(rules, context):
            return graph
        problem = problem_of(graph, context.spec, rules, _spectra(graph, rules, context))
        # Every bank needs one template: without it some layer would have no weight.
        if problem.budget is not None and problem.minimum > problem.budget:
            context.sink.report(_too_small(graph, context, problem))
            return graph
        solution = _solved(problem, next(iter(rules.values())))
        if solution.cost > SCALARS:
            what = "the templates hold"
            context.sink.report(TooManyParameters(span=context.spec.budget.span, what=what, most=SCALARS))
        _tell(problem, solution, rules, context, graph)
        counts = zip(graph.banks, solution.num_templates, strict=True)
        return evolve(graph, banks=tuple(evolve(bank, num_templates=count) for bank, count in counts))


def bank_rules(graph: Graph, spec: Spec) -> dict[str, Templates]:
    """The `templates` rule of each bank, by bank id, in the order of the graph's banks."""
    share = {cluster.id: cluster.share for cluster in graph.clusters}
    cluster = {level.id: level.cluster for level in graph.levels}
    return {bank.id: spec.shares[share[cluster[bank.id]]].templates for bank in graph.banks}


def problem_of(
    graph: Graph, spec: Spec, rules: Mapping[str, Templates], spectra: Mapping[str, tuple[float, ...]]
) -> AllocationProblem:
    """The allocation problem of a graph; banks with a spectrum in `spectra` are valued by it, others by coverage."""
    num_slots = Counter(slot.bank for slot in graph.slots)
    banks = tuple(
        _bank_problem(bank, num_slots[bank.id], rules[bank.id].cap, spec, spectra.get(bank.id)) for bank in graph.banks
    )
    return AllocationProblem(banks, template_allowance(spec, graph))


def _bank_problem(bank: Bank, num_slots: int, cap: int, spec: Spec, energies: tuple[float, ...] | None) -> BankProblem:
    size = bank.template_size
    values = coverage(size, num_slots, cap) if energies is None else profiled(size, num_slots, cap, energies)
    return BankProblem(bank.id, template_cost(spec, size, num_slots), num_slots, cap, values)


def _solved(problem: AllocationProblem, rule: Templates) -> Solution:
    return checked(problem, solve_even(problem) if rule.rule == "even" else solve_optimal(problem))


def _label(rule: Templates) -> str:
    return rule.rule if rule.rule == "even" else f"{rule.rule}({rule.objective})"


def _rules_differ(rules: Mapping[str, Templates], context: Context) -> bool:
    """Report two rules under one budget; without a budget every bank is filled and rules do not matter."""
    first, *others = rules.values()
    odd = next((rule for rule in others if _label(rule) != _label(first)), None)
    if odd is None or context.spec.budget.kind == "unlimited":
        return False
    context.sink.report(MixedRules(span=odd.span, first=_label(first), second=_label(odd)))
    return True


def _spectra(graph: Graph, rules: Mapping[str, Templates], context: Context) -> dict[str, tuple[float, ...]]:
    """The latest measured spectra where the rule asks for them; banks without one are reported, never silent."""
    rule = next(iter(rules.values()))
    if _label(rule) != "optimal(profiled)" or context.spec.budget.kind == "unlimited":
        return {}
    # One rule for all banks from here on: `_rules_differ` has stopped any mixture.
    splits = [feedback for feedback in context.feedback if isinstance(feedback, ClusterFeedback)]
    measured = {spectrum.bank: spectrum.energies for spectrum in splits[-1].spectra} if splits else {}
    missing = sum(bank.id not in measured for bank in graph.banks)
    if missing:
        context.sink.report(NoSpectraYet(span=rule.span, missing=missing, banks=len(graph.banks)))
    return measured


def _too_small(graph: Graph, context: Context, problem: AllocationProblem) -> BudgetTooSmall:
    spec = context.spec
    return BudgetTooSmall(
        span=spec.budget.span,
        budget=budget_scalars(spec, graph) or 0,
        smallest=least_budget(graph, problem.minimum, context),
        unit=_unit(spec),
        forced_by=_forced_by(graph, problem),
    )


def _unit(spec: Spec) -> str:
    return "parameters" if spec.budget.kind == "parameters" else "templates"


def _forced_by(graph: Graph, problem: AllocationProblem) -> tuple[str, ...]:
    """The costliest banks, each with the first layer that needs it."""
    first: dict[str, str] = {}
    for slot in graph.slots:
        first.setdefault(slot.bank, slot.layer)
    shapes = {layer.id: layer.shape for layer in graph.layers}
    costly = sorted(problem.banks, key=lambda bank: -bank.cost)[:_MANY]
    return tuple(
        f"`{bank.id}` takes {bank.cost:,} for `{first[bank.id]}` {list(shapes[first[bank.id]])}"
        + (f" and {bank.num_slots - 1} more layers" if bank.num_slots > 1 else "")
        for bank in costly
    )


def _tell(
    problem: AllocationProblem, solution: Solution, rules: Mapping[str, Templates], context: Context, graph: Graph
) -> None:
    """Say how the answer was found and how good it is; warn where the banks cannot hold the budget."""
    rule = next(iter(rules.values()))
    if solution.gap is not None:
        context.notes.append(f"templates: {_label(rule)}, {solution.method}, proven gap {solution.gap:.1e}")
    budget = budget_scalars(context.spec, graph)
    if budget is None or problem.budget is None:
        return
    _tell_if_more(solution, graph, context)
    if problem.budget - solution.cost <= _LEFT_OVER * budget:
        return
    # More templates than slots add nothing: n rows span at most n dimensions, and n templates make any n rows.
    full = zip(problem.banks, solution.num_templates, strict=True)
    if all(count >= bank.most for bank, count in full):
        used = solution.cost + budget - problem.budget
        context.sink.report(
            BudgetNotUsed(span=context.spec.budget.span, budget=budget, used=used, unit=_unit(context.spec))
        )


def _tell_if_more(solution: Solution, graph: Graph, context: Context) -> None:
    """Warn where templates hold more than the layers that draw on them would own."""
    sharing = {slot.layer for slot in graph.slots}
    native = sum(num_scalars(layer.shape) for layer in graph.layers if layer.id in sharing)
    pairs = zip(graph.banks, solution.num_templates, strict=True)
    if (held := sum(bank.template_size * count for bank, count in pairs)) > native:
        span = context.spec.budget.span
        context.sink.report(SharingStoresMore(span=span, templates=held, native=native))
