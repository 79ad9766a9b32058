"""The verifier: a sound graph passes whole and in part, and one mutation each breaks every invariant."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from swc.compiler.ir.graph import Bank, Coefficient, Graph, Level, Piece, Tensor, Weight
from swc.compiler.ir.verify import INVARIANTS, InvariantError, verify
from swc.program.expressions import Combine, Concat, Mix, Scale, Slice, Stored

from support.graphs import small_graph

HALF = (8, 4, 3, 3)
FULL = (8, 8, 3, 3)


def weight_of(layer: str, graph: Graph, expression: object) -> Graph:
    return evolve(
        graph,
        weights=tuple(Weight(w.layer, expression) if w.layer == layer else w for w in graph.weights),  # type: ignore[arg-type]
    )


def reshaped(graph: Graph, shape: tuple[int, ...], expression: object) -> Graph:
    """`wide.conv2`, alone in its cluster, with another shape."""
    layers = tuple(evolve(x, shape=shape) if x.id == "wide.conv2" else x for x in graph.layers)
    return weight_of("wide.conv2", evolve(graph, layers=layers), expression)


def overlapping(graph: Graph) -> Graph:
    """Eight by eight scalars in all, but one strip twice and one not at all."""
    low, high = Combine("wide.conv1#0", 0, HALF), Combine("wide.conv1#1", 0, HALF)
    return weight_of("wide.conv1", graph, Concat(1, (low, Slice(high, (8, 3, 3, 3)))))


MUTATIONS: dict[str, Callable[[Graph], Graph]] = {
    "ids are unique": lambda g: evolve(g, banks=(*g.banks, g.banks[0])),
    "ids resolve": lambda g: evolve(g, slots=(evolve(g.slots[0], layer="wide.conv9"), *g.slots[1:])),
    "ids say where": lambda g: evolve(g, layers=(evolve(g.layers[0], path="conv7"), *g.layers[1:])),
    "layers are in order": lambda g: evolve(g, layers=(evolve(g.layers[0], index=5), *g.layers[1:])),
    "each layer is in one cluster": lambda g: evolve(
        g, clusters=(evolve(g.clusters[0], layers=g.clusters[0].layers[:-1]), g.clusters[1])
    ),
    "clusters are alike": lambda g: evolve(
        g,
        layers=(*g.layers[:3], evolve(g.layers[3], kind="linear")),
        weights=(),
        levels=(),
        banks=(),
        slots=(),
        coefficients=(),
    ),
    "levels are counted": lambda g: evolve(g, levels=(g.levels[1], g.levels[0], g.levels[2])),
    "bank sizes agree": lambda g: evolve(g, banks=(evolve(g.banks[0], template_size=289), *g.banks[1:])),
    "ties lie in one bank": lambda g: evolve(
        g, slots=(*g.slots[:3], evolve(g.slots[3], coefficient="wide.conv0#0"), g.slots[4])
    ),
    "coefficients lie in their bank": lambda g: evolve(
        g, coefficients=(Coefficient("wide.conv0#0", "c0.1"), *g.coefficients[1:])
    ),
    "slots lie in their cluster": lambda g: evolve(
        g,
        slots=(*g.slots[:4], evolve(g.slots[4], bank="c0.0")),
        coefficients=tuple(evolve(c, bank="c0.0") if c.id == "wide.conv2#0" else c for c in g.coefficients),
    ),
    "gains are factors": lambda g: evolve(g, slots=(evolve(g.slots[0], gain=0.0), *g.slots[1:])),
    "banks are used": lambda g: evolve(
        g,
        levels=(*g.levels, Level("c1.1", "c1", 1, (Piece(HALF, (8, 0)),))),
        banks=(*g.banks, Bank("c1.1", 288, 1, 72)),
    ),
    "every layer has a weight": lambda g: evolve(g, weights=g.weights[:-1]),
    "weights read their slots": lambda g: weight_of("wide.conv2", g, Combine("wide.conv2#0", 4, FULL)),
    "pieces lie in their bank": lambda g: evolve(
        weight_of("wide.conv2", g, Mix(Combine("wide.conv2#0", 0, FULL), "w", 0, FULL)), tensors=(Tensor("w", (2,), 1),)
    ),
    "layers are covered exactly": lambda g: reshaped(
        g, (8, 8, 1, 1), Slice(Combine("wide.conv2#0", 0, FULL), (8, 8, 1, 1))
    ),
    "counts add up": lambda g: reshaped(
        g, (16, 8, 3, 3), Concat(0, (Combine("wide.conv2#0", 0, FULL), Combine("wide.conv2#0", 0, FULL)))
    ),
}


def test_a_sound_graph_and_all_its_stages_verify() -> None:
    graph = small_graph()
    verify(graph)
    verify(small_graph(tied=False))
    verify(Graph("empty", 0, ""))
    sections = ("weights", "slots", "coefficients", "banks", "levels", "clusters", "private", "layers")
    for section in sections:
        graph = evolve(graph, **{section: ()})
        verify(graph)


@pytest.mark.parametrize("gain", [-1.0, float("inf"), float("nan")])
def test_a_gain_is_positive_and_finite(gain: float) -> None:
    graph = small_graph()
    with pytest.raises(InvariantError, match="has the gain"):
        verify(evolve(graph, slots=(*graph.slots[:-1], evolve(graph.slots[-1], gain=gain))))


@pytest.mark.parametrize("name", [name for name, _ in INVARIANTS])
def test_each_invariant_catches_its_mutation(name: str) -> None:
    with pytest.raises(InvariantError) as caught:
        verify(MUTATIONS[name](small_graph()))
    assert caught.value.name == name
    assert caught.value.detail


def alone(name: str, graph: Graph) -> list[str]:
    return list(dict(INVARIANTS)[name](graph))


def test_holes_overlaps_and_what_stands_outside() -> None:
    from swc.compiler.ir.verify import _faults
    from swc.program.expressions import Placement

    whole = Placement("a", 0, HALF, HALF, (0, 0))
    assert list(_faults((whole,), HALF)) == []
    assert list(_faults((whole, whole), FULL)) == ["blocks of `a` and `a` overlap"]
    assert "288 scalars are placed where 576 belong" in list(_faults((whole,), FULL))
    assert "a block of `a` stands outside" in list(_faults((evolve(whole, origin=(0, 5)),), FULL))
    assert "a block of `a` stands outside" in list(_faults((evolve(whole, visible=(8, 4, 1, 1)),), HALF))


def test_a_weight_of_another_shape_than_its_layer() -> None:
    for wrong in (
        Combine("wide.conv2#0", 0, HALF),
        Concat(0, (Combine("wide.conv2#0", 0, FULL), Combine("wide.conv2#0", 0, HALF))),
    ):
        assert alone("every layer has a weight", weight_of("wide.conv2", small_graph(), wrong))


def test_a_crop_that_loses_part_of_a_layer() -> None:
    assert alone("every layer has a weight", overlapping(small_graph()))


def test_counts_are_held() -> None:
    fewer = evolve(small_graph(), levels=small_graph().levels[:2])
    assert alone("counts add up", fewer)


def test_weights_of_stored_tensors_need_no_slots() -> None:
    graph = small_graph()
    vectors = (Tensor("w", FULL, 72), Tensor("r", (8,), 8), Tensor("s", (8,), 8))
    stored = evolve(
        weight_of("wide.conv2", graph, Scale(Stored("w", FULL), "r", "s")),
        tensors=vectors,
        clusters=graph.clusters[:1],
        levels=graph.levels[:2],
        banks=graph.banks[:2],
        slots=graph.slots[:4],
        coefficients=graph.coefficients[:-1],
        layers=tuple(evolve(x, share=1) if x.id == "wide.conv2" else x for x in graph.layers),
    )
    verify(stored)
    with pytest.raises(InvariantError, match="refers to the tensor `s`"):
        verify(evolve(stored, tensors=vectors[:2]))


def test_every_invariant_has_a_mutation() -> None:
    assert set(MUTATIONS) == {name for name, _ in INVARIANTS}
