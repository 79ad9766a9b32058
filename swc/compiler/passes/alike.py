"""Members that have the same weight in every shared layer, of which an ensemble gains little.

Takes an allocated graph; reports what is alike and stays so. Guarantees: nothing is reported of a phase of search, nor
of coefficients that are untied before the phases end; banks of one template are never untied, whatever a phase says.
"""

from __future__ import annotations

from swc.compiler.ir.graph import Graph
from swc.compiler.passes.context import Context
from swc.diagnostics.catalogue.clusters import AlikeThroughout
from swc.program.training import Training


def warn_of_alike(graph: Graph, context: Context) -> None:
    """Report members whose shared weights are the same throughout."""
    stage, training = context.stage, context.spec.training
    if stage is not None and stage.phase.is_search:
        return
    unties = training is not None and _unties_after_search(training)
    parted = {bank.id for bank in graph.banks if bank.num_templates > 1} if unties else set()
    member_of = {layer.id: layer.member for layer in graph.layers}
    used: dict[str, list[tuple[str, str]]] = {}
    for slot in graph.slots:
        member = member_of[slot.layer]
        coefficient = slot.id if slot.bank in parted else slot.coefficient
        used.setdefault(member, []).append((slot.id.removeprefix(member), coefficient))
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for member, uses in used.items():
        alike.setdefault(tuple(sorted(uses)), []).append(member)
    for members in alike.values():
        if len(members) > 1:
            context.sink.report(AlikeThroughout(members=tuple(members), are_single=unties))


def _unties_after_search(training: Training) -> bool:
    """Whether coefficients are untied after the last split: one before it ties all of them again."""
    last = max((number for number, phase in enumerate(training.phases) if phase.is_search), default=-1)
    return any(phase.untie for phase in training.phases[last + 1 :])
