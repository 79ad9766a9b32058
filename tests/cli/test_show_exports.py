"""JSON, GraphML and DOT: the documented keys, the method's numbering, and what other tools read back."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from attrs import evolve
from swc.compiler.driver import compile_spec
from swc.compiler.ir.view import view
from swc.program.model_source import ModelSource
from swc.program.spec import Budget
from swc.show.exports import as_dot, as_graphml, as_json, as_object
from swc.show.revision import Revision

from support.graphs import small_graph, small_spec
from support.wrn_shapes import tables_of, wrn_spec

ALLOCATION = json.loads((Path(__file__).parents[1] / "golden" / "allocation.json").read_text("utf-8"))
DOT_NODE = re.compile(r'^  "((?:[^"\\]|\\.)*)" \[(.*)\];$', re.M)
DOT_EDGE = re.compile(r'^  "((?:[^"\\]|\\.)*)" -> "((?:[^"\\]|\\.)*)";$', re.M)


def shown(budget: Budget | None = None) -> dict[str, Any]:
    spec = evolve(small_spec(), budget=budget or small_spec().budget)
    made: dict[str, Any] = json.loads(as_json(Revision(0, "main", small_graph()), spec))
    return made


def test_json_has_exactly_the_documented_keys() -> None:
    made = shown()
    assert list(made) == ["ensemble", "phase", "budget", "members", "banks"]
    assert list(made["budget"]) == ["stated", "unit", "template_scalars", "parameter_scalars", "native_scalars"]
    assert [list(member) for member in made["members"]] == [["name", "layers"]] * 2
    assert {tuple(layer) for member in made["members"] for layer in member["layers"]} == {
        ("index", "path", "shape", "cluster")
    }
    assert {tuple(bank) for bank in made["banks"]} == {("cluster", "level", "template_size", "num_templates", "slots")}
    assert {tuple(slot) for bank in made["banks"] for slot in bank["slots"]} == {
        ("member", "layer", "coefficient", "gain")
    }


def test_json_of_the_small_graph() -> None:
    made = shown()
    assert made["budget"] == {
        "stated": 1500, "unit": "templates", "template_scalars": 1440, "parameter_scalars": 1606,
        "native_scalars": 1728,
    }  # fmt: skip
    assert made["members"][1] == {
        "name": "thin", "layers": [{"index": 0, "path": "conv0", "shape": [8, 4, 3, 3], "cluster": "c0"}],
    }  # fmt: skip
    assert made["banks"][0]["slots"][2] == {"member": "thin", "layer": 0, "coefficient": "wide.conv0#0", "gain": 1.0}


@pytest.mark.parametrize(
    ("budget", "stated"),
    [(Budget("unlimited"), None), (Budget("native", 0.5), 0.5), (Budget("parameters", 2e3), 2000)],
)
def test_stated_budget(budget: Budget, stated: float | None) -> None:
    made = shown(budget)["budget"]
    assert (made["stated"], made["unit"]) == (stated, budget.kind)


@pytest.mark.parametrize("name", ["multi_width", "multi_depth_width"])
def test_layers_are_counted_as_in_the_published_allocations(name: str) -> None:
    expected = ALLOCATION[name]
    nets = [tuple(net) for net in expected["members"]]
    spec = wrn_spec(nets, Budget("templates", expected["budget_templates"]))
    compiled = compile_spec(spec, tables_of(nets))
    made = as_object(Revision(0, "", compiled.graph), spec)
    names = [member["name"] for member in made["members"]]
    found = [(bank, sorted([names.index(s["member"]), s["layer"]] for s in bank["slots"])) for bank in made["banks"]]
    # the fixture lists clusters in another order
    assert sorted((bank["template_size"], bank["num_templates"], slots) for bank, slots in found) == sorted(
        (bank["template_size"], bank["num_templates"], sorted(bank["slots"])) for bank in expected["banks"]
    )
    assert made["budget"]["template_scalars"] == expected["template_scalars"]


def test_graphml_reads_back_as_the_view() -> None:
    graph = small_graph()
    read = nx.read_graphml(BytesIO(as_graphml(graph).encode()))
    whole = view(graph)
    assert set(read.nodes) == {f"{kind} {name}" for kind, name in whole.nodes}
    assert set(read.edges) == {(f"{a} {b}", f"{c} {d}") for (a, b), (c, d) in whole.edges}
    assert read.nodes["bank c0.0"] == {"kind": "bank", "name": "c0.0", "size": 288, "templates": 2}


def test_dot_reads_back_as_the_view_without_private_parameters() -> None:
    graph = small_graph()
    text = as_dot(graph)
    whole = view(graph)
    kept = {key for key in whole.nodes if key[0] != "private"}
    assert {name for name, _ in DOT_NODE.findall(text)} == {f"{kind} {name}" for kind, name in kept}
    edges = {(f"{a} {b}", f"{c} {d}") for (a, b), (c, d) in whole.edges if (a, b) in kept and (c, d) in kept}
    assert set(DOT_EDGE.findall(text)) == edges


def test_dot_quotes_what_users_write() -> None:
    graph = small_graph()
    source = ModelSource("python", 'a "quoted" \\ name')
    text = as_dot(evolve(graph, members=(evolve(graph.members[0], source=source), *graph.members[1:])))
    assert 'of_source="a \\"quoted\\" \\\\ name()"' in text
    assert len(DOT_NODE.findall(text)) == len(DOT_NODE.findall(as_dot(graph)))


def test_slots_tell_their_gain_where_it_is_not_1() -> None:
    graph = small_graph()
    slots = (evolve(graph.slots[0], gain=2.5), *graph.slots[1:])
    made = evolve(graph, slots=slots)
    told = {key[1]: data for key, data in view(made).nodes.items() if key[0] == "slot"}
    assert told.pop(slots[0].id) == {"gain": 2.5}
    assert not any(told.values())
    assert 'of_gain="2.5"' in as_dot(made) and "gain" not in as_dot(graph)
    read = nx.read_graphml(BytesIO(as_graphml(made).encode("utf-8")))
    assert read.nodes[f"slot {slots[0].id}"]["gain"] == "2.5"
    (gain,) = {s["gain"] for b in as_object(Revision(0, "", made), small_spec())["banks"] for s in b["slots"]} - {1.0}
    assert gain == 2.5
