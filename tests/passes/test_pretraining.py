"""Shapeshifter layers before and after pretraining: one bank for all, then the groups they found."""

from __future__ import annotations

from math import prod

import pytest
from attrs import evolve
from swc.compiler.ir.counts import count
from swc.compiler.ir.graph import Graph
from swc.compiler.ir.text import parse_graph, print_graph
from swc.compiler.ir.verify import verify
from swc.compiler.passes.context import Context
from swc.compiler.passes.pipeline import run_pipeline
from swc.compiler.passes.policies.pretraining import NUM_TEMPLATES
from swc.compiler.passes.regroup import groups_of
from swc.diagnostics import DiagnosticError
from swc.program.expressions import Mix, Resize, num_scalars
from swc.program.feedback import Feedback, GroupFeedback, Mixture
from swc.program.spec import Budget, Selector, Share
from swc.program.stages import stages
from swc.program.training import GroupLayers, Phase, Recipe, Training

from support.wrn_shapes import wrn_context

TRAINING = Training(Recipe("plain"), (Phase("pretrain", 2, split=GroupLayers(2)), Phase("main", 2)))
SHARED = Share(Selector("conv", ""), "shapeshifter", arguments=(("upsample", "bilinear"),))
HALF = Budget("native", 0.5)
SHARP = ((0.97, 0.01, 0.01, 0.01), (0.01, 0.01, 0.01, 0.97))


def context_of(revision: int, feedback: tuple[Feedback, ...] = (), budget: Budget = HALF, *shares: Share) -> Context:
    context = wrn_context([(16, 1), (10, 2)], budget)
    spec = evolve(context.spec, shares=shares or (SHARED,), training=TRAINING)
    return evolve(context, spec=spec, stage=stages(TRAINING)[revision], feedback=feedback)


def graph_of(context: Context) -> Graph:
    return run_pipeline(context, lambda _, graph: verify(graph))


def mixes_of(graph: Graph) -> list[Mix]:
    parts = [w.expression.of if isinstance(w.expression, Resize) else w.expression for w in graph.weights]
    return [part for part in parts if isinstance(part, Mix)]


def alternating(graph: Graph) -> GroupFeedback:
    """Every second layer took the first template, the others the last."""
    bank = graph.tensors[0].id
    return GroupFeedback(0, tuple(Mixture(layer.id, bank, SHARP[n % 2]) for n, layer in enumerate(graph.layers)))


def test_all_layers_mix_the_same_templates_of_one_bank() -> None:
    graph = graph_of(context_of(0))
    (bank,) = [tensor for tensor in graph.tensors if tensor.id.startswith("bank/")]
    mixes = mixes_of(graph)
    assert len(mixes) == len(graph.layers) and all(mix.softmax and mix.start == 0 for mix in mixes)
    assert {NUM_TEMPLATES * num_scalars(mix.shape) for mix in mixes} == {prod(bank.shape)}
    assert 0.98 <= count(graph).tensor_scalars / (0.5 * count(graph).native_scalars) <= 1
    assert parse_graph(print_graph(graph)) == graph


def test_coefficients_are_paid_where_the_budget_says_so() -> None:
    """The bank is the largest whose side still leaves room for them."""
    found = count(graph_of(context_of(0, (), Budget("parameters", 100_000))))
    assert found.tensor_scalars - found.coefficient_scalars in (36 * 46**2, 36 * 46**2 - found.coefficient_scalars)
    assert found.parameter_scalars <= 100_000 < found.parameter_scalars + 36 * (47**2 - 46**2)


def test_layers_that_mixed_alike_share_a_bank() -> None:
    feedback = alternating(graph_of(context_of(0)))
    graph = graph_of(context := context_of(1, (feedback,)))
    banks = [tensor for tensor in graph.tensors if tensor.id.startswith("bank/")]
    read = [str(mix.of) for mix in mixes_of(graph)]
    assert len(banks) == 2 and set(read[::2]) != set(read[1::2]) and len(set(read[::2])) == len(set(read[1::2])) == 1
    assert not any(mix.softmax for mix in mixes_of(graph))
    assert any("in groups of 13, 12" in note for note in context.notes)


def test_fewer_groups_than_asked_for_are_told() -> None:
    alternated = alternating(graph_of(context_of(0)))
    same = evolve(alternated, mixtures=tuple(evolve(one, weights=SHARP[0]) for one in alternated.mixtures))
    graph_of(context := context_of(1, (same,)))
    assert any("2 groups were asked for, but they took no more than 1 different" in note for note in context.notes)


def test_each_block_has_groups_of_its_own() -> None:
    shares = [evolve(SHARED, selector=Selector("glob", f"m{n}.*")) for n in range(2)]
    first = graph_of(context_of(0, (), HALF, *shares))
    of_layer = {layer.id: f"bank/{layer.share}" for layer in first.layers}
    mixtures = tuple(Mixture(name, bank, SHARP[n % 2]) for n, (name, bank) in enumerate(of_layer.items()))
    graph = graph_of(context_of(1, (GroupFeedback(0, mixtures),), HALF, *shares))
    assert sum(tensor.id.startswith("bank/") for tensor in graph.tensors) == 4


def test_groups_do_not_outnumber_the_mixtures() -> None:
    mixtures = tuple(Mixture(f"l{n}", "bank/0", SHARP[n % 2]) for n in range(6))
    assert groups_of(mixtures, 5) == (("l0", "l2", "l4"), ("l1", "l3", "l5"))
    assert groups_of(mixtures, 1) == (tuple(f"l{n}" for n in range(6)),)


def test_a_budget_without_room_for_four_kernels_is_an_error() -> None:
    with pytest.raises(DiagnosticError) as caught:
        graph_of(context_of(0, (), Budget("templates", 35)))
    (found,) = caught.value.diagnostics
    assert found.code == "SW414" and "needs 36" in found.message()


def test_mixtures_of_a_stage_that_groups_nothing_are_refused() -> None:
    feedback = evolve(alternating(graph_of(context_of(0))), revision=1)
    with pytest.raises(ValueError, match="revision 1"):
        run_pipeline(context_of(1, (feedback,)))
