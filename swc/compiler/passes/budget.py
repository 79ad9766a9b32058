"""The budget line of a spec in scalars, and what a graph owns whatever its banks are.

Takes the spec and a graph with layers, private parameters and stored tensors; gives whole numbers. Guarantees: the
pass that clusters and the pass that allocates count with the same three functions, so a clustering that was found
to fit can be allocated.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor

from swc.compiler.ir.graph import Graph
from swc.program.expressions import num_scalars
from swc.program.spec import Spec


def native_scalars(graph: Graph) -> int:
    """What the graph's layers would own unshared (the `native` of a budget)."""
    return sum(num_scalars(layer.shape) for layer in graph.layers)


def budget_scalars(spec: Spec, graph: Graph) -> int | None:
    """The budget as a whole number of scalars, in the unit the spec states; None for an unlimited one.

    A `native` budget is that fraction of `native_scalars`, rounded down.
    """
    match spec.budget.kind:
        case "unlimited":
            return None
        case "native":
            return floor(_exact(spec.budget.amount) * native_scalars(graph))
        case "templates" | "parameters":
            return floor(_exact(spec.budget.amount))


def _exact(amount: float) -> Fraction:
    # The decimal the author wrote, not its nearest binary fraction: 10% of 1000 layers' scalars is 100 exactly.
    return Fraction(str(amount))


def tensor_scalars(graph: Graph) -> int:
    """The scalars of the stored tensors but those of coefficients, each counted once."""
    return sum(num_scalars(tensor.shape) for tensor in graph.tensors if tensor.role != "coefficients")


def coefficient_scalars(graph: Graph) -> int:
    """The scalars of stored vectors of coefficients."""
    return sum(num_scalars(tensor.shape) for tensor in graph.tensors if tensor.role == "coefficients")


def private_scalars(graph: Graph) -> int:
    """The scalars of all private parameters: norms, classifiers, biases, layers that were not selected."""
    return sum(num_scalars(private.shape) for private in graph.private)


def fixed_scalars(spec: Spec, graph: Graph) -> int:
    """What the budget pays before the first template.

    Stored tensors are shared storage and count in every unit; private parameters and stored coefficients only in
    `parameters`.
    """
    owned = private_scalars(graph) + coefficient_scalars(graph) if spec.budget.kind == "parameters" else 0
    return tensor_scalars(graph) + owned


def template_allowance(spec: Spec, graph: Graph) -> int | None:
    """What is left of the budget for banks; None for an unlimited budget. It can be negative."""
    budget = budget_scalars(spec, graph)
    return None if budget is None else budget - fixed_scalars(spec, graph)


def apportioned(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """A whole number cut in proportion to the weights: each its part rounded down, what is left to the largest rests.

    The parts add up to the total.
    """
    # 10 by (5, 2, 1): rounded down (6, 2, 1), with rests 2/8, 4/8, 2/8; the one that is left goes to the second: (6, 3,
    # 1). Fewer than len(weights) are left, as each rest is below one, so nobody gets two.
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda place: -(total * weights[place] % whole))
    for place in order[: total - sum(parts)]:
        parts[place] += 1
    return tuple(parts)


def template_cost(spec: Spec, template_size: int, num_slots: int) -> int:
    """What one more template of a bank costs in the budget's unit.

    In `parameters` each slot pays for a coefficient of its own, whether it is tied or not, so that untying can never
    break the budget.
    """
    # A template of 2,304 scalars that 12 slots mix costs 2,316 in `parameters` and 2,304 in `templates`.
    return template_size + (num_slots if spec.budget.kind == "parameters" else 0)
