"""Lists as arguments of factories: from the spec to the call, through every file on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from swc.compiler.driver import compile_file
from swc.compiler.ir.text import parse_graph, print_graph
from swc.diagnostics import DiagnosticError
from swc.files.codec import decode, encode, hash_of
from swc.language.semantics.check import check_file
from swc.program.model_source import ModelSource
from swc.program.spec import Spec
from swc.sweep.values import as_written, values_in
from swc.trust.importing import own_code

from support.runs import Place
from swc_runtime import build

NET = """
from torch import nn

GIVEN = []


def tapered(widths, names, num_classes):
    GIVEN.append((widths, names))
    widths.append(4)  # its own list, which it may change
    layers = [nn.Conv2d(a, b, 3, padding=1) for a, b in zip([1, *widths], widths)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], num_classes))
"""
SPEC = """
ensemble tapered {
  data digits
  param middle = 6
  param widths = [8, middle]
  member a = python("own_tapered_net:tapered", widths: widths, names: [["x", yes], [], 0.5])
  member b = python("own_tapered_net:tapered", widths: [8, 8], names: [])
  budget unlimited
  share conv { clusters one }
}
"""
LISTS = (("names", (("x", True), (), 0.5)), ("widths", (8, 6)))


@pytest.fixture
def made(tmp_path: Path) -> Place:
    (tmp_path / "own_tapered_net.py").write_text(NET, encoding="utf-8")
    (tmp_path / "tapered.sw").write_text(SPEC, encoding="utf-8")
    return Place(tmp_path)


def test_lists_reach_the_factory_through_every_file(made: Place) -> None:
    compiled = compile_file(made.folder / "tapered.sw")
    source = compiled.spec.members[0].source
    assert source.arguments == LISTS
    assert decode(encode(compiled.spec), Spec) == compiled.spec
    assert parse_graph(print_graph(compiled.graph)) == compiled.graph
    with own_code(compiled.spec):
        build(compiled.program)
        from own_tapered_net import GIVEN
    assert GIVEN[-2][1] == [["x", True], [], 0.5] and GIVEN[-2][0] == [8, 6, 4]
    assert compiled.spec.members[0].source.arguments == LISTS, "what a factory does to its lists is its own"
    assert str(source) == "own_tapered_net:tapered(names: [[x, True], [], 0.5], widths: [8, 6])"


def test_a_list_is_set_and_swept(made: Place) -> None:
    spec = check_file(made.folder / "tapered.sw", None, {"widths": "[4, 5]"})
    assert dict(spec.members[0].source.arguments)["widths"] == (4, 5)
    assert values_in('[4,5],[6],"a,b",3') == ("[4,5]", "[6]", '"a,b"', "3")
    assert as_written([4, [True, "a"]]) == '[4, [yes, "a"]]'


def test_lists_are_formatted_and_told_where_something_in_them_is_wrong(made: Place) -> None:
    path = made.folder / "tapered.sw"
    path.write_text(SPEC.replace("[8, 8]", "[8, nowhere]"), encoding="utf-8")
    with pytest.raises(DiagnosticError, match="SW101: there is no param `nowhere` here"):
        check_file(path)
    assert made.swc("fmt", "tapered.sw") == 0
    assert "widths: [8, nowhere], names: [])" in path.read_text("utf-8")


def test_sources_with_lists_are_values() -> None:
    one, other = (ModelSource("python", "m:f", (("widths", (8, (6,))),)) for _ in range(2))
    assert {one, other} == {one} and hash_of(one) == hash_of(other)
    assert decode(encode(one), ModelSource) == one
    with pytest.raises(DiagnosticError):
        decode(encode(one).replace("8, [6]", "8, {}"), ModelSource)
