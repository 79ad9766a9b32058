"""The baselines' policies: what they store, and what each layer's weight is made of."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attrs import evolve
from swc.compiler.ir.counts import count
from swc.compiler.ir.graph import Graph
from swc.compiler.ir.text import parse_graph, print_graph
from swc.compiler.ir.verify import verify
from swc.compiler.passes.pipeline import run_pipeline
from swc.compiler.passes.policies import POLICIES
from swc.diagnostics import DiagnosticError, Sink
from swc.program import vocabulary
from swc.program.expressions import Scale, Slice, Stored, num_scalars
from swc.program.spec import Budget, Selector, Share

from support.wrn_shapes import Net, wrn_context

RATE = (("rate", 0.5),)


def graph_of(nets: list[Net], policy: str, *selectors: str, **options: Any) -> Graph:
    context = wrn_context(nets)
    kinds: Any = selectors
    shares = tuple(Share(Selector(kind), policy, **options) for kind in kinds)
    spec = evolve(context.spec, shares=shares, budget=Budget("unlimited"))
    return run_pipeline(evolve(context, spec=spec, sink=Sink()), lambda _, graph: verify(graph))


def test_the_vocabulary_knows_whose_arguments_and_selectors_these_are() -> None:
    assert set(vocabulary.POLICY_ARGUMENTS) <= set(POLICIES)
    vectors = {name for name, policy in POLICIES.items() if policy.least_dims == 1}
    assert vectors == {name for name, kinds in vocabulary.POLICY_SELECTORS.items() if "norms" in kinds}


@pytest.mark.parametrize(("policy", "options"), [("rank_one", {"arguments": RATE}), ("slices", {}), ("hard", {})])
def test_a_graph_prints_and_parses_back(policy: str, options: dict[str, Any]) -> None:
    graph = graph_of([(16, 1), (16, 1)], policy, "conv", "heads", **options)
    assert parse_graph(print_graph(graph)) == graph


def test_batch_ensemble_has_the_published_number_of_parameters() -> None:
    """WRN-28-10 four times: 36.6M with shared norms, as Wen et al. and the paper's table have it."""
    context = wrn_context([(28, 10)] * 4)
    shares = (
        Share(Selector("conv"), "rank_one", arguments=RATE),
        Share(Selector("norms"), "hard"),
        Share(Selector("heads"), "rank_one", arguments=RATE),
    )
    spec = evolve(context.spec, shares=shares, budget=Budget("unlimited"))
    found = count(run_pipeline(evolve(context, spec=spec, sink=Sink())))
    assert round(found.parameter_scalars / 1e6, 1) == 36.6
    single = count(run_pipeline(evolve(wrn_context([(28, 10)]), spec=evolve(wrn_context([(28, 10)]).spec, shares=()))))
    layers = [row for row in context.tables[0].parameters if row.kind == "conv"]
    vectors = sum(row.shape[0] + row.shape[1] for row in layers) + 100 + 640
    biases = 100
    assert found.parameter_scalars == single.parameter_scalars + 4 * vectors + 3 * biases


def test_a_rank_one_layer_scales_the_weight_of_its_place() -> None:
    graph = graph_of([(10, 1), (10, 1)], "rank_one", "conv", arguments=RATE)
    weights = {weight.layer: weight.expression for weight in graph.weights}
    found = weights["m1.block1.0.conv1"]
    assert found == Scale(
        Stored("m0.block1.0.conv1", (16, 16, 3, 3)), "m1.block1.0.conv1/outputs", "m1.block1.0.conv1/inputs"
    )
    fast = [tensor for tensor in graph.tensors if tensor.role == "fast_weights"]
    assert {(tensor.start, tensor.rate) for tensor in fast} == {("signs", 0.5)}
    assert len(fast) == 2 * len(graph.layers)


@pytest.mark.parametrize("nets", [[(10, 1), (16, 1)], [(10, 1), (10, 2)], [(16, 1), (10, 1)]])
def test_members_of_two_architectures_are_no_batch_ensemble(nets: list[Net]) -> None:
    with pytest.raises(DiagnosticError) as caught:
        graph_of(nets, "rank_one", "conv", arguments=RATE)
    (found,) = caught.value.diagnostics
    assert found.code == "SW413"
    assert "`m0`" in found.message() and "`m1`" in found.message()


def test_widths_share_their_first_channels() -> None:
    graph = graph_of([(10, 1), (10, 3), (10, 2)], "slices", "conv", "norms", "heads")
    weights = {weight.layer: weight.expression for weight in graph.weights}
    whole = Stored("m0.block2.0.conv2", (96, 96, 3, 3))
    assert weights["m1.block2.0.conv2"] == whole
    assert weights["m2.block2.0.conv2"] == Slice(whole, (64, 64, 3, 3))
    widest = graph_of([(10, 3)], "none", "conv")
    assert count(graph).parameter_scalars == count(widest).parameter_scalars
    assert not graph.private


def test_what_differs_in_depth_shares_what_both_have() -> None:
    graph = graph_of([(10, 1), (16, 1)], "slices", "conv")
    both = sum(num_scalars(layer.shape) for layer in graph.layers if layer.member == "m1")
    assert count(graph).tensor_scalars == both


def test_stored_norms_and_heads_begin_as_torchs_own() -> None:
    graph = graph_of([(10, 1), (10, 1)], "hard", "norms", "heads")
    starts = {(tensor.id.rpartition(".")[2], tensor.role, tensor.start) for tensor in graph.tensors}
    assert starts == {
        ("weight", "norms", "ones"),
        ("bias", "norms", "zeros"),
        ("weight", "tensors", "kaiming"),
        ("bias", "biases", "zeros"),
    }


def test_the_guide_adds_a_policy_in_sixty_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/new_policy.md").read_text("utf-8")
    (text,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(text.splitlines()) < 60
    scope: dict[str, Any] = {"__name__": "by_shape"}
    monkeypatch.setitem(sys.modules, "by_shape", ModuleType("by_shape"))
    exec(compile(text, "by_shape.py", "exec"), scope)
    monkeypatch.setitem(POLICIES, "by_shape", scope["ByShape"]())
    graph = graph_of([(16, 1), (16, 1)], "by_shape", "conv")
    assert parse_graph(print_graph(graph)) == graph
    shapes = {(layer.member, layer.shape) for layer in graph.layers}
    assert count(graph).tensor_scalars == sum(num_scalars(shape) for _, shape in shapes) < count(graph).native_scalars
