"""Counts: by hand on a small graph, with crops, stored tensors, and against numpy on compiled ensembles."""

from __future__ import annotations

import pytest
from attrs import evolve
from swc.compiler.ir.counts import ComposedCounts, Counts, Row, composed, count, discarded, rows
from swc.compiler.ir.graph import Graph, Tensor, Weight
from swc.compiler.ir.verify import verify
from swc.compiler.ir.view import view
from swc.compiler.passes.pipeline import run_pipeline
from swc.program.expressions import Combine, Scale, Slice, Stored, placements
from swc.program.spec import Budget, Selector, Share

from support.graphs import small_graph
from support.wrn_shapes import wrn_context


def test_by_hand() -> None:
    assert count(small_graph()) == Counts(
        template_scalars=2 * 288 + 288 + 576,
        coefficient_scalars=2 + 2 + 1 + 1,  # c0.0 has two vectors of two, the others one of one each
        tensor_scalars=0,
        private_scalars=160,
        native_scalars=2 * 288 + 2 * 576,
        generated_scalars=3 * 288 + 288 + 576,
        discarded_scalars=0,
    )
    assert count(small_graph()).parameter_scalars == 1440 + 6 + 160
    assert count(small_graph(tied=False)).coefficient_scalars == 8
    assert count(Graph("empty", 0, "")) == Counts(0, 0, 0, 0, 0, 0, 0)


def test_rows_by_hand() -> None:
    first = rows(small_graph())[0]
    assert first == Row("c0", "3x3 bin 0", 0, "c0.0", 288, 2, 3, 2)
    assert (first.template_scalars, first.coefficient_scalars) == (576, 4)
    assert [row.bank for row in rows(small_graph())] == ["c0.0", "c0.1", "c1.0"]


def cropped() -> Graph:
    """`wide.conv2` is now the leading 6x5 part of its 8x8 SuperWeight, scaled by two stored vectors."""
    graph = small_graph()
    shape = (6, 5, 3, 3)
    expression = Scale(Slice(Combine("wide.conv2#0", 0, (8, 8, 3, 3)), shape), "r", "s")
    return evolve(
        graph,
        layers=tuple(evolve(x, shape=shape) if x.id == "wide.conv2" else x for x in graph.layers),
        weights=tuple(Weight(w.layer, expression) if w.layer == "wide.conv2" else w for w in graph.weights),
        tensors=(Tensor("r", (6,), 6), Tensor("s", (5,), 5)),
    )


def test_composed_weights_by_hand() -> None:
    assert composed(small_graph()) == ComposedCounts(weight_scalars=1728, gradient_scalars=1440)  # those of `wide`
    assert composed(cropped()) == ComposedCounts(1728 - 306, 864 + 270)  # the scaled weight's wait for its tensors
    graph = small_graph()
    stored = tuple(Weight(layer.id, Stored(layer.id, layer.shape)) for layer in graph.layers)
    assert composed(evolve(graph, weights=stored)) == ComposedCounts(0, 1728)


def test_what_a_crop_throws_away() -> None:
    verify(cropped())
    assert discarded(cropped()) == {"wide.conv0": 0, "wide.conv1": 0, "wide.conv2": 576 - 270, "thin.conv0": 0}
    assert count(cropped()).discarded_scalars == 306
    assert count(cropped()).tensor_scalars == 11


def test_tensors_generate_nothing() -> None:
    graph = Graph("one", 0, "", tensors=(Tensor("w", (4, 4), 4),), weights=(Weight("a.fc", Stored("w", (4, 4))),))
    assert (count(graph).tensor_scalars, count(graph).discarded_scalars) == (16, 0)


@pytest.mark.parametrize("blocks", ["chain", "grid"])
@pytest.mark.parametrize("nets", [((16, 2), (16, 1)), ((10, 7), (10, 4), (10, 3)), ((16, 1),)])
def test_compiled_ensembles_add_up(nets: tuple[tuple[int, int], ...], blocks: str) -> None:
    share = Share(Selector("conv"), blocks=blocks)  # type: ignore[arg-type]
    graph = run_pipeline(wrn_context(nets, Budget("unlimited"), share))
    counts = count(graph)
    shown = sum(_area(w) for w in graph.weights)
    assert shown == counts.native_scalars
    assert counts.generated_scalars - counts.discarded_scalars == counts.native_scalars
    assert sum(discarded(graph).values()) == counts.discarded_scalars
    assert sum(row.template_scalars for row in rows(graph)) == counts.template_scalars
    assert sum(row.coefficient_scalars for row in rows(graph)) == counts.coefficient_scalars
    assert blocks == "chain" or counts.discarded_scalars == 0


def _area(weight: Weight) -> int:
    total = 0
    for block in placements(weight.expression):
        size = 1
        for length in block.visible:
            size *= length
        total += size
    return total


def test_the_view_is_frozen_and_complete() -> None:
    import networkx as nx

    graph = small_graph()
    directed = view(graph)
    assert nx.is_frozen(directed)
    assert nx.is_directed_acyclic_graph(directed)
    kinds = [kind for kind, _ in directed.nodes]
    for kind, section in (("slot", graph.slots), ("bank", graph.banks), ("layer", graph.layers)):
        assert kinds.count(kind) == len(section)
    assert nx.has_path(directed, ("bank", "c0.1"), ("member", "wide"))
    assert not nx.has_path(directed, ("bank", "c0.1"), ("member", "thin"))
    assert set(directed.predecessors(("slot", "thin.conv0#0"))) == {("coefficient", "wide.conv0#0"), ("bank", "c0.0")}
    with pytest.raises(nx.NetworkXError):
        directed.add_node("x")
