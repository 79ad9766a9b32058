"""`swc diff`: what changed, what made it, and the links that hold groups together."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from swc.compiler.driver import compile_file
from swc.compiler.lowering.lower import lower
from swc.program.feedback import ClusterFeedback, CoefficientFeedback, Similarity
from swc.show.diff import ProgramSide, diff_view, measured_between, side_of, sizes_table
from swc.show.links import close_calls, parts_of
from swc.show.plain import plain
from swc.show.revision import Revision

from support.graphs import small_graph, small_spec

GOLDEN = Path(__file__).parents[1] / "golden" / "show"


def revision(number: int, label: str, *, tied: bool) -> Revision:
    graph = small_graph(tied, number)
    return Revision(number, label, graph, lower(graph, small_spec()))


def test_an_untie_with_its_similarity() -> None:
    before, after = revision(1, "main", tied=True), revision(2, "main from epoch 2", tied=False)
    pair = Similarity("wide.conv0#0", "thin.conv0#0", 0.875, 0.02)
    feedback = CoefficientFeedback(1, (pair,), silent=("wide.conv1#0",), num_images=1437, num_groups=8)
    one, other = side_of(before), side_of(after)
    assert one
    assert other
    measured = measured_between(one.program, other.program, (feedback,), small_spec().training)
    assert [item.threshold for item in measured] == [0.9]
    assert plain(diff_view(one, other, measured)) == (GOLDEN / "diff_untie.txt").read_text("utf-8")


def test_a_split_tells_what_other_thresholds_would_make() -> None:
    pairs = (Similarity("a", "b", 0.45, 0.01), Similarity("b", "c", 0.25, 0.01), Similarity("a", "c", 0.1, 0.01))
    lines = plain(sizes_table(pairs, 0.25)).splitlines()
    rows = [line.split() for line in lines[1:]]
    assert ["*", "0.25", "2", "2", "1"] in rows, "a pair at the threshold is not above it"
    assert ["0.2", "1", "3", "0"] in rows
    assert ["0.5", "3", "1", "3"] in rows


def test_other_gains_are_told_with_the_layers_that_have_them() -> None:
    before, after = (small_graph(tied=True, revision=n) for n in (0, 1))
    gains = {"wide.conv0#0": 2**0.5, "thin.conv0#0": 2**0.5, "wide.conv1#1": 3.0}
    after = evolve(after, slots=tuple(evolve(slot, gain=gains.get(slot.id, 1.0)) for slot in after.slots))
    sides = [side_of(Revision(n, "", g, lower(g, small_spec()))) for n, g in enumerate((before, after))]
    assert sides[0] and sides[1]
    text = plain(diff_view(sides[0], sides[1]))
    assert "the two share alike" not in text
    rows = [line.split() for line in text.partition("gains\n")[2].splitlines()]
    assert rows == [
        ["before", "after", "slots", "where"],
        ["1", "1.414", "2", "wide", "0;", "thin", "0"],
        ["1", "3", "1", "wide", "1"],
    ]


def test_two_that_share_alike_say_so() -> None:
    side = side_of(revision(1, "main", tied=True))
    assert side
    assert "the two share alike" in plain(diff_view(side, side))


def test_weights_that_are_made_otherwise_are_told(tmp_path: Path) -> None:
    """Policies without banks store tensors, and a start value is no other sharing, but no other's either."""

    def compiled(share: str) -> ProgramSide:
        text = (
            f"ensemble e {{\n data digits\n member m[2] = wrn(depth: 10, width: 1)\n budget unlimited\n {share}\n}}\n"
        )
        (tmp_path / "e.sw").write_text(text, "utf-8")
        return ProgramSide("e", compile_file(tmp_path / "e.sw").program)

    hard, scaled = compiled("share conv as hard"), compiled("share conv as rank_one")
    own = compiled("share conv as none")
    shown = plain(diff_view(hard, scaled))
    assert ["stored", "scale", "stored", "18", "m[0]", "0-8;", "m[1]", "0-8"] in [
        one.split() for one in shown.splitlines()
    ]
    assert "stored tensors: 36 new" in shown and "share alike" not in shown
    for pair, row in (((hard, own), "stored private 18"), ((own, hard), "private stored 18")):
        shown = plain(diff_view(*pair))
        assert [*row.split(), "m[0]", "0-8;", "m[1]", "0-8"] in [one.split() for one in shown.splitlines()]
    assert "the two share alike" in plain(diff_view(own, own))
    other = compiled("share conv { clusters one initialisation release }")
    shown = plain(diff_view(compiled("share conv { clusters one initialisation kaiming }"), other))
    assert "what is stored begins with other values" in shown and "share alike" not in shown


def test_only_feedback_between_the_two_counts() -> None:
    one, other = (revision(n, "", tied=True).program for n in (1, 2))
    assert one
    assert other
    feedback = (ClusterFeedback(0, ()), CoefficientFeedback(1, ()), CoefficientFeedback(2, ()))
    assert [item.feedback.revision for item in measured_between(one, other, feedback, None)] == [1]


def test_close_calls_are_within_two_errors() -> None:
    near, far = Similarity("a", "b", 0.13, 0.02), Similarity("a", "c", 0.15, 0.02)
    assert close_calls((far, near), 0.1) == (near,)


@given(st.data())
def test_links_are_those_of_the_maximum_spanning_tree(data: st.DataObject) -> None:
    ids = [f"m.l{n}" for n in range(data.draw(st.integers(2, 7)))]
    pairs = [(a, b) for n, a in enumerate(ids) for b in ids[n + 1 :]]
    kept = data.draw(st.lists(st.sampled_from(pairs), unique=True))
    values = data.draw(st.lists(st.floats(-1, 1), min_size=len(kept), max_size=len(kept), unique=True))
    similarities = [Similarity(a, b, v, 0.0) for (a, b), v in zip(kept, values, strict=True)]
    cut = data.draw(st.integers(1, len(ids) - 1))
    groups = (tuple(ids[:cut]), tuple(ids[cut:]))
    whole = nx.Graph()
    whole.add_nodes_from(ids)
    whole.add_weighted_edges_from((s.first, s.second, s.value) for s in similarities)
    outside = [s.value for s in similarities if (s.first in groups[0]) != (s.second in groups[0])]
    for part in parts_of(groups, similarities):
        assert (part.nearest.value if part.nearest else None) == max(outside, default=None)
        tree = nx.maximum_spanning_tree(whole.subgraph(part.ids))
        weights = [weight for _, _, weight in tree.edges(data="weight")]
        expected = min(weights) if len(part.ids) > 1 and len(weights) == len(part.ids) - 1 else None
        assert (part.holds.value if part.holds else None) == expected
