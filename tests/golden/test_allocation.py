"""The release's allocations, bank by bank, for six ensembles: from the banks alone, and through the whole pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from swc.compiler.ir.counts import count
from swc.compiler.ir.graph import Graph
from swc.compiler.ir.text import parse_graph, print_graph
from swc.compiler.ir.verify import verify
from swc.compiler.passes.pipeline import run_pipeline
from swc.compiler.solvers.check import checked
from swc.compiler.solvers.even import solve_even
from swc.compiler.solvers.objectives import coverage
from swc.compiler.solvers.problem import AllocationProblem, BankProblem
from swc.program.spec import Budget, Clusters, Selector, Share

from support.wrn_shapes import name_of, wrn_context, wrn_shapes

GOLDEN: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("allocation.json").read_text())
Bank = tuple[int, int, frozenset[tuple[int, int]]]


def in_sweep_order(case: dict[str, Any]) -> list[dict[str, Any]]:
    """Banks by cluster, 1x1 kernels first, then depth; inside a cluster by level, which falls in slots."""
    held = [frozenset(map(tuple, bank["slots"])) for bank in case["banks"]]
    clusters = [slots for slots in held if not any(slots < other for other in held)]

    def key(bank: dict[str, Any]) -> tuple[bool, float, int]:
        slots = frozenset(map(tuple, bank["slots"]))
        cluster = next(one for one in clusters if slots <= one)
        pointwise = all(wrn_shapes(*case["members"][m])[layer][1][2] == 1 for m, layer in slots)
        return not pointwise, min(layer / case["members"][m][0] for m, layer in cluster), -len(slots)

    return sorted(case["banks"], key=key)


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_the_even_rule_alone(name: str) -> None:
    banks = in_sweep_order(GOLDEN[name])
    problem = AllocationProblem(
        tuple(
            BankProblem(str(at), one["template_size"], one["num_slots"], 8, coverage(1, one["num_slots"], 8))
            for at, one in enumerate(banks)
        ),
        GOLDEN[name]["budget_templates"],
    )
    found = checked(problem, solve_even(problem))
    assert found.num_templates == tuple(one["num_templates"] for one in banks)
    assert found.cost == GOLDEN[name]["template_scalars"]


def compiled(case: dict[str, Any]) -> Graph:
    share = Share(Selector("conv"), clusters=Clusters("depth", case["bins"]))
    context = wrn_context(case["members"], Budget("templates", case["budget_templates"]), share)
    graph = run_pipeline(context, lambda _, after: verify(after))
    assert {found.code for found in context.sink.diagnostics} <= {"SW419"}  # four alike, and no phase that unties
    return graph


def banks_of(graph: Graph) -> set[Bank]:
    place = {layer.id: (layer.member, layer.index) for layer in graph.layers}
    numbers = {name_of(number): number for number in range(len(graph.members))}
    slots: dict[str, set[tuple[int, int]]] = {}
    for slot in graph.slots:
        member, index = place[slot.layer]
        slots.setdefault(slot.bank, set()).add((numbers[member], index))
    return {(bank.template_size, bank.num_templates, frozenset(slots[bank.id])) for bank in graph.banks}


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_the_whole_pipeline(name: str) -> None:
    case = GOLDEN[name]
    graph = compiled(case)
    wanted = {(b["template_size"], b["num_templates"], frozenset(map(tuple, b["slots"]))) for b in case["banks"]}
    assert banks_of(graph) == wanted
    assert len(graph.banks) == len(case["banks"])
    counts = count(graph)
    assert counts.template_scalars == case["template_scalars"]
    assert counts.native_scalars == case["native_conv_scalars"]
    assert len(graph.slots) == case["num_slots"]


def test_the_graphs_print_and_parse_back() -> None:
    graph = compiled(GOLDEN["small"])
    assert parse_graph(print_graph(graph)) == graph
    assert print_graph(evolve(graph)) == print_graph(graph)
