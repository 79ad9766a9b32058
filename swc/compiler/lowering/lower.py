"""Graph to Program; the ids it keeps are the way back from what training measures to the nodes of the graph.

Takes a graph that every pass has seen, gives plain data for the runtime. Guarantees: order is kept; every id of the
Program is an id of the graph, so that feedback needs no matching of names.
"""

from __future__ import annotations

from typing import Literal

from swc.compiler.ir.graph import Graph, Slot
from swc.compiler.passes.levels import gain_for
from swc.files.codec import hash_of
from swc.program.program import (
    SCHEMA,
    BankPlan,
    CoefficientPlan,
    MemberPlan,
    PrivatePlan,
    Program,
    SlotPlan,
    TensorPlan,
    WeightPlan,
)
from swc.program.spec import Spec
from swc.program.stages import frozen_at
from swc.program.vocabulary import Initialisation


def lower(graph: Graph, spec: Spec, spec_hash: str = "") -> Program:
    """The Program of a complete graph; `spec` gives data, training and the initialisation of each share block.

    `spec_hash` is the hash the spec is known by ("": that of the spec as it is).
    """
    return Program(
        schema=SCHEMA,
        ensemble=graph.ensemble,
        revision=graph.revision,
        spec_hash=spec_hash or hash_of(spec),
        graph_hash=hash_of(graph),
        data=spec.data,
        members=tuple(MemberPlan(member.name, member.source, member.host) for member in graph.members),
        banks=_banks(graph, spec),
        coefficients=tuple(CoefficientPlan(c.id, c.bank) for c in graph.coefficients),
        slots=_slots(graph, spec),
        tensors=tuple(TensorPlan(t.id, t.shape, t.fan_in, t.start, t.role, t.rate) for t in graph.tensors),
        weights=_weights(graph),
        private=tuple(PrivatePlan(p.member, p.path, p.shape, p.like) for p in graph.private),
        training=spec.training,
        step=spec.step,
        plug_ins=spec.plug_ins,
        frozen=frozen_at(spec.training, graph.revision),
    )


def _banks(graph: Graph, spec: Spec) -> tuple[BankPlan, ...]:
    starts = _initialisations(graph, spec)
    return tuple(
        BankPlan(b.id, b.num_templates, b.template_size, b.fan_in, _draw_of(starts[b.id])) for b in graph.banks
    )


def _draw_of(initialisation: Initialisation) -> Literal["kaiming", "release"]:
    """How templates are drawn: gains and scaled coefficients take Kaiming's variance and correct it by layer."""
    return "release" if initialisation == "release" else "kaiming"


def _initialisations(graph: Graph, spec: Spec) -> dict[str, Initialisation]:
    """What the share block of each bank says, by bank."""
    shares = {cluster.id: spec.shares[cluster.share] for cluster in graph.clusters}
    return {level.id: shares[level.cluster].initialisation for level in graph.levels}


def _slots(graph: Graph, spec: Spec) -> tuple[SlotPlan, ...]:
    layers = {layer.id: layer for layer in graph.layers}
    starts, fan_ins = _initialisations(graph, spec), {bank.id: bank.fan_in for bank in graph.banks}

    def lowered(slot: Slot) -> SlotPlan:
        layer = layers[slot.layer]
        scale = gain_for(fan_ins[slot.bank], layer) if starts[slot.bank] == "scaled" else 1.0
        return SlotPlan(slot.id, layer.member, slot.bank, slot.coefficient, slot.gain, scale)

    return tuple(lowered(slot) for slot in graph.slots)


def _weights(graph: Graph) -> tuple[WeightPlan, ...]:
    layers = {layer.id: layer for layer in graph.layers}
    return tuple(
        WeightPlan(layers[w.layer].member, layers[w.layer].parameter, layers[w.layer].shape, w.expression, w.layer)
        for w in graph.weights
    )
