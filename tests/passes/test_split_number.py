"""Splitting into a number of clusters: the joins it goes by, the number, the cut, and what cannot be."""

from __future__ import annotations

from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from swc.compiler.ir.graph import Graph
from swc.compiler.ir.verify import verify
from swc.compiler.passes.cluster import minimum_cost
from swc.compiler.passes.context import Context
from swc.compiler.passes.grouping import LINKAGES, LINKS, Groups, connected
from swc.compiler.passes.pipeline import run_pipeline
from swc.compiler.passes.split_number import cuts_of
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.program.feedback import ClusterFeedback, Similarity
from swc.program.spec import Budget, Clusters, Selector, Share
from swc.program.training import Linkage, Phase, Recipe, SplitClusters, Training

from support.wrn_shapes import UNLIMITED, wrn_context

NETS = [(16, 1), (10, 2)]
ONE = Share(Selector("conv"), clusters=Clusters("one"))
IDS = [f"n{number}" for number in range(6)]
PAIRS = [(a, b) for n, a in enumerate(IDS) for b in IDS[n + 1 :]]
# Few values, so that equal ones are common.
VALUES = st.lists(st.sampled_from([-0.5, 0.0, 0.125, 0.25, 0.5, 1.0]), min_size=len(PAIRS), max_size=len(PAIRS))
PARTED = st.sampled_from(["union", "average"])


def similar(values: list[float]) -> list[Similarity]:
    return [Similarity(a, b, value, 0.01) for (a, b), value in zip(PAIRS, values, strict=True)]


def groups_of(linkage: str, pairs: list[Similarity], number: int) -> Groups:
    links = list(LINKS[linkage](IDS, pairs))
    return connected(IDS, ((link.first, link.second) for link in links[: len(IDS) - number]))


@settings(max_examples=40)
@given(VALUES, PARTED, st.randoms())
def test_every_number_is_met_in_any_order_and_one_more_is_a_refinement(values, linkage, random) -> None:
    pairs = similar(values)
    chain = [groups_of(linkage, pairs, number) for number in range(1, len(IDS) + 1)]
    assert [len(groups) for groups in chain] == list(range(1, len(IDS) + 1))
    for coarse, fine in pairwise(chain):
        assert all(any(set(part) <= set(whole) for whole in coarse) for part in fine)
    random.shuffle(pairs)
    assert chain == [groups_of(linkage, pairs, number) for number in range(1, len(IDS) + 1)]


@settings(max_examples=40)
@given(st.lists(st.floats(-1, 1), min_size=len(PAIRS), max_size=len(PAIRS), unique=True), PARTED)
def test_a_threshold_inside_the_cut_makes_the_same_groups(values, linkage) -> None:
    pairs = similar(values)
    links = list(LINKS[linkage](IDS, pairs))
    for number in range(2, len(IDS)):
        joined, apart = links[len(IDS) - number - 1], links[len(IDS) - number]
        if joined.value > apart.value:
            assert LINKAGES[linkage](IDS, pairs, apart.value) == groups_of(linkage, pairs, number)


@settings(max_examples=40)
@given(VALUES, st.lists(st.floats(-0.49, 0.49), min_size=len(PAIRS), max_size=len(PAIRS)), st.integers(2, 5))
def test_what_is_moved_by_less_than_half_the_cut_falls_alike(values, moves, number) -> None:
    pairs = similar(values)
    links = list(LINKS["union"](IDS, pairs))
    width = links[len(IDS) - number - 1].value - links[len(IDS) - number].value
    moved = [evolve(pair, value=pair.value + width * move) for pair, move in zip(pairs, moves, strict=True)]
    if width > 0:
        assert groups_of("union", moved, number) == groups_of("union", pairs, number)


def test_equal_similarities_are_joined_in_the_order_of_the_layers() -> None:
    pairs = [Similarity(a, b, 0.5, 0.0) for a, b in (("c", "d"), ("a", "c"), ("a", "b"), ("b", "d"))]
    for linkage in ("union", "average"):
        first = next(LINKS[linkage](["a", "b", "c", "d"], pairs))
        assert (first.first, first.second) == ("a", "b")


def test_an_average_link_has_the_mean_and_the_mean_error_of_its_pairs() -> None:
    pairs = [Similarity("a", "b", 0.9, 0.1), Similarity("b", "c", 0.8, 0.2), Similarity("a", "c", -0.5, 0.4)]
    last = list(LINKS["average"](["a", "b", "c"], pairs))[-1]
    assert (last.first, last.second) == ("a", "c")
    assert (last.value, last.error) == (pytest.approx(0.15), pytest.approx(0.3))


def training(*splits: SplitClusters) -> Training:
    searches = (Phase(f"search{number}", 2, 0.1, split=split) for number, split in enumerate(splits))
    return Training(Recipe("test"), (*searches, Phase("main", 4)))


def into(number: int, linkage: Linkage = "union", **options: str) -> SplitClusters:
    return SplitClusters(None, linkage, number=number, **options)


def context_of(
    split: SplitClusters, *feedback: ClusterFeedback, share: Share = ONE, budget: Budget = UNLIMITED
) -> Context:
    return wrn_context(NETS, budget, share, training(split), len(feedback), feedback)


def measured(graph: Graph, value, silent: tuple[str, ...] = ()) -> ClusterFeedback:
    pairs = tuple(
        Similarity(a, b, value(a, b), 0.01)
        for cluster in graph.clusters
        for n, a in enumerate(cluster.layers)
        for b in cluster.layers[n + 1 :]
        if not {a, b} & set(silent)
    )
    return ClusterFeedback(0, pairs, silent)


def varied(a: str, b: str) -> float:
    """A similarity of its own for each pair, the same every time."""
    return (sum(map(ord, a + b)) * 37 % 199) / 200 - 0.3


def before(share: Share = ONE) -> Graph:
    return run_pipeline(context_of(into(8), share=share))


def refused(split: SplitClusters, *feedback: ClusterFeedback, **options: object) -> Diagnostic:
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(context_of(split, *feedback, **options))  # type: ignore[arg-type]
    (error,) = caught.value.diagnostics
    return error


@pytest.mark.parametrize("linkage", ["union", "average"])
@pytest.mark.parametrize("number", [3, 7, 12])
def test_a_block_has_exactly_that_many_clusters_inside_its_old_ones(linkage: Linkage, number: int) -> None:
    old = before()
    context = context_of(into(number, linkage), measured(old, varied))
    graph = run_pipeline(context, lambda _, graph: verify(graph))
    assert len(graph.clusters) == number
    homes = [set(cluster.layers) for cluster in old.clusters]
    assert all(any(set(cluster.layers) <= home for home in homes) for cluster in graph.clusters)
    assert context.notes[0].startswith(f"split clusters into {number}: 2 became {number}; the cut lies between ")


def test_the_cut_tells_both_its_sides() -> None:
    old = before()
    feedback, action = measured(old, varied), into(7)
    (cut,) = cuts_of(old, feedback, action)
    assert cut.joined is not None and cut.apart is not None and cut.level is not None
    assert cut.joined.value >= cut.level >= cut.apart.value
    context = context_of(action, feedback)
    run_pipeline(context)
    assert f"between {cut.joined.text} (joined last) and {cut.apart.text} (left apart)" in context.notes[0]


def test_the_ends_of_the_range_have_one_side_only() -> None:
    old = before()
    feedback = measured(old, varied)
    (whole,), (alone,) = (cuts_of(old, feedback, into(number)) for number in (2, len(old.layers)))
    assert whole.apart is None and whole.joined is not None and whole.level == whole.joined.value
    assert alone.joined is None and alone.apart is not None
    context = context_of(into(2), feedback)
    assert [cluster.layers for cluster in run_pipeline(context).clusters] == [c.layers for c in old.clusters]
    assert [(found.code, found.help()) for found in context.sink.warnings] == [
        ("SW410", "ask for more clusters than 2")
    ]
    scattered = context_of(into(len(old.layers)), feedback)
    run_pipeline(scattered)
    (warning,) = scattered.sink.warnings
    assert warning.code == "SW409"
    assert "splitting into 25 leaves" in warning.message()
    assert "fewer clusters" in warning.help()


@pytest.mark.parametrize(("number", "way"), [(1, "from 2 to 25, or start from fewer"), (26, "from 2 to 25")])
def test_a_number_out_of_reach_is_refused_before_any_training(number: int, way: str) -> None:
    error = refused(into(number))
    assert (error.code, error.message()) == (
        "SW417",
        f"layers of `share conv` can be split into 2 to 25 clusters, and not into {number}",
    )
    assert way in error.help()


def test_across_the_reference_its_layers_are_the_most() -> None:
    assert "2 to 15 clusters" in refused(into(16, across="reference")).message()
    old = before()
    graph = run_pipeline(context_of(into(6, across="reference"), measured(old, varied)))
    assert len(graph.clusters) == 6


def test_a_later_split_does_not_join_what_an_earlier_one_parted() -> None:
    context = wrn_context(NETS, share=ONE, training=training(into(6), into(5)), revision=0)
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(context)
    assert "6 to 25 clusters, and not into 5" in caught.value.diagnostics[0].message()
    twice = training(into(6), into(9))

    def revision(number: int, *feedback: ClusterFeedback) -> Graph:
        return run_pipeline(wrn_context(NETS, share=ONE, training=twice, revision=number, feedback=feedback))

    old = revision(0)
    first = measured(old, varied)
    middle = revision(1, first)
    last = revision(2, first, evolve(measured(middle, varied), revision=1))
    assert [len(graph.clusters) for graph in (old, middle, last)] == [2, 6, 9]


def test_layers_without_a_gradient_do_not_count() -> None:
    old = before()
    silent = old.clusters[1].layers[:2]
    feedback = measured(old, varied, silent)
    error = refused(into(25), feedback)
    assert error.message() == "layers of `share conv` can be split into 2 to 23 clusters, and not into 25"
    graph = run_pipeline(context_of(into(23), feedback))
    assert len(graph.clusters) == 23
    home = next(cluster for cluster in graph.clusters if silent[0] in cluster.layers)
    assert set(silent) < set(home.layers)


def test_a_budget_that_does_not_bear_the_number_names_the_most_it_bears() -> None:
    old = before()
    feedback = measured(old, varied)
    graph = run_pipeline(context_of(into(12), feedback))
    most = minimum_cost(graph, graph.clusters, context_of(into(12)).spec)
    error = refused(into(12), feedback, budget=Budget("templates", most - 1))
    assert error.code == "SW418"
    assert f"the budget of {most - 1:,} scalars does not bear a split into 12 clusters" in error.message()
    largest = error.largest  # type: ignore[attr-defined]
    assert 2 <= largest < 12
    assert f"into {largest}`, the most that fit" in error.help()
    fitting = run_pipeline(context_of(into(largest), feedback, budget=Budget("templates", most - 1)))
    assert len(fitting.clusters) == largest
    assert refused(into(largest + 1), feedback, budget=Budget("templates", most - 1)).code == "SW418"


def two_blocks(number: int, *feedback: ClusterFeedback, bins: int = 1) -> Context:
    context = wrn_context(NETS, training=training(into(number)), revision=len(feedback), feedback=feedback)
    shares = (
        Share(Selector("glob", "*block1*"), clusters=Clusters("one")),
        Share(Selector("glob", "*block2*"), clusters=Clusters("depth", bins)),
    )
    return evolve(context, spec=evolve(context.spec, shares=shares))


def test_every_share_block_has_the_number() -> None:
    old = run_pipeline(two_blocks(4))
    feedback = measured(old, varied)
    context = two_blocks(4, feedback)
    graph = run_pipeline(context)
    assert [sum(cluster.share == block for cluster in graph.clusters) for block in (0, 1)] == [4, 4]
    assert len(cuts_of(old, feedback, into(4))) == 2
    assert 'the cut of `share "*block2*"` lies' in context.notes[0]


def test_a_number_that_suits_one_block_only_is_refused() -> None:
    with pytest.raises(DiagnosticError) as caught:
        run_pipeline(two_blocks(1))
    assert all(error.code == "SW417" for error in caught.value.diagnostics)


def test_a_split_goes_by_one_of_both() -> None:
    for threshold, number in ((None, None), (0.1, 4)):
        with pytest.raises(ValueError, match="a threshold or by a number"):
            SplitClusters(threshold, number=number)
