"""Tying, splitting and untying."""

from __future__ import annotations

import pytest
from attrs import evolve
from swc.compiler.ir.graph import Graph
from swc.compiler.ir.verify import verify
from swc.compiler.passes.pipeline import run_pipeline
from swc.compiler.passes.split import SplitByFeedback
from swc.compiler.passes.untie import UntieByFeedback
from swc.diagnostics import DiagnosticError
from swc.program.feedback import ClusterFeedback, CoefficientFeedback, Similarity
from swc.program.spec import Budget, Clusters, Selector, Share
from swc.program.training import Phase, Recipe, SplitClusters, Training, UntieCoefficients

from support.wrn_shapes import UNLIMITED, wrn_context

NETS = [(16, 2), (16, 1), (10, 2), (10, 1)]
SPLIT = SplitClusters(0.1)
ONE = Share(Selector("conv"), clusters=Clusters("one"))


def training(split=SPLIT, betas=(0.9,)):
    unties = tuple(UntieCoefficients(10 * n, beta) for n, beta in enumerate(betas, start=1))
    return Training(Recipe("test"), (Phase("search", 20, 0.1, split=split), Phase("main", 200, untie=unties)))


def pairs_of(graph: Graph, value) -> tuple[Similarity, ...]:
    return tuple(
        Similarity(a, b, value(a, b), 0.0)
        for cluster in graph.clusters
        for n, a in enumerate(cluster.layers)
        for b in cluster.layers[n + 1 :]
    )


def searched(share=ONE, nets=NETS, **options):
    return run_pipeline(wrn_context(nets, share=share, training=training(**options), revision=0))


def main_context(feedback, share=ONE, nets=NETS, budget=UNLIMITED, revision=1, **options):
    return wrn_context(nets, budget, share, training(**options), revision, feedback)


def stage_of(name: str) -> str:
    path = name.split(".", 1)[1]
    return path.split(".")[0]


def same_stage(a: str, b: str) -> float:
    return 0.8 if stage_of(a) == stage_of(b) else -0.1


def tied(graph: Graph) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for slot in graph.slots:
        found.setdefault(slot.coefficient, []).append(slot.id)
    return found


def test_a_search_ties_by_level():
    graph = searched()
    assert len(graph.coefficients) == len(graph.banks)
    assert all(slots[0] == name for name, slots in tied(graph).items())


def test_by_slot_ties_nothing():
    graph = run_pipeline(wrn_context(NETS, share=evolve(ONE, coefficients="slot")))
    assert len(graph.coefficients) == len(graph.slots)


def test_partners_are_at_the_same_place_in_the_widest_of_the_depth():
    graph = run_pipeline(wrn_context(NETS, share=ONE))
    groups = tied(graph)
    assert groups["m0.block1.0.conv2#0"] == ["m0.block1.0.conv2#0", "m1.block1.0.conv2#0"]
    assert groups["m2.conv1#0"] == ["m2.conv1#0", "m3.conv1#0"]


def test_a_single_network_has_coefficients_of_its_own():
    graph = run_pipeline(wrn_context([(16, 4)], share=ONE))
    assert len(graph.coefficients) == len(graph.slots)


def test_the_widest_of_another_depth_follows_the_most_similar_layer_of_the_reference():
    def value(a, b):
        return 0.95 if {a, b} == {"m0.block2.1.conv2", "m2.block2.0.conv2"} else same_stage(a, b)

    feedback = ClusterFeedback(0, pairs_of(searched(), value))
    groups = tied(run_pipeline(main_context((feedback,))))
    (group,) = [slots for slots in groups.values() if "m2.block2.0.conv2#0" in slots]
    assert group == [
        f"{name}#0" for name in ("m0.block2.1.conv2", "m1.block2.1.conv2", "m2.block2.0.conv2", "m3.block2.0.conv2")
    ]


def test_a_split_makes_the_connected_components():
    feedback = ClusterFeedback(0, pairs_of(searched(), same_stage))
    context = main_context((feedback,))
    graph = run_pipeline(context)
    stages = [{stage_of(name) for name in cluster.layers} for cluster in graph.clusters]
    assert stages == [{"block1"}, {"block2"}, {"block3"}, {"conv1"}, {"block1"}, {"block2"}, {"block3"}]
    assert graph.clusters[1].label == "1x1, group 2"
    assert context.notes == ["split clusters below 0.1: 2 became 7"]


def test_a_split_that_does_not_fit_lowers_the_threshold():
    from swc.compiler.passes.cluster import minimum_cost

    before = searched()
    feedback = ClusterFeedback(0, pairs_of(before, same_stage))
    split = run_pipeline(main_context((feedback,)))
    least = minimum_cost(before, before.clusters, main_context(()).spec)
    most = minimum_cost(split, split.clusters, main_context(()).spec)
    assert least < most
    context = main_context((feedback,), budget=Budget("templates", most - 1))
    graph = run_pipeline(context)
    assert len(graph.clusters) == 2
    assert context.notes == ["split clusters below -0.15: 2 became 2; at 0.1 they would not fit the budget"]
    (warning,) = context.sink.warnings
    assert warning.code == "SW410"
    assert warning.help() == "raise the budget: more clusters, as 0.1 asks for, do not fit in it"


def test_a_split_that_no_threshold_makes_affordable_is_an_error():
    before = searched()
    feedback = ClusterFeedback(0, pairs_of(before, same_stage))
    with pytest.raises(DiagnosticError) as raised:
        SplitByFeedback().run(before, main_context((feedback,), budget=Budget("templates", 1)))
    assert [d.code for d in raised.value.diagnostics] == ["SW408"]


def test_mostly_singletons_are_warned_about_with_sizes():
    feedback = ClusterFeedback(0, pairs_of(searched(), lambda a, b: 0.0))
    context = main_context((feedback,))
    graph = run_pipeline(context)
    assert len(graph.clusters) == len(graph.layers)
    (warning,) = context.sink.warnings
    assert warning.code == "SW409"
    assert (
        f"above -0.05: 2 clusters, the largest of {len(searched().clusters[1].layers)}, 0 of one layer"
        in warning.notes()
    )


def test_silent_layers_stay_in_the_largest_group():
    silent = "m0.block1.0.conv1"
    pairs = tuple(p for p in pairs_of(searched(), same_stage) if silent not in (p.first, p.second))
    context = main_context((ClusterFeedback(0, pairs, silent=(silent,)),))
    graph = run_pipeline(context)
    (home,) = [cluster for cluster in graph.clusters if silent in cluster.layers]
    assert len(home.layers) == max(len(cluster.layers) for cluster in graph.clusters)
    assert [warning.code for warning in context.sink.warnings] == ["SW411"]


def test_across_reference_members_of_its_depth_copy_it():
    def value(a, b):
        if a.startswith("m0") and b.startswith("m0"):
            return same_stage(a, b)
        return 0.9 if a.split(".", 1)[1] == b.split(".", 1)[1] else 0.2

    feedback = ClusterFeedback(0, pairs_of(searched(), value))
    graph = run_pipeline(main_context((feedback,), split=SplitClusters(0.1, across="reference")))
    home = {name: cluster.id for cluster in graph.clusters for name in cluster.layers}
    assert len(graph.clusters) == 7
    for layer in graph.layers:
        if f"m0.{layer.path}" in home:
            assert home[layer.id] == home[f"m0.{layer.path}"]


def test_without_the_feedback_the_clusters_are_the_initial_ones():
    assert run_pipeline(main_context(())).clusters == searched().clusters


def test_feedback_no_stage_asked_for_is_refused():
    with pytest.raises(ValueError, match="without a split"):
        run_pipeline(main_context((ClusterFeedback(1, ()),)))


def allocated(graph: Graph, num_templates: int) -> Graph:
    return evolve(graph, banks=tuple(evolve(bank, num_templates=num_templates) for bank in graph.banks))


def slot_pairs(graph: Graph, value: float) -> tuple[Similarity, ...]:
    return tuple(
        Similarity(a, b, value, 0.0)
        for slots in tied(graph).values()
        for n, a in enumerate(slots)
        for b in slots[n + 1 :]
    )


def test_untying_gives_each_further_group_one_new_coefficient():
    before = allocated(run_pipeline(main_context(())), 2)
    context = main_context((CoefficientFeedback(1, slot_pairs(before, 0.5)),), revision=2)
    after = UntieByFeedback().run(before, context)
    assert len(after.coefficients) == len(after.slots)
    assert evolve(after, slots=(), coefficients=()) == evolve(before, slots=(), coefficients=())
    assert [slot.id for slot in after.slots] == [slot.id for slot in before.slots]
    assert {slot.coefficient for slot in before.slots} <= {slot.coefficient for slot in after.slots}


def test_untying_composes_over_stages():
    before = allocated(run_pipeline(main_context((), betas=(0.9, 0.95))), 2)
    first = CoefficientFeedback(1, tuple(p for p in slot_pairs(before, 0.92)))
    second = CoefficientFeedback(2, slot_pairs(before, 0.92))
    assert UntieByFeedback().run(before, main_context((first,), betas=(0.9, 0.95), revision=2)) == before
    after = UntieByFeedback().run(before, main_context((first, second), betas=(0.9, 0.95), revision=3))
    assert len(after.coefficients) == len(after.slots)


def test_banks_of_one_template_stay_tied_and_are_reported():
    before = allocated(run_pipeline(main_context(())), 1)
    context = main_context((CoefficientFeedback(1, slot_pairs(before, -1.0)),), revision=2)
    assert UntieByFeedback().run(before, context) == before
    assert "one template" in context.notes[-1]


def test_the_smallest_budget_named_is_one_that_compiles():
    context = main_context((), budget=Budget("parameters", 1000))
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(context)
    (error,) = caught.value.diagnostics
    run_pipeline(main_context((), budget=Budget("parameters", error.smallest)))
    with pytest.raises(DiagnosticError):
        run_pipeline(main_context((), budget=Budget("parameters", error.smallest - 1)))


def test_ten_thousand_layers_compile_in_seconds():
    graph = run_pipeline(wrn_context([(1000, 2)] * 10, share=Share(Selector("conv"))))
    assert len(graph.layers) == 10 * (1 + 2 * 498 + 3)


def test_a_whole_run_of_revisions_is_verified():
    seen: list[int] = []
    split = ClusterFeedback(0, pairs_of(searched(), same_stage))
    before = run_pipeline(main_context((split,)), after=lambda step, graph: verify(graph))
    untie = CoefficientFeedback(1, slot_pairs(before, 0.5))
    context = main_context((split, untie), revision=2)
    after = run_pipeline(context, after=lambda step, graph: (verify(graph), seen.append(len(graph.coefficients))))
    assert seen[-1] > len(before.coefficients)
    assert (after.banks, after.clusters, after.weights) == (before.banks, before.clusters, before.weights)
    assert len(context.notes) == 2


def test_an_untie_of_the_search_does_not_reach_the_main_phase():
    recipe = Recipe("test")
    search = Phase("search", 20, 0.1, untie=(UntieCoefficients(10, 0.9),), split=SPLIT)
    phases = Training(recipe, (search, Phase("main", 200)))
    early = CoefficientFeedback(0, ())
    late = ClusterFeedback(1, pairs_of(searched(), same_stage))
    within = run_pipeline(wrn_context(NETS, share=ONE, training=phases, revision=1, feedback=(early,)))
    assert len(within.coefficients) == len(within.slots)
    main = wrn_context(NETS, share=ONE, training=phases, revision=2, feedback=(early, late))
    assert (
        run_pipeline(main).coefficients
        == run_pipeline(wrn_context(NETS, share=ONE, training=phases, revision=2, feedback=(late,))).coefficients
    )
