"""Algorithm 1 and its alternatives, on ids and pairs."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st
from swc.compiler.passes.grouping import average, connected, release, sizes_over_threshold, union
from swc.program.feedback import Similarity

IDS = [f"n{number}" for number in range(12)]
VALUES = st.floats(-1, 1, allow_nan=False)


def sim(first, second, value):
    return Similarity(first, second, value, 0.0)


def all_pairs(values):
    pairs = [(a, b) for n, a in enumerate(IDS) for b in IDS[n + 1 :]]
    return [sim(a, b, value) for (a, b), value in zip(pairs, values, strict=True)]


def oracle(pairs, threshold):
    graph = nx.Graph()
    graph.add_nodes_from(IDS)
    graph.add_edges_from((pair.first, pair.second) for pair in pairs if pair.value > threshold)
    return {frozenset(component) for component in nx.connected_components(graph)}


ALL = st.lists(VALUES, min_size=66, max_size=66).map(all_pairs)


@given(ALL, st.floats(-1, 1), st.randoms())
def test_union_is_the_connected_components_whatever_the_order(pairs, threshold, random):
    groups = union(IDS, pairs, threshold)
    assert {frozenset(group) for group in groups} == oracle(pairs, threshold)
    assert sorted(name for group in groups for name in group) == sorted(IDS)
    random.shuffle(pairs)
    assert union(IDS, pairs, threshold) == groups


@given(ALL, st.lists(st.floats(-1, 1), min_size=1, max_size=6))
def test_sizes_over_thresholds_are_those_of_union(pairs, thresholds):
    for threshold, sizes in sizes_over_threshold(pairs, thresholds):
        assert sizes == tuple(sorted(map(len, union(IDS, pairs, threshold)), reverse=True))


CHAIN = [sim("a", "b", 0.9), sim("b", "c", 0.8), sim("a", "c", -0.5)]


def test_a_chain_is_one_group_for_algorithm_1():
    assert union(["a", "b", "c"], CHAIN, 0.1) == (("a", "b", "c"),)


def test_a_chain_is_cut_by_average_linkage_and_by_the_release():
    assert average(["a", "b", "c"], CHAIN, 0.2) == (("a", "b"), ("c",))
    assert average(["a", "b", "c"], CHAIN, 0.1) == (("a", "b", "c"),)
    assert release(["a", "b", "c", "d"], [*CHAIN, sim("c", "d", 0.7), sim("a", "d", 0.6)], 0.1) == (
        ("a", "b", "c", "d"),
    )


def test_the_release_lets_a_later_pair_override_an_earlier_one():
    pairs = [sim("b", "c", 0.9), sim("a", "b", 0.8)]
    assert release(["a", "b", "c"], pairs, 0.1) == (("a", "b"), ("c",))
    assert union(["a", "b", "c"], pairs, 0.1) == (("a", "b", "c"),)


def test_a_pair_at_the_threshold_is_not_joined():
    assert union(["a", "b"], [sim("a", "b", 0.1)], 0.1) == (("a",), ("b",))


@given(ALL, st.floats(-1, 1))
def test_average_linkage_against_a_plain_search(pairs, threshold):
    assert {frozenset(g) for g in average(IDS, pairs, threshold)} == plain_average(pairs, threshold)


def plain_average(pairs, threshold):
    value = {frozenset((pair.first, pair.second)): pair.value for pair in pairs}
    groups = [frozenset([name]) for name in IDS]

    def mean(one, other):
        return sum(value[frozenset((a, b))] for a in one for b in other) / (len(one) * len(other))

    while len(groups) > 1:
        ranked = [(mean(one, other), n, m) for n, one in enumerate(groups) for m, other in enumerate(groups) if n < m]
        best = max(ranked, key=lambda row: (row[0], -row[1], -row[2]))
        if best[0] <= threshold:
            break
        joined = groups[best[1]] | groups[best[2]]
        groups = [*groups[: best[1]], joined, *groups[best[1] + 1 : best[2]], *groups[best[2] + 1 :]]
    return set(groups)


def test_groups_stand_in_the_order_of_their_first_ids():
    assert connected(["d", "a", "c", "b"], [("b", "a"), ("c", "d")]) == (("d", "c"), ("a", "b"))
