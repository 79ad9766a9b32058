"""The paper's ensembles: bins, blocks, banks and minimum budgets, against the authors' figures."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from swc.compiler.ir.graph import Graph
from swc.compiler.passes.pipeline import run_pipeline
from swc.program.spec import Budget, Clusters, Selector, Share

from support.wrn_shapes import Net, wrn_context

MINIMUM_BANKS = {  # millions of scalars, for 1, 2, 3 and 4 bins
    ((28, 10),): (3.89, 4.81, 5.04, 8.73),
    ((28, 10),) * 4: (3.89, 4.81, 5.04, 8.73),
    ((28, 7), (28, 4), (28, 3)): (2.13, 2.60, 2.66, 4.52),
    ((28, 7), (28, 4), (16, 7), (16, 4)): (2.05, 2.50, 2.57, 4.42),
    ((28, 5),): (0.97, 1.20, 1.26, 2.18),
    ((34, 8), (28, 12), (28, 10), (28, 8)): (8.24, 9.57, 9.02, 15.2),
}


def compiled(nets: tuple[Net, ...], bins: int = 4, blocks: str = "chain") -> Graph:
    share = Share(Selector("conv"), clusters=Clusters("depth", bins), blocks=blocks)
    return run_pipeline(wrn_context(nets, share=share))


def minimum(graph: Graph) -> int:
    return sum(bank.template_size for bank in graph.banks)


@pytest.mark.parametrize("nets", MINIMUM_BANKS, ids=str)
@pytest.mark.parametrize("bins", [1, 2, 3, 4])
def test_minimum_banks(nets, bins):
    expected = MINIMUM_BANKS[nets][bins - 1]
    digits = 1 if expected > 10 else 2
    assert round(minimum_of(nets, bins) / 1e6, digits) == expected


def minimum_of(nets, bins):
    from swc.compiler.passes.cluster import minimum_cost

    context = wrn_context(nets)
    graph = compiled(nets, bins)
    assert minimum(graph) == minimum_cost(graph, graph.clusters, context.spec)
    return minimum(graph)


def test_grid_makes_the_seven_million_row_possible():
    nets = ((34, 8), (28, 12), (28, 10), (28, 8))
    assert round(minimum(compiled(nets, 1, "grid")) / 1e6, 2) == 5.60


def test_depth_bins():
    graph = compiled(((28, 10), (16, 10)))
    sizes = [
        [sum(name.startswith(f"{member}.") for name in cluster.layers) for cluster in graph.clusters]
        for member in ("m0", "m1")
    ]
    assert sizes == [[3, 7, 6, 6, 6], [3, 4, 3, 3, 3]]
    assert [cluster.label for cluster in graph.clusters] == ["1x1 bin 1", *(f"3x3 bin {n}" for n in (1, 2, 3, 4))]


def test_the_wide_network_in_four_bins():
    graph = compiled(((28, 10),))
    third = [level for level in graph.levels if level.cluster == "c3"]
    assert [[(piece.shape[:2], piece.origin) for piece in level.pieces] for level in third] == [
        [((320, 320), (0, 0))],
        [((320, 320), (320, 0))],
        [((640, 320), (0, 320))],
    ]


def test_banks_are_those_of_the_authors():
    folder = Path(__file__).parent.parent / "golden" / "allocation.json"
    for name, case in json.loads(folder.read_text()).items():
        graph = compiled(tuple(tuple(net) for net in case["members"]), case["bins"])
        layers = {layer.id: (int(layer.member[1:]), layer.index) for layer in graph.layers}
        slots: dict[str, list[tuple[int, int]]] = {}
        for slot in graph.slots:
            slots.setdefault(slot.bank, []).append(layers[slot.layer])
        ours = Counter((bank.template_size, tuple(slots[bank.id])) for bank in graph.banks)
        theirs = Counter(
            (bank["template_size"], tuple(tuple(slot) for slot in bank["slots"])) for bank in case["banks"]
        )
        assert ours == theirs, name
        assert len(graph.slots) == case["num_slots"], name


def test_a_budget_below_the_minimum_gives_up_bins():
    share = Share(Selector("conv"), clusters=Clusters("depth", 4))
    context = wrn_context(((28, 10),) * 4, Budget("templates", 7_000_000), share)
    graph = run_pipeline(context)
    assert len(graph.clusters) == 4
    assert context.notes == ["4 depth bins do not fit the budget: 3 are used"]


def test_one_cluster_per_layer_reaches_far_above_native():
    share = Share(Selector("conv"), clusters=Clusters("per_layer"))
    graph = run_pipeline(wrn_context(((28, 10),) * 4, Budget("templates", 120_000_000), share))
    assert len(graph.clusters) == 28
    assert round(sum(bank.template_size * bank.num_templates for bank in graph.banks) / 1e6, 2) == 119.99
