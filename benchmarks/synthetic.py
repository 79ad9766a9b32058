"""Ensembles of any size, written down as layer tables without torch.

Takes a number of layers, gives a spec and its tables. Guarantees: the same number gives the same spec; widths and
depths come from a fixed family, so that more layers mean more members and not new shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from random import Random

from swc.compiler.driver import Compiled
from swc.compiler.solvers.objectives import coverage, profiled
from swc.compiler.solvers.problem import AllocationProblem, BankProblem
from swc.program.datasets import DATASETS
from swc.program.feedback import ClusterFeedback, Similarity
from swc.program.layer_table import LayerTable, ParameterRow
from swc.program.model_source import ModelSource
from swc.program.spec import Budget, Clusters, Member, Selector, Share, Spec
from swc.program.training import Phase, Recipe, SplitClusters, Training

LEVELS = 5  # of a cluster, in allocations
NETS = ((16, 2), (22, 4), (28, 7))  # depth, width: a hundred layers have all of them
SPLIT = Training(Recipe("search"), (Phase("search", 20, split=SplitClusters(0.1)), Phase("main", 200)))


def many_shapes(count: int) -> tuple[tuple[int, int], ...]:
    """So many wide residual networks of depth 16, each of a width of its own."""
    return tuple((16, width) for width in range(1, count + 1))


def ensemble(
    num_layers: int, bins: int = 4, training: Training | None = None, nets: Sequence[tuple[int, int]] = NETS
) -> tuple[Spec, tuple[LayerTable, ...]]:
    """Wide residual networks, of these depths and widths in turn, with at least this many convolutions in all."""
    tables: list[LayerTable] = []
    while sum(len(table.parameters) for table in tables) < num_layers:
        number = len(tables)
        tables.append(_table(f"m{number}", *nets[number % len(nets)]))
    source = ModelSource("family", "wrn")
    members = tuple(Member(table.member, source) for table in tables)
    share = Share(Selector("conv"), clusters=Clusters("depth", bins))
    return Spec("synthetic", DATASETS["cifar100"], members, Budget("native", 0.5), (share,), training), tuple(tables)


def _table(member: str, depth: int, width: int) -> LayerTable:
    shapes = tuple(_convolutions(depth, width))
    axes = ("outputs", "inputs", "kernel", "kernel")
    rows = (ParameterRow(f"{path}.weight", shape, "weight", path, path, "conv", axes) for path, shape in shapes)
    return LayerTable(member, tuple(rows))


def _convolutions(depth: int, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "conv1", (16, 3, 3, 3)
    inputs = 16
    for stage, outputs in enumerate((16 * width, 32 * width, 64 * width), start=1):
        for block in range((depth - 4) // 6):
            yield f"block{stage}.{block}.conv1", (outputs, inputs, 3, 3)
            yield f"block{stage}.{block}.conv2", (outputs, outputs, 3, 3)
            if inputs != outputs:
                yield f"block{stage}.{block}.shortcut", (outputs, inputs, 1, 1)
            inputs = outputs


def statistics(compiled: Compiled) -> ClusterFeedback:
    """A similarity for each pair of layers inside a cluster, near zero as most measured ones are."""
    random = Random(0)
    pairs = (pair for cluster in compiled.graph.clusters for pair in combinations(cluster.layers, 2))
    return ClusterFeedback(0, tuple(Similarity(one, other, random.gauss(0.0, 0.04), 0.01) for one, other in pairs))


def allocation(num_banks: int, objective: str = "coverage") -> AllocationProblem:
    """Banks of many sizes and numbers of slots, and a third of what they could use above one template each.

    For `profiled` the energies of their spectra are random.
    """
    random = Random(0)
    sizes = [random.choice((144, 432, 2304, 36864, 589824)) * random.randint(1, 40) for _ in range(num_banks)]
    slots = [random.randint(1, 40) for _ in sizes]
    banks = tuple(
        BankProblem(f"c{number // LEVELS}.{number % LEVELS}", size, num, 8, _values(objective, size, num, random))
        for number, (size, num) in enumerate(zip(sizes, slots, strict=True))
    )
    least, most = sum(bank.cost for bank in banks), sum(bank.cost * bank.most for bank in banks)
    return AllocationProblem(banks, least + (most - least) // 3)


def _values(objective: str, size: int, num_slots: int, random: Random) -> tuple[float, ...]:
    if objective == "coverage":
        return coverage(size, num_slots, 8)
    return profiled(size, num_slots, 8, tuple(sorted((random.random() ** 4 for _ in range(num_slots)), reverse=True)))
