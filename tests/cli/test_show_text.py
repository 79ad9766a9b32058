"""The text of `swc show`, of the report before training and of one layer, against golden files."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from swc.compiler.ir.counts import count
from swc.compiler.ir.graph import Graph
from swc.compiler.ir.verify import verify
from swc.diagnostics import DiagnosticError
from swc.program.expressions import Combine, Slice, Stored
from swc.program.spec import Budget
from swc.program.training import SplitClusters
from swc.program.vocabulary import Initialisation
from swc.show.choose import choose
from swc.show.index import index_of
from swc.show.layer import layer_view
from swc.show.plain import plain
from swc.show.revision import Revision
from swc.show.summary import compile_summary, start_lines
from swc.show.text import action_text, overview
from swc.show.ties import is_tied_throughout, letter_of, tie_groups
from swc.show.wording import budget_text, gain_text, runs, short

from support.graphs import small_graph, small_spec, striped_graph

GOLDEN = Path(__file__).parents[1] / "golden" / "show"


def golden(name: str) -> str:
    return (GOLDEN / f"{name}.txt").read_text("utf-8")


def test_the_hand_made_graph_is_a_graph() -> None:
    verify(small_graph())


def test_a_sketch_is_shown_where_there_is_one() -> None:
    assert action_text(SplitClusters(0.1)) == "split clusters below 0.1"
    assert action_text(SplitClusters(0.1, sketch=4096)) == "split clusters below 0.1 sketch 4096"


def test_overview() -> None:
    revision = Revision(1, "main", small_graph(), notes=("two clusters of three bins were empty",))
    assert plain(overview(revision, small_spec())) == golden("overview")


def test_report() -> None:
    graph = small_graph()
    assert plain(compile_summary(graph, count(graph), small_spec(), ("bins: 2",))) == golden("report")


@pytest.mark.parametrize("name", ["wide.conv1", "thin.conv0"])
def test_layer(name: str) -> None:
    assert plain(layer_view(small_graph(), name)) == golden(f"layer_{name.replace('.', '_')}")


def test_layer_may_be_named_by_its_weight() -> None:
    graph = small_graph()
    assert plain(layer_view(graph, "wide.conv1.weight")) == plain(layer_view(graph, "wide.conv1"))


def amplified() -> Graph:
    graph = small_graph()
    gains = {"wide.conv0#0": 2**0.5, "thin.conv0#0": 2**0.5}
    return evolve(graph, slots=tuple(evolve(slot, gain=gains.get(slot.id, 1.0)) for slot in graph.slots))


def test_gains_stand_beside_slots_and_below_banks_where_there_are_any() -> None:
    (told, _) = start_lines(amplified(), small_spec())
    assert str(told) == "gains 1 to 1.414: each layer starts at its own variance"
    (line,) = (line for line in plain(layer_view(amplified(), "thin.conv0")).splitlines() if line.startswith("#0"))
    assert line.split()[:5] == ["#0", "c0.0", "2", "288", "1.414"]
    assert "gain" not in plain(layer_view(small_graph(), "thin.conv0"))


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("gains", []),  # all of them 1
        ("scaled", ["scaled: the coefficients' start values give each layer its own variance"]),
        ("kaiming", ["kaiming: each bank starts at the variance of its largest layer, smaller layers too small"]),
        ("release", ["release: the larger start of the paper's code"]),
    ],
)
def test_every_other_start_is_told(start: Initialisation, words: list[str]) -> None:
    spec = small_spec()
    shares = tuple(evolve(share, initialisation=start) for share in spec.shares)
    assert [str(line) for line in start_lines(small_graph(), evolve(spec, shares=shares))] == words


def test_gains_in_words() -> None:
    assert [gain_text(1.0), gain_text(8.0, 1.0, 2.0), gain_text(1.00001, 1.0)] == ["1", "1 to 8", "1"]


def test_private_parameters_say_why() -> None:
    assert "head" in plain(layer_view(small_graph(), "thin.head"))


def test_unknown_layer_is_answered_with_the_nearest() -> None:
    with pytest.raises(DiagnosticError) as caught:
        layer_view(small_graph(), "wide.cnv1")
    assert "`wide.conv1`" in (caught.value.diagnostics[0].help() or "")


def test_a_cropped_layer_tells_what_is_discarded() -> None:
    graph = small_graph()
    layers = tuple(evolve(x, shape=(6, 4, 3, 3)) if x.id == "thin.conv0" else x for x in graph.layers)
    cropped = Slice(Combine("thin.conv0#0", 0, (8, 4, 3, 3)), (6, 4, 3, 3))
    weights = tuple(evolve(w, expression=cropped) if w.layer == "thin.conv0" else w for w in graph.weights)
    text = plain(layer_view(evolve(graph, layers=layers, weights=weights), "thin.conv0"))
    assert "generated 288 scalars, discarded 72 (25.00%)" in text
    assert "6x4x3x3" in text


def test_a_stored_weight_names_its_tensor() -> None:
    graph = small_graph()
    stored = tuple(
        evolve(w, expression=Stored("t0", (8, 8, 3, 3))) if w.layer == "wide.conv2" else w for w in graph.weights
    )
    slots = tuple(slot for slot in graph.slots if slot.layer != "wide.conv2")
    text = plain(layer_view(evolve(graph, weights=stored, slots=slots), "wide.conv2"))
    assert "reads the stored tensor t0" in text


def test_long_members_continue_on_further_lines() -> None:
    text = plain(overview(Revision(0, "", striped_graph({"deep": 54}, 4)), small_spec(), width=80), width=80)
    rows = [line for line in text.splitlines() if line.startswith("deep ")]
    assert len(rows) > 1
    assert sum(len(row.split()) - 1 for row in rows) == 54
    assert all(len(line) <= 80 for line in text.splitlines())


def test_a_graph_half_compiled_is_shown_without_what_is_missing() -> None:
    text = plain(overview(Revision(0, "", striped_graph({"a": 3}, 1)), evolve(small_spec(), training=None)))
    assert "banks" not in text
    assert "phases" not in text


def test_choosing_revisions() -> None:
    graph = small_graph()
    revisions = (
        Revision(0, "search", evolve(graph, phase="search")),
        Revision(1, "main", graph),
        Revision(2, "main from epoch 2", graph),
    )
    assert [choose(revisions, w).number for w in (None, "0", "search", "main", "main from epoch 2", "1")] == [
        2, 0, 0, 2, 2, 1,
    ]  # fmt: skip
    with pytest.raises(DiagnosticError) as caught:
        choose(revisions, "serch")
    assert "`search`" in (caught.value.diagnostics[0].help() or "")


def test_ties() -> None:
    (group,) = tie_groups(index_of(small_graph()))
    assert (group.letter, group.layers, group.num_tied) == ("a", ("wide.conv0", "thin.conv0"), 2)
    assert tie_groups(index_of(small_graph(tied=False))) == ()
    assert not is_tied_throughout(index_of(small_graph()))
    assert [letter_of(n) for n in (0, 25, 26, 27, 52)] == ["a", "z", "aa", "ab", "ba"]


def test_wording() -> None:
    assert runs([3, 0, 1, 2, 7, 9, 8]) == "0-3, 7-9"
    assert [short(n) for n in (7, 1500, 17_997_568, 2e9)] == ["7", "1.50k", "18.00M", "2.00G"]
    assert budget_text(Budget("native", 0.25)) == "25% of native"
    assert budget_text(Budget("parameters", 36.5e6)) == "36,500,000 parameters"
    assert budget_text(Budget("unlimited")) == "unlimited"
