"""The baselines' policies: what they store, and what each layer's weight is made of."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from attrs import evolve
from swc.compiler.driver import compile_file
from swc.compiler.ir.counts import count
from swc.compiler.ir.graph import Graph
from swc.compiler.ir.text import parse_graph, print_graph
from swc.compiler.ir.verify import verify
from swc.compiler.passes.pipeline import run_pipeline
from swc.compiler.passes.policies import policy_of
from swc.diagnostics import DiagnosticError, Sink
from swc.export.card import call_of, import_of
from swc.export.families import families_of
from swc.files.codec import decode, encode
from swc.language.semantics.check import check_file
from swc.program.expressions import Scale, Slice, Stored, num_scalars
from swc.program.program import Program
from swc.program.spec import Budget, Selector, Share
from swc.registry.offers import PlugIn
from swc.registry.policies import POLICIES

from support.plug_ins import install
from support.wrn_shapes import Net, wrn_context
from swc_runtime import build

RATE = (("rate", 0.5),)


def graph_of(nets: list[Net], policy: str, *selectors: str, **options: Any) -> Graph:
    context = wrn_context(nets)
    kinds: Any = selectors
    shares = tuple(Share(Selector(kind), policy, **options) for kind in kinds)
    spec = evolve(context.spec, shares=shares, budget=Budget("unlimited"))
    return run_pipeline(evolve(context, spec=spec, sink=Sink()), lambda _, graph: verify(graph))


def test_rows_say_who_can_share_vectors() -> None:
    vectors = {name for name in POLICIES.names if policy_of(name).least_dims == 1}
    assert vectors == {row.name for row in POLICIES.rows if "norms" in row.selectors}


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


SPEC = """
ensemble e {
  data digits
  member a = wrn(depth: 16, width: 1)
  budget unlimited
  share conv as by_shape
}
"""


@pytest.fixture
def guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The class of the guide, installed as a package that offers it; gives its text."""
    page = (Path(__file__).parents[2] / "docs/how-to/new_policy.md").read_text("utf-8")
    (text,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (row,) = re.findall(r"^```text\n(PolicyRow.*?)^```", page, re.MULTILINE | re.DOTALL)
    row = row.replace("swc.compiler.passes.policies.by_shape", "by_shape")
    modules = {"by_shape": text, "by_shape_row": f"from swc.registry.policies import PolicyRow\nrow = {row}"}
    install(tmp_path, "swc-by-shape", {"swc.policies": {"by_shape": "by_shape_row:row"}}, modules)
    monkeypatch.syspath_prepend(tmp_path)
    for name in modules:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return str(text)


def test_the_guide_adds_a_policy_in_sixty_lines(guide: str) -> None:
    assert len(guide.splitlines()) < 60
    graph = graph_of([(16, 1), (16, 1)], "by_shape", "conv")
    assert parse_graph(print_graph(graph)) == graph
    shapes = {(layer.member, layer.shape) for layer in graph.layers}
    assert count(graph).tensor_scalars == sum(num_scalars(shape) for _, shape in shapes) < count(graph).native_scalars


def test_a_package_adds_a_policy_with_nothing_of_ours_changed(guide: str, tmp_path: Path) -> None:
    path = tmp_path / "e.sw"
    path.write_text(SPEC, "utf-8")
    compiled = compile_file(path)
    origin = PlugIn("sharing policy", "by_shape", "swc-by-shape", "1.2")
    assert compiled.program.plug_ins == compiled.spec.plug_ins == (origin,)
    assert decode(encode(compiled.program), Program) == compiled.program
    own = tmp_path / "own.sw"
    own.write_text(f"policy by_shape {{ clusters one }}\n{SPEC}", "utf-8")
    assert check_file(own).plug_ins == ()  # a file's own definition stands before a plug-in's


def test_a_package_adds_a_family_with_nothing_of_ours_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {
        "swc_small": """
            from swc.registry.families import FamilyRow
            from swc.registry.row import ArgumentRow
            row = FamilyRow(
                name="small",
                words="one convolution and a head",
                implementation="swc_small_net:Small",
                arguments=(ArgumentRow("channels", "whole number", least=1, most=64, default=8),),
            )
        """,
        "swc_small_net": """
            from torch import nn
            class Small(nn.Module):
                def __init__(self, num_classes, image_shape, *, channels):
                    super().__init__()
                    self.conv = nn.Conv2d(image_shape[0], channels, 3, padding=1, bias=False)
                    self.head = nn.Linear(channels, num_classes)
                def forward(self, x):
                    return self.head(self.conv(x).relu().mean((2, 3)))
        """,
    }
    install(tmp_path, "swc-small", {"swc.families": {"small": "swc_small:row"}}, modules)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # which Python knows by the second that a file was written in
    path = tmp_path / "e.sw"
    members = "  member a[2] = small(channels: 4)\n  member b = small"
    path.write_text(SPEC.replace("by_shape", "none").replace("  member a = wrn(depth: 16, width: 1)", members), "utf-8")
    compiled = compile_file(path)
    assert [table.parameters[0].shape for table in compiled.tables] == [(4, 1, 3, 3), (4, 1, 3, 3), (8, 1, 3, 3)]
    assert [str(one) for one in compiled.spec.plug_ins] == ["family small comes from the plug-in swc-small 1.2"]
    assert build(compiled.program)(torch.zeros(2, 1, 8, 8)).shape == (3, 2, 10)
    source = compiled.spec.members[0].source  # an export's loader imports it from where it is installed
    assert import_of(source) == ("swc_small_net", "Small", "")
    assert call_of(source, compiled.program) == "Small(10, (1, 8, 8), channels=4)"
    assert families_of((source,)) == ()
    net = tmp_path / "swc_small_net.py"  # a plug-in's layers are not taken from the cache: its code may have changed
    net.write_text(net.read_text("utf-8").replace(", 3, padding=1", ", 5, padding=2"), "utf-8")
    del sys.modules["swc_small_net"]
    assert compile_file(path).tables[0].parameters[0].shape == (4, 1, 5, 5)
