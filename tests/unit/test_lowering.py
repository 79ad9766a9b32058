"""Lowering, the way back, and the comparison of Programs."""

from __future__ import annotations

import pytest
from attrs import evolve
from swc.compiler.ir.counts import count
from swc.compiler.lowering.lower import lower
from swc.diagnostics import Span
from swc.files.codec import decode, encode, hash_of
from swc.program.diff import (
    ChangedBank,
    MovedLayer,
    SplitCluster,
    UntiedCoefficient,
    clusters_of,
    count_program,
    diff_programs,
)
from swc.program.expressions import slots_of
from swc.program.program import BankPlan, Program, SlotPlan
from swc.program.spec import Selector, Share
from swc.program.vocabulary import Initialisation

from support.graphs import small_graph, small_spec


def test_a_program_holds_what_the_graph_says() -> None:
    graph, spec = small_graph(), small_spec()
    program = lower(graph, spec)
    assert program.banks[0] == BankPlan("c0.0", 2, 288, 72, "kaiming")
    assert program.slots[2] == SlotPlan("thin.conv0#0", "thin", "c0.0", "wide.conv0#0")
    assert [(w.member, w.path, w.shape) for w in program.weights][1] == ("wide", "conv1.weight", (8, 8, 3, 3))
    assert [w.expression for w in program.weights] == [w.expression for w in graph.weights]
    assert (program.training, program.data) == (spec.training, spec.data)
    assert (program.spec_hash, program.graph_hash) == (hash_of(spec), hash_of(graph))
    assert decode(encode(program), Program) == program
    assert encode(lower(small_graph(), small_spec())) == encode(program)


def test_the_initialisation_is_the_share_blocks() -> None:
    spec = evolve(small_spec(), shares=(Share(Selector("conv"), initialisation="release"),))
    assert {bank.initialisation for bank in lower(small_graph(), spec).banks} == {"release"}


def test_gains_are_the_graphs_and_known_to_its_hash() -> None:
    graph, spec = small_graph(), small_spec()
    amplified = evolve(graph, slots=(evolve(graph.slots[0], gain=2.0), *graph.slots[1:]))
    assert [slot.gain for slot in lower(amplified, spec).slots] == [2.0, 1.0, 1.0, 1.0, 1.0]
    assert hash_of(amplified) != hash_of(graph)


def test_a_graph_without_gains_has_the_hash_that_it_had_before_there_were_any() -> None:
    assert hash_of(small_graph(), schema=2) == "1ad2be551ecd8c8aca096a21b90deedaacc2b54780559f5dba8757061be5be99"


@pytest.mark.parametrize("initialisation", ["kaiming", "release", "gains", "scaled"])
def test_scaled_coefficients_start_as_large_as_their_layers_want(initialisation: Initialisation) -> None:
    spec = evolve(small_spec(), shares=(Share(Selector("conv"), initialisation=initialisation),))
    program = lower(small_graph(), spec)
    # banks of fan-in 72; `wide.conv0` and `thin.conv0` have 4 x 9, and `wide.conv1` and `wide.conv2` 8 x 9
    wanted = [2**0.5, 1.0, 2**0.5, 1.0, 1.0] if initialisation == "scaled" else [1.0] * 5
    assert [slot.start_scale for slot in program.slots] == wanted
    assert {bank.initialisation for bank in program.banks} == {"release" if initialisation == "release" else "kaiming"}


def test_spans_change_no_hash() -> None:
    spec = evolve(small_spec(), span=Span("b.sw", 9, 1, 3, "   "))
    assert lower(small_graph(), spec) == lower(small_graph(), small_spec())


def test_feedback_finds_its_way_back() -> None:
    graph = small_graph()
    program = lower(graph, small_spec())
    assert [slot.id for slot in program.slots] == [slot.id for slot in graph.slots]
    reads = {slot: weight.layer for weight in program.weights for slot in slots_of(weight.expression)}
    assert reads == {slot.id: slot.layer for slot in graph.slots}
    assert {weight.layer for weight in program.weights} == {layer.id for layer in graph.layers}


def test_counts_of_a_program_are_those_of_its_graph() -> None:
    graph = small_graph()
    counts = count_program(lower(graph, small_spec()))
    assert counts.parameter_scalars == count(graph).parameter_scalars
    assert counts.template_scalars == count(graph).template_scalars


def test_untying_and_resizing_are_told() -> None:
    graph = small_graph(tied=False, revision=1)
    resized = evolve(graph, banks=(evolve(graph.banks[0], num_templates=3), *graph.banks[1:]))
    before, after = lower(small_graph(), small_spec()), lower(resized, small_spec())
    found = diff_programs(before, after)
    assert found.banks == (ChangedBank("c0.0", (2, 288), (3, 288)),)
    tied = ("wide.conv0#0", "thin.conv0#0")
    assert found.untied == (UntiedCoefficient("wide.conv0#0", tied, (tied[:1], tied[1:])),)
    assert (found.moved, found.clusters) == ((), ())
    assert found.counts_before.template_scalars < found.counts_after.template_scalars
    assert diff_programs(before, before).is_empty
    assert not found.is_empty


def split() -> Program:
    """`thin.conv0` leaves c0 for a cluster of its own; c1 keeps its layer under a new name."""
    program = lower(small_graph(tied=False), small_spec())
    renamed = {"thin.conv0#0": "c1.0", "wide.conv2#0": "c2.0"}
    slots = tuple(evolve(s, bank=renamed.get(s.id, s.bank)) for s in program.slots)
    banks = (*program.banks[:2], BankPlan("c1.0", 1, 288, 72), BankPlan("c2.0", 1, 576, 72))
    coefficients = tuple(evolve(c, bank=renamed.get(c.id, c.bank)) for c in program.coefficients)
    return evolve(program, slots=slots, banks=banks, coefficients=coefficients)


def test_a_split_is_told_by_companions_not_by_names() -> None:
    before = lower(small_graph(tied=False), small_spec())
    found = diff_programs(before, split())
    assert clusters_of(split()) == {"c0": ("wide.conv0", "wide.conv1"), "c2": ("wide.conv2",), "c1": ("thin.conv0",)}
    assert found.clusters == (SplitCluster("c0", 3, (("c0", 2), ("c1", 1))),)
    assert [layer.layer for layer in found.moved] == ["wide.conv0", "wide.conv1", "thin.conv0"]
    assert found.moved[2] == MovedLayer("thin.conv0", "c0", "c1", ("c0.0",), ("c1.0",))
    assert found.banks == (ChangedBank("c1.0", (1, 576), (1, 288)), ChangedBank("c2.0", None, (1, 576)))
    assert found.untied == ()
