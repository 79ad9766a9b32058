"""Blocks: the method's worked examples, and random shapes covered exactly."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from swc.compiler.passes.blocks import BLOCKS, chain, grid
from swc.compiler.passes.levels import MOST_SHAPES
from swc.compiler.passes.pipeline import run_pipeline
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.clusters import TooManyShapes
from swc.program.expressions import num_scalars, placements, shape_of
from swc.program.spec import Clusters, Selector, Share

from support.examples import percent
from support.wrn_shapes import wrn_context


def test_an_l_is_one_level():
    plan = chain([(16, 3, 3, 3), (48, 16, 3, 3)])
    assert [cut.size for cut in plan.cuts] == [432, 6480]
    assert [piece.shape for piece in plan.cuts[1].pieces] == [(16, 13, 3, 3), (32, 16, 3, 3)]
    assert [piece.origin for piece in plan.cuts[1].pieces] == [(0, 3), (16, 0)]


def test_fewer_outputs_crop_what_was_built():
    narrow, wide = chain([(8, 4), (4, 16)]).cuts
    assert narrow.keep is None
    assert (wide.keep, [piece.shape for piece in wide.pieces]) == ((4, 4), [(4, 12)])


def test_equal_element_counts_are_ordered_by_outputs_then_inputs():
    plan = chain([(32, 16), (16, 32)])
    assert [shape for shape, _ in plan.uses] == [(16, 32), (32, 16)]
    assert plan.cuts[1].keep == (16, 16)


def test_a_grid_cuts_at_every_edge_and_wastes_nothing():
    plan = grid([(4, 8), (8, 4)])
    assert sorted(cut.size for cut in plan.cuts) == [16, 16, 16]
    assert [len(numbers) for _, numbers in plan.uses] == [2, 2]


SHAPES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(1), st.just(2)), min_size=1, max_size=7)


@pytest.mark.parametrize("blocks", sorted(BLOCKS))
@given(shapes=SHAPES)
def test_levels_are_never_empty_and_hold_each_shape(blocks, shapes):
    plan = BLOCKS[blocks](shapes)
    assert all(cut.size > 0 for cut in plan.cuts)
    assert {shape for shape, _ in plan.uses} == set(shapes)
    assert set().union(*(numbers for _, numbers in plan.uses)) == set(range(len(plan.cuts)))


NETS = st.lists(st.tuples(st.sampled_from([10, 16]), st.integers(1, 9)), min_size=1, max_size=4)


@pytest.mark.parametrize("blocks", sorted(BLOCKS))
@percent(25)
@given(nets=NETS, bins=st.integers(1, 4))
def test_every_layer_is_covered_exactly(blocks, nets, bins):
    share = Share(Selector("conv"), clusters=Clusters("depth", bins), blocks=blocks)
    graph = run_pipeline(wrn_context(nets, share=share))
    layers = {layer.id: layer for layer in graph.layers}
    sizes = {bank.id: bank.template_size for bank in graph.banks}
    bank_of = {slot.id: slot.bank for slot in graph.slots}
    for weight in graph.weights:
        layer = layers[weight.layer]
        assert shape_of(weight.expression) == layer.shape
        seen = np.zeros(layer.shape[:2], dtype=int)
        for block in placements(weight.expression):
            assert block.offset + num_scalars(block.shape) <= sizes[bank_of[block.slot]]
            seen[
                block.origin[0] : block.origin[0] + block.visible[0],
                block.origin[1] : block.origin[1] + block.visible[1],
            ] += 1
        assert (seen == 1).all()


@percent(25)
@given(shapes=SHAPES)
def test_a_grid_needs_no_more_than_a_chain(shapes):
    assert grid(shapes).minimum <= chain(shapes).minimum


def test_fan_in_is_that_of_the_largest_user():
    graph = run_pipeline(wrn_context([(28, 10)], share=Share(Selector("conv"), clusters=Clusters("one"))))
    fans = {bank.id: bank.fan_in for bank in graph.banks}
    assert fans["c1.0"] == 640 * 9
    assert fans["c0.0"] == 320


@pytest.mark.parametrize("blocks", sorted(BLOCKS))
def test_gains_bring_each_layer_to_its_own_fan_in(blocks):
    def slots(**choice):
        share = Share(Selector("conv"), clusters=Clusters("one"), blocks=blocks, **choice)
        return run_pipeline(wrn_context([(10, 3), (16, 1)], share=share))

    graph, plain = slots(initialisation="gains"), slots(initialisation="kaiming")
    layers, banks = {x.id: x.fan_in for x in graph.layers}, {bank.id: bank.fan_in for bank in graph.banks}
    assert {round(banks[s.bank] / s.gain**2) == layers[s.layer] for s in graph.slots} == {True}
    assert max(slot.gain for slot in graph.slots) == (192 / 3) ** 0.5 if blocks == "chain" else 8
    assert evolve(graph, slots=tuple(evolve(slot, gain=1.0) for slot in graph.slots)) == plain


def test_a_chain_of_too_many_shapes_is_refused():
    """Its expressions nest as deep as it has shapes, and reading them would not end well."""
    share = Share(Selector("conv"), clusters=Clusters("one"))
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(wrn_context([(10, width) for width in range(1, 41)], share=share))
    (found,) = caught.value.diagnostics
    assert isinstance(found, TooManyShapes)
    assert found.shapes > found.most == MOST_SHAPES
    assert "blocks grid" in found.help()
