"""What an ensemble stores and costs, before anything trains.

Takes a system; gives `PlannedSystem`. Guarantees: numbers are exact and those of `swc.compiler.ir.counts` and of
`swc_runtime.evaluate.cost`; they are of the first revision, whatever training made of it; no code of `python(...)`
members runs.
"""

from __future__ import annotations

from attrs import frozen

from swc.compare.systems import System
from swc.compiler.ir.counts import Counts, composed, count
from swc.compiler.ir.graph import Graph
from swc.evaluate.planned import planned_multiply_adds
from swc.program.spec import Share, Spec
from swc.show.wording import budget_text

BYTES = 4  # parameters, their gradients and the optimiser's state are float32 always


@frozen
class Memory:
    """The bytes that weights take in a training step, all in float32.

    `momentum` is all that the optimiser keeps in the shape of the parameters: two moments, say.
    `composed` are the weights made of what is stored, those of all members at once, and `composed_gradients` the
    gradients on them that wait at a time. Activations, buffers and batches are left out.
    """

    parameters: int
    gradients: int
    momentum: int
    composed: int
    composed_gradients: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.parameters + self.gradients + self.momentum + self.composed + self.composed_gradients


@frozen
class PlannedSystem:
    """A system as it is compiled.

    `multiply_adds` are those of a prediction of the whole ensemble, None where those of a member whose code is not ours
    were not counted when it was compiled; `sharing` names for each share block its policy and what it selects; `memory`
    is None without a train block.
    """

    members: int
    budget: str
    sharing: tuple[str, ...]
    counts: Counts
    multiply_adds: int | None
    memory: Memory | None

    @property
    def stored_scalars(self) -> int:
        """What is stored for the shared layers, without coefficients: the part that `native_scalars` became."""
        return self.counts.template_scalars + self.counts.tensor_scalars


def planned_of(system: System) -> PlannedSystem:
    """Count a system; DiagnosticError where a member is no longer what was compiled."""
    first, spec = system.build.revisions[0], system.build.spec
    assert first.program is not None, "a build holds programs"
    counts = count(first.graph)
    return PlannedSystem(
        members=len(spec.members),
        budget=budget_text(spec.budget),
        sharing=tuple(_sharing(share) for share in spec.shares),
        counts=counts,
        multiply_adds=planned_multiply_adds(first.program, system.build.tables),
        memory=_memory(first.graph, counts, spec),
    )


def _sharing(share: Share) -> str:
    selector = share.selector
    return f"{share.policy} {selector.pattern if selector.kind == 'glob' else selector.kind}"


def _memory(graph: Graph, counts: Counts, spec: Spec) -> Memory | None:
    if spec.training is None:
        return None
    stored, made = BYTES * counts.parameter_scalars, composed(graph)
    kept = sum(row.shape == "parameter" for row in spec.training.recipe.optimiser.state)
    return Memory(stored, stored, kept * stored, BYTES * made.weight_scalars, BYTES * made.gradient_scalars)
