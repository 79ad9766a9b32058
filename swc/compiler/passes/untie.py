"""The pass that unties coefficients whose slots' gradients disagree.

Takes an allocated graph with tied coefficients, and coefficient feedback; gives it with some slots on coefficients
of their own. Guarantees: banks, templates and the order of the slots stay as they are, so the runtime can copy the
present numbers and every member's output is the same to the bit; the first group keeps its coefficient's id.
Source: paper, supplementary section 2 (Algorithm 1); authors' release for the time and the scope.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from swc.compiler.ir.graph import Graph
from swc.compiler.passes.alike import warn_of_alike
from swc.compiler.passes.context import Context
from swc.compiler.passes.grouping import union
from swc.compiler.passes.revisions import unties
from swc.compiler.passes.tie import with_coefficients
from swc.program.feedback import CoefficientFeedback, Similarity, unknown_errors


@frozen
class UntieByFeedback:
    """Apply coefficient feedback, one piece after the other; tell of members that nothing parts."""

    name: str = "untie"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give the graph with further coefficients, each named after the first slot that uses it."""
        warn_of_alike(graph, context)
        for feedback, action in unties(context):
            before = len(graph.coefficients)
            graph = _untied(graph, feedback, action.threshold)
            summary = _summary(graph, feedback, action.threshold, before)
            context.notes.append(summary + unknown_errors(feedback.similarities))
        return graph


def tied_slots(graph: Graph) -> dict[str, list[str]]:
    """The slots of each coefficient, in order."""
    found: dict[str, list[str]] = {}
    for slot in graph.slots:
        found.setdefault(slot.coefficient, []).append(slot.id)
    return found


def _untied(graph: Graph, feedback: CoefficientFeedback, threshold: float) -> Graph:
    # With one template a coefficient vector is one number, and the cosine of two numbers is 1 or -1: it measures
    # nothing.
    frozen_banks = {bank.id for bank in graph.banks if bank.num_templates == 1}
    bank_of = {coefficient.id: coefficient.bank for coefficient in graph.coefficients}
    pairs = _pairs_by_coefficient(graph, feedback.similarities)
    silent = frozenset(feedback.silent)
    named = {slot.id: slot.coefficient for slot in graph.slots}
    for coefficient, slots in tied_slots(graph).items():
        if bank_of[coefficient] in frozen_banks:
            continue
        heard = [slot for slot in slots if slot not in silent]
        # The first group goes on with the old vector; slots without a gradient stay with it too.
        for group in union(heard, pairs.get(coefficient, ()), threshold)[1:]:
            named |= dict.fromkeys(group, group[0])
    return with_coefficients(graph, named)


def _pairs_by_coefficient(graph: Graph, similarities: Iterable[Similarity]) -> dict[str, list[Similarity]]:
    coefficient_of = {slot.id: slot.coefficient for slot in graph.slots}
    found: dict[str, list[Similarity]] = {}
    for pair in similarities:
        first, second = coefficient_of.get(pair.first), coefficient_of.get(pair.second)
        if first is not None and first == second:
            found.setdefault(first, []).append(pair)
    return found


def _summary(graph: Graph, feedback: CoefficientFeedback, threshold: float, before: int) -> str:
    single = {bank.id for bank in graph.banks if bank.num_templates == 1}
    tied = {name for name, slots in tied_slots(graph).items() if len(slots) > 1}
    kept = sum(1 for coefficient in graph.coefficients if coefficient.bank in single and coefficient.id in tied)
    line = f"untied coefficients below {threshold:g}: {before} became {len(graph.coefficients)}"
    if kept:
        line += f"; left tied in banks of one template, where every similarity is 1 or -1: {kept}"
    if feedback.silent:
        line += f"; {len(feedback.silent)} slots had no gradient and stay tied"
    return line
