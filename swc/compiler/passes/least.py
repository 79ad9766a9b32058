"""The least budget that pays for templates, whatever else takes its part of the budget.

Takes a graph and what its templates cost; gives a whole number in the budget's unit. Guarantees: with that budget the
templates are paid. Without policies that fill what the budget leaves the number is a sum; with them what is fixed grows
with the budget, and the least is searched for.
"""

from __future__ import annotations

from bisect import bisect_left

from attrs import evolve

from swc.compiler.ir.graph import Graph
from swc.compiler.passes.budget import fixed_scalars, template_allowance
from swc.compiler.passes.context import Context
from swc.compiler.passes.policies import policy_of
from swc.compiler.passes.regroup import spec_of_revision
from swc.compiler.passes.select import layers_by_share
from swc.compiler.passes.store import Store
from swc.diagnostics import Sink
from swc.program.spec import Budget


def least_budget(graph: Graph, cost: int, context: Context) -> int:
    """The least budget that leaves `cost` for templates, in the unit of the spec's own."""
    least = fixed_scalars(context.spec, graph) + cost
    blocks = layers_by_share(graph, spec_of_revision(context))
    if not any(layers and policy_of(share.policy).fills_room for share, layers in blocks):
        return least
    # What others take of it grows with the budget: doubled until enough is left, then searched for.
    low, high = 0, max(1, least)
    while not _leaves(high, cost, graph, context):
        low, high = high, 2 * high
    return low + bisect_left(range(low, high), True, key=lambda budget: _leaves(budget, cost, graph, context))


def _leaves(budget: int, cost: int, graph: Graph, context: Context) -> bool:
    """Whether a budget of so many scalars leaves `cost` for templates, when those who fill it have taken their part."""
    spec = evolve(context.spec, budget=evolve(_whole(context.spec.budget), amount=budget))
    tried = evolve(context, spec=spec, sink=Sink(), notes=[])
    left = template_allowance(spec, Store().run(evolve(graph, tensors=()), tried))
    return not tried.sink.errors and left is not None and left >= cost


def _whole(budget: Budget) -> Budget:
    """The budget in a unit that counts scalars: a part of native ones is counted in templates."""
    return budget if budget.kind == "parameters" else evolve(budget, kind="templates")
