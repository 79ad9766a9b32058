"""How many layers end in another cluster than the layer before them, against chance: figure 5's question in a number.

Takes finished runs with one split, such as `build/sweeps/figure_5/tau=0.2,seed=*/run`; prints for each, of the pairs of
layers that follow one another within a member, a kernel size and a depth bin, how many the split has parted; and how
many it would part had the layers of each member and bin its clusters in another order: the mean over 10,000 orders, and
the share of orders that part at least as many.
"""

import random
import sys
from itertools import pairwise

from swc.compiler.ir.graph import Graph
from swc.folders.store import open_build

ORDERS = 10_000


def clusters_in_order(searched: Graph, split: Graph) -> list[list[str]]:
    """The clusters after the split, for each member and cluster before it, by the order of layers."""
    after = {layer: cluster.id for cluster in split.clusters for layer in cluster.layers}
    member_of = {layer.id: layer.member for layer in searched.layers}
    runs: dict[tuple[str, str], list[str]] = {}
    for cluster in searched.clusters:
        for layer in cluster.layers:  # by member, then by place
            runs.setdefault((cluster.id, member_of[layer]), []).append(after[layer])
    return list(runs.values())


def num_parted(runs: list[list[str]]) -> int:
    """How many neighbours are in different clusters."""
    return sum(one != other for run in runs for one, other in pairwise(run))


for place in sys.argv[1:]:
    build = open_build(place)
    runs = clusters_in_order(build.revisions[0].graph, build.revisions[1].graph)
    parted, draw = num_parted(runs), random.Random(0)
    by_chance = [num_parted([draw.sample(run, len(run)) for run in runs]) for _ in range(ORDERS)]
    pairs = sum(len(run) - 1 for run in runs)
    at_least = sum(other >= parted for other in by_chance) / ORDERS
    print(f"{place}: {parted} of {pairs} parted; by chance {sum(by_chance) / ORDERS:.1f}, as many in {at_least:.1%}")
