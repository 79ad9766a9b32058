"""The textual form of graphs: exact round trips, stable and diffable text, damage named by line."""

from __future__ import annotations

from difflib import unified_diff
from typing import get_args

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from swc.compiler.ir.graph import (
    Bank,
    Cluster,
    Coefficient,
    Graph,
    Layer,
    LayerKind,
    Level,
    MemberNode,
    Piece,
    Private,
    Slot,
    Tensor,
    Weight,
)
from swc.compiler.ir.text import parse_graph, print_graph
from swc.diagnostics import DiagnosticError
from swc.program.expressions import Combine, Concat, Expression, Mix, Product, Resize, Scale, Slice, Stored, Sum
from swc.program.model_source import ModelSource
from swc.registry.families import FAMILIES
from swc.registry.policies import UPSAMPLINGS

from support.graphs import small_graph

names = st.text(min_size=1, max_size=8) | st.sampled_from(
    ["m[0].block1.0.conv1#0", "all", "true", "1x", "a b", '"', "c0.0"]
)
identifiers = st.from_regex(r"[^\W\d]\w{0,6}", fullmatch=True)
members = identifiers | st.builds("{}[{}]".format, identifiers, st.integers(0, 99))
paths = st.lists(names.map(lambda name: name.replace(".", "_")), max_size=3).map(".".join)
modes = st.sampled_from(UPSAMPLINGS)
whole = st.integers(0, 10**8)
shapes = st.lists(st.integers(0, 2048), max_size=5).map(tuple)
pairs = st.tuples(st.integers(0, 99), st.integers(0, 99))
written = names.filter(lambda text: not set('"\n\r') & set(text))  # as an argument in a spec can be
scalars = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | written
given_names = {
    "family": st.sampled_from(sorted(FAMILIES)),
    "torchvision": identifiers,
    "python": st.builds("{}.{}:{}".format, identifiers, identifiers, identifiers),
}
sources = st.one_of(
    st.builds(ModelSource, st.just(kind), name, st.lists(st.tuples(identifiers, scalars), max_size=3).map(tuple))
    for kind, name in given_names.items()
)
leaves = st.builds(Stored, names, shapes) | st.builds(Combine, names, whole, shapes)


def _grown(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    parts = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return (
        st.builds(Slice, inner, shapes)
        | st.builds(Concat, st.sampled_from([0, 1]), parts)
        | st.builds(Scale, inner, names, names)
        | st.builds(Resize, inner, shapes, modes)
        | st.builds(Mix, inner, names, st.integers(0, 99), shapes)
        | st.builds(Sum, parts)
        | st.builds(Product, inner, inner, shapes, factors)
    )


def some(node: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(node, max_size=2).map(tuple)


factors = st.floats(1e-3, 1e3)
graphs = st.builds(
    Graph,
    ensemble=identifiers,
    revision=whole,
    phase=identifiers | st.just(""),
    members=some(st.builds(MemberNode, members, sources)),
    layers=some(
        st.builds(
            Layer, names, members, paths, whole, st.sampled_from(get_args(LayerKind)), shapes, whole, paths, whole
        )
    ),
    private=some(st.builds(Private, members, paths, shapes, names)),
    clusters=some(st.builds(Cluster, names, whole, names, some(names))),
    levels=some(st.builds(Level, names, names, whole, some(st.builds(Piece, shapes, pairs)), st.none() | pairs)),
    banks=some(st.builds(Bank, names, whole, whole, whole)),
    coefficients=some(st.builds(Coefficient, names, names)),
    slots=some(st.builds(Slot, names, names, names, names, st.just(1.0) | factors)),
    tensors=some(st.builds(Tensor, names, shapes, whole)),
    weights=some(st.builds(Weight, names, st.recursive(leaves, _grown, max_leaves=4))),
)


def test_a_gain_is_written_where_there_is_one() -> None:
    graph = small_graph()
    slots = (evolve(graph.slots[0], gain=2**0.5), *graph.slots[1:])
    lines = print_graph(evolve(graph, slots=slots)).splitlines()
    (line,) = set(lines) - set(print_graph(graph).splitlines())
    assert line == "slot wide.conv0#0 of wide.conv0 in c0.0 by wide.conv0#0 gain 1.4142135623730951"


@given(graphs)
def test_every_graph_comes_back_as_it_was(graph: Graph) -> None:
    text = print_graph(graph)
    back = parse_graph(text)
    assert back == graph
    assert repr(back) == repr(graph)  # 1, 1.0 and True are equal to Python, not to us
    assert print_graph(back) == text


def test_the_text_reads_like_this() -> None:
    text = print_graph(small_graph())
    assert text.startswith("graph small revision 0 phase main\n\nmember wide is python ")
    for line in (
        "layer wide.conv1 of wide at conv1 index 1 conv [8,8,3,3] share 0",
        "private wide at head.weight [10,8] because head",
        'cluster c0 share 0 called "3x3 bin 0"\n  wide.conv0\n  wide.conv1\n  thin.conv0\n',
        "level c0.1 of c0 index 1 keep all add ([8,4,3,3] @ [0,4])",
        "bank c0.0 templates 2 size 288 fan_in 72",
        "slot thin.conv0#0 of thin.conv0 in c0.0 by wide.conv0#0",
        "weight wide.conv1 is concat(1; combine(wide.conv1#0 @0 [8,4,3,3]), combine(wide.conv1#1 @0 [8,4,3,3]))",
    ):
        assert line in text
    assert not any(line != line.rstrip() for line in text.split("\n"))


def test_a_change_of_one_node_changes_its_own_line() -> None:
    graph = small_graph()
    banks = (evolve(graph.banks[0], num_templates=5), *graph.banks[1:])
    before, after = (print_graph(g).splitlines() for g in (graph, evolve(graph, banks=banks)))
    changes = [line for line in unified_diff(before, after, n=0, lineterm="") if line[:2] in ("-b", "+b")]
    assert len(list(unified_diff(before, after, n=0, lineterm=""))) == 5
    assert changes == ["-bank c0.0 templates 2 size 288 fan_in 72", "+bank c0.0 templates 5 size 288 fan_in 72"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bank c0.1 templates 1", "bank c0.1 templates one"),
        ("bank c0.1 templates 1", "bank c0.1 templates 1.5"),
        ("bank c0.1 templates 1 size", "bank c0.1 templates 1"),
        ("bank c0.1", "bonk c0.1"),
        ("size 576 fan_in 72", "size 576 fan_in 72 72"),
        ("[8,8,3,3] share", "[8,,3,3] share"),
        ("index 1 conv", "index 1 pool"),
        ("@ [0,4]", "@ [0,4,4]"),
        ("combine(wide.conv2#0", "combined(wide.conv2#0"),
        ("combine(wide.conv2#0 @0 [8,8,3,3])", "combine(wide.conv2#0 @0 [8,8,3,3]"),
        ("by wide.conv1#1", "by wide.conv1#1 gain high"),
        ("by wide.conv1#1", 'by wide.conv1#1 gain "2"'),
        ('size: "thin"', "size: thin"),
        ("graph small", "garph small"),
        ("revision 0", "revision 0 $"),
    ],
)
def test_damage_is_named_with_its_line(old: str, new: str) -> None:
    text = print_graph(small_graph())
    assert old in text
    damaged = text.replace(old, new, 1)
    wrong = next(n for n, (a, b) in enumerate(zip(text.split("\n"), damaged.split("\n"), strict=True), 1) if a != b)
    with pytest.raises(DiagnosticError) as caught:
        parse_graph(damaged, "build/small/graph.txt")
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.code == "SW654"
    assert diagnostic.span is not None
    assert (diagnostic.span.file, diagnostic.span.line) == ("build/small/graph.txt", wrong)
    assert diagnostic.help()


@pytest.mark.parametrize("text", ["", "\n", "{}", "  indented"])
def test_what_is_no_graph(text: str) -> None:
    with pytest.raises(DiagnosticError):
        parse_graph(text)
