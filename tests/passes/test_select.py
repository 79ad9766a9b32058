"""Selecting layers: who is shared, what stays private and why."""

from __future__ import annotations

import pytest
from attrs import evolve
from swc.compiler.ir.text import parse_graph, print_graph
from swc.compiler.passes.context import Context
from swc.compiler.passes.globs import matcher
from swc.compiler.passes.pipeline import run_pipeline
from swc.compiler.passes.policies import policy_of
from swc.compiler.passes.policies.hard import Hard
from swc.diagnostics import DiagnosticError, Sink
from swc.program.expressions import Stored
from swc.program.layer_table import LayerTable
from swc.program.spec import Budget, Clusters, Selector, Share, Spec
from swc.registry.policies import POLICIES

from support.rows import bias, weight
from support.wrn_shapes import wrn_context

NETS = [(16, 2), (16, 1)]


def with_shares(context: Context, *shares: Share) -> Context:
    spec: Spec = evolve(context.spec, shares=shares)
    return evolve(context, spec=spec, sink=Sink())


def codes(context: Context) -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(context)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def test_convolutions_are_shared_and_the_rest_is_private_with_a_reason():
    graph = run_pipeline(wrn_context(NETS))
    assert [layer.index for layer in graph.layers] == [*range(16), *range(15)]
    assert graph.layers[0].id == "m0.conv1"
    assert {private.reason for private in graph.private} == {"norm", "classifier"}


def test_every_parameter_is_a_weight_or_private():
    context = with_shares(wrn_context(NETS), Share(Selector("glob", "m0.block1.*")))
    graph = run_pipeline(context)
    listed = [(private.member, private.path) for private in graph.private]
    listed += [(layer.member, layer.parameter) for layer in graph.layers]
    assert sorted(listed) == sorted((t.member, p.name) for t in context.tables for p in t.parameters)
    assert ("m1", "conv1.weight", "not selected") in [(p.member, p.path, p.reason) for p in graph.private]


def test_a_glob_is_held_against_the_path_too():
    graph = run_pipeline(with_shares(wrn_context(NETS), Share(Selector("glob", "block1.*"))))
    assert {layer.member for layer in graph.layers} == {"m0", "m1"}


def test_brackets_in_globs_stand_for_themselves():
    matches = matcher(("m[0].block?.*", "m[1].conv1"))
    assert [matches(name) for name in ("m[0].block1.0.conv1", "m[1].conv1", "m0.block1.0")] == [True, True, False]


def test_what_cannot_be_met():
    context = wrn_context(NETS)
    assert codes(with_shares(context, Share(Selector("glob", "nowhere")))) == ["SW400"]
    assert codes(with_shares(context, Share(Selector("linear")))) == ["SW401"]
    assert codes(with_shares(context, Share(Selector("conv")), Share(Selector("glob", "*conv1")))) == ["SW402"]
    missing = Clusters("explicit", groups=(("m0.*",), ("*.block1.*",)))
    assert codes(with_shares(context, Share(Selector("conv"), clusters=missing))) == ["SW403", "SW404"]
    small = evolve(context, spec=evolve(context.spec, budget=Budget("templates", 1000)))
    assert codes(small) == ["SW407"]


DEPTHWISE = weight("b", "grouped", (8, 1, 3, 3), groups=8, aside="depthwise convolution")


def test_depthwise_layers_stay_private_unless_a_glob_names_them():
    table = LayerTable("m0", (weight("a", "conv", (8, 8, 3, 3)), bias("a", 8), DEPTHWISE))
    context = evolve(wrn_context([(10, 1)]), tables=(table,))
    for selector in (Selector("conv"), Selector("all"), Selector("glob", "m0.*"), Selector("glob", "?")):
        graph = run_pipeline(with_shares(context, Share(selector)))
        reasons = [(p.path, p.reason) for p in graph.private]
        assert reasons == [("a.bias", "bias"), ("b.weight", "depthwise convolution")]
    for pattern in ("m0.b", "b", "b.weight", "*b.weight"):
        graph = run_pipeline(with_shares(context, Share(Selector("glob", pattern))))
        assert [(layer.id, layer.kind, layer.parameter) for layer in graph.layers] == [("m0.b", "grouped", "b.weight")]
    alone = evolve(context, tables=(LayerTable("m0", (DEPTHWISE,)),))
    assert codes(with_shares(alone, Share(Selector("conv")))) == ["SW401"]


def test_parameters_deep_in_a_layer_have_the_reason_of_that_layer():
    original = evolve(
        weight("a.b", "conv", (8, 1, 1, 1), "parametrizations.weight.original0"), obstacle="weight is parametrised"
    )
    table = LayerTable(
        "m0",
        (
            weight("", "plain", (1,), "scale", aside="shared only where named"),
            weight("a", "conv", (8, 8, 3, 3)),
            original,
            weight("attention", "projection", (24, 8), "in_proj_weight", part_of="attention"),
        ),
    )
    graph = run_pipeline(evolve(wrn_context([(10, 1)]), tables=(table,)))
    assert [(p.path, p.reason) for p in graph.private] == [
        ("scale", "shared only where named"),
        ("a.b.parametrizations.weight.original0", "weight is parametrised"),
        ("attention.in_proj_weight", "not selected"),
    ]


def test_the_policies_are_those_of_the_language():
    assert all(policy_of(row.name).name == row.name and not row.fault() for row in POLICIES.rows)


def test_hard_sharing_reads_one_tensor_per_place_and_shape():
    graph = run_pipeline(wrn_context([(16, 2), (16, 2), (16, 1)], share=Share(Selector("conv"), policy="hard")))
    read = {weight.layer: weight.expression for weight in graph.weights}
    assert read["m1.conv1"] == Stored("m0.conv1", (16, 3, 3, 3)) == read["m2.conv1"]
    assert read["m2.block1.0.conv1"] == Stored("m2.block1.0.conv1", (16, 16, 3, 3))
    assert not graph.clusters and not graph.banks
    assert Hard().tensors(graph.layers, Share(Selector("conv"), "hard"), None) == graph.tensors


def test_what_begins_alike_names_the_first_member_that_has_it_in_this_shape():
    tables = tuple(
        LayerTable(name, (weight("fc", "linear", (size, 8)), bias("fc", size)))
        for name, size in (("a", 4), ("b", 6), ("c", 4))
    )
    block = Share(Selector("biases"), policy="none", arguments=(("start", "alike"),))
    context = evolve(with_shares(wrn_context(NETS), block), tables=tables)
    graph = run_pipeline(context)
    assert {f"{one.member}.{one.path}": one.like for one in graph.private if one.like} == {"c.fc.bias": "a"}
    assert parse_graph(print_graph(graph)) == graph


def test_policy_none_leaves_layers_private():
    graph = run_pipeline(wrn_context(NETS, share=Share(Selector("conv"), policy="none")))
    assert not graph.layers
    assert "policy none" in {private.reason for private in graph.private}


def test_clusters_are_numbered_over_all_blocks():
    first = Share(Selector("glob", "m0.*"), clusters=Clusters("one"))
    second = Share(Selector("glob", "m1.*"), clusters=Clusters("per_layer"))
    graph = run_pipeline(with_shares(wrn_context(NETS), first, second))
    assert [cluster.id for cluster in graph.clusters] == [f"c{n}" for n in range(len(graph.clusters))]
    assert [cluster.share for cluster in graph.clusters] == [0, 0] + [1] * 15


def test_more_bins_than_layers_is_a_warning():
    context = wrn_context([(10, 2)], share=Share(Selector("conv"), clusters=Clusters("depth", 10)))
    graph = run_pipeline(context)
    assert [warning.code for warning in context.sink.warnings] == []
    assert len(graph.clusters) == 10
    context = wrn_context([(10, 2)], share=Share(Selector("conv"), clusters=Clusters("depth", 30)))
    run_pipeline(context)
    assert {warning.code for warning in context.sink.warnings} == {"SW406"}


@pytest.mark.parametrize("kind", ["one", "per_layer", "by_shape", "depth"])
def test_clusterings_never_mix_kernels(kind):
    graph = run_pipeline(wrn_context(NETS, share=Share(Selector("conv"), clusters=Clusters(kind))))
    kernels = {layer.id: layer.shape[2:] for layer in graph.layers}
    assert all(len({kernels[name] for name in cluster.layers}) == 1 for cluster in graph.clusters)
    assert sorted(n for c in graph.clusters for n in c.layers) == sorted(kernels)


ENCODER = LayerTable(
    "m0",
    (
        weight("token", "plain", (1, 1, 8), "vectors", aside="no layer"),
        weight("words", "embedding", (17, 8)),
        weight("attend", "projection", (24, 8), "in_proj_weight", part_of="attention"),
        weight("attend.out_proj", "linear", (8, 8), part_of="attention"),
        weight("mix", "linear", (8, 8)),
        weight("scale", "plain", (8,), "scale", aside="no layer"),
        weight("rows", "recurrent", (32, 8), "weight_ih_l0", obstacle="recurrent layer"),
    ),
)


def encoded(*shares: Share):
    context = evolve(wrn_context([(10, 1)]), tables=(ENCODER,))
    return with_shares(context, *shares)


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        (Selector("linear"), ["m0.attend.out_proj", "m0.mix"]),
        (Selector("attention"), ["m0.attend.in_proj_weight", "m0.attend.out_proj"]),
        (Selector("embeddings"), ["m0.words"]),
        (Selector("all"), ["m0.words", "m0.attend.in_proj_weight", "m0.attend.out_proj", "m0.mix"]),
        (Selector("glob", "*"), ["m0.words", "m0.attend.in_proj_weight", "m0.attend.out_proj", "m0.mix"]),
        (Selector("glob", "*_weight"), ["m0.attend.in_proj_weight"]),
        (Selector("glob", "attend"), ["m0.attend.in_proj_weight"]),
        (Selector("glob", "m0.mix"), ["m0.mix"]),
        (Selector("glob", "mix.weight"), ["m0.mix"]),
        (Selector("glob", "token.vectors"), ["m0.token.vectors"]),
        (Selector("glob", "*.token"), ["m0.token.vectors"]),
    ],
)
def test_what_selectors_take(selector, taken):
    graph = run_pipeline(encoded(Share(selector)))
    assert [layer.id for layer in graph.layers] == taken


def test_precise_words_come_before_broad_ones():
    broad, linear, precise = (Share(Selector(kind)) for kind in ("all", "linear", "attention"))
    for shares in ((broad, precise), (precise, linear)):
        graph = run_pipeline(encoded(*shares))
        blocks = {layer.id: shares[layer.share].selector.kind for layer in graph.layers}
        assert blocks["m0.attend.out_proj"] == blocks["m0.attend.in_proj_weight"] == "attention"
        assert blocks["m0.mix"] != "attention"
    alone = evolve(encoded(), tables=(LayerTable("m0", ENCODER.parameters[2:4]),))
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(with_shares(alone, linear, precise))
    (nothing_left,) = caught.value.diagnostics
    assert nothing_left.code == "SW416"
    assert nothing_left.message() == "nothing is left for `linear`: `share attention` takes `m0.attend.out_proj`"


def test_nothing_is_left_where_two_precise_blocks_take_all_or_where_it_comes_last():
    alone = evolve(encoded(), tables=(LayerTable("m0", ENCODER.parameters[1:4]),))
    precise = (Share(Selector("embeddings")), Share(Selector("attention")))
    for shares in ((Share(Selector("all")), *precise), (*precise, Share(Selector("all")))):
        with pytest.raises(DiagnosticError) as caught:
            run_pipeline(with_shares(alone, *shares))
        (nothing_left,) = caught.value.diagnostics
        assert "`share embeddings` and `share attention` take `m0.words`" in nothing_left.message()


def test_what_is_named_and_cannot_be_shared_says_why():
    context = encoded(Share(Selector("glob", "*.rows")))
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(context)
    assert caught.value.diagnostics[0].obstacles == ("`m0.rows.weight_ih_l0`: recurrent layer",)
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(encoded(Share(Selector("glob", "token.*"))))
    assert caught.value.diagnostics[0].help() == 'write the last part of a glob out, as in `share "m0.token.vectors"`'
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(encoded(Share(Selector("glob", "*.scale"))))
    assert "a vector, which `superweights` does not make" in caught.value.diagnostics[0].obstacles[0]


def test_each_parameter_of_a_module_has_its_own_reason():
    named = {"aside": "shared only where named"}
    rows = (
        weight("cell", "plain", (16, 4), "weight_ih", **named),
        weight("cell", "plain", (16, 4), "weight_hh", **named),
        weight("cell", "plain", (16,), "bias_ih", obstacle="bias"),
    )
    context = evolve(encoded(Share(Selector("glob", "*.cell.*"))), tables=(LayerTable("m0", rows),))
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(context)
    assert caught.value.diagnostics[0].notes() == (
        "`m0.cell.weight_ih`: shared only where named",
        "`m0.cell.weight_hh`: shared only where named",
        "`m0.cell.bias_ih`: bias",
    )


def test_a_vector_of_no_layer_is_stored_as_it_is():
    graph = run_pipeline(encoded(Share(Selector("glob", "*.scale"), policy="hard")))
    assert [(tensor.id, tensor.shape, tensor.role) for tensor in graph.tensors] == [("m0.scale.scale", (8,), "tensors")]


def test_projections_and_linear_layers_share_a_cluster_and_no_others_do():
    graph = run_pipeline(encoded(Share(Selector("all"), clusters=Clusters("one"))))
    assert [cluster.label for cluster in graph.clusters] == ["embedding", "linear"]
    assert graph.clusters[1].layers == ("m0.attend.in_proj_weight", "m0.attend.out_proj", "m0.mix")
    banks = {bank.id: bank.fan_in for bank in graph.banks}
    assert banks["c0.0"] == 2
    assert parse_graph(print_graph(graph)) == graph
    text = print_graph(graph)
    assert "linear [24,8] share 0 named attend.in_proj_weight\n" in text
    assert "embedding [17,8] share 0 sums 2\n" in text
    assert "linear [8,8] share 0\n" in text
