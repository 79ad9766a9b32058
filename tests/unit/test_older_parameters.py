"""What files before schema 4 said of layers, in the words of parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from swc.compiler.ir.text import parse_graph
from swc.diagnostics import DiagnosticError
from swc.files.codec import decode
from swc.program.layer_table import LayerTable
from swc.program.program import Program, WeightPlan

from support.damage import OLD

RUNS = sorted(OLD.glob("*/tiny/run"))
OLDER = (
    '{"schema": 3, "type": "LayerTable", "member": "m", "multiply_adds": null, "layers": ['
    '{"path": "a", "kind": "conv", "shape": [8, 4, 3, 3], "groups": 1, "sharable": true, "obstacle": ""},'
    '{"path": "a.b", "kind": "conv", "shape": [4, 1, 3, 3], "groups": 4, "sharable": false,'
    ' "obstacle": "depthwise convolution"}], "parameters": ['
    '{"name": "a.weight", "shape": [8, 4, 3, 3], "role": "weight"},'
    '{"name": "a.bias", "shape": [8], "role": "bias"},'
    '{"name": "a.b.weight", "shape": [4, 1, 3, 3], "role": "weight"}]}'
)
STORED = (
    '{{"schema": 3, "type": "WeightPlan", "member": "m", "path": "{path}", "shape": [10, 8], "expression":'
    ' {{"type": "Stored", "tensor": "{tensor}", "shape": [10, 8]}}}}'
)


def test_a_table_of_layers_becomes_one_of_parameters() -> None:
    table: LayerTable = decode(OLDER, LayerTable)
    assert [(row.name, row.owner, row.path, row.obstacle) for row in table.parameters] == [
        ("a.weight", "a", "a", ""),
        ("a.bias", "a", "a.bias", "bias"),
        ("a.b.weight", "a.b", "a.b", "depthwise convolution"),
    ]
    assert table.parameters[0].axes == ("outputs", "inputs", "kernel", "kernel")
    assert table.parameters[2].groups == 4


@pytest.mark.parametrize("wrong", ['"layers": 7', '"layers": [7]', '"layers": []', '"layers": [{"path": 1}]'])
def test_damaged_layers_are_a_diagnostic(wrong: str) -> None:
    start, end = OLDER.index('"layers"'), OLDER.index(', "parameters"')
    with pytest.raises(DiagnosticError):
        decode(OLDER[:start] + wrong + OLDER[end:], LayerTable)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.parent.parent.name)
def test_weights_of_old_programs_are_those_of_their_graphs(run: Path) -> None:
    for folder in sorted(run.glob("revisions/*")):
        program: Program = decode((folder / "program.json").read_text("utf-8"), Program)
        graph = parse_graph((folder / "graph.txt").read_text("utf-8"))
        layers = {layer.id: layer for layer in graph.layers}
        assert [weight.layer for weight in program.weights] == [weight.layer for weight in graph.weights]
        assert all(layers[weight.layer].parameter == weight.path for weight in program.weights)


def test_norms_and_heads_have_the_names_that_their_stored_tensors_have() -> None:
    cases = (("fc.weight", "o.fc.weight", "m.fc.weight"), ("fc.weight", "o.fc", "m.fc"), ("weight", "o", "m"))
    for path, tensor, layer in cases:
        plan: WeightPlan = decode(STORED.format(path=path, tensor=tensor), WeightPlan)
        assert plan.layer == layer
