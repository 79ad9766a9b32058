"""Small share graphs made by hand, for tests that need a graph and no compiler."""

from __future__ import annotations

from attrs import evolve
from swc.compiler.ir.graph import (
    Bank,
    Cluster,
    Coefficient,
    Graph,
    Layer,
    Level,
    MemberNode,
    Piece,
    Private,
    Slot,
    Weight,
)
from swc.program.datasets import DATASETS
from swc.program.expressions import Combine, Concat, Expression
from swc.program.model_source import ModelSource
from swc.program.spec import Budget, Selector, Share, Spec
from swc.program.spec import Member as SpecMember
from swc.program.training import Phase, Recipe, SplitClusters, Training, UntieCoefficients

KERNEL = (3, 3)
BLOCKS = {"c0.0": (8, 4), "c0.1": (8, 8), "c1.0": (8, 8)}


def layer(member: str, index: int, outputs: int, inputs: int) -> Layer:
    """A 3x3 convolution of a member, `conv0`, `conv1`, ..."""
    path = f"conv{index}"
    shape = (outputs, inputs, *KERNEL)
    return Layer(f"{member}.{path}", member, path, index, "conv", shape, 0, f"{path}.weight", inputs * 9)


def small_graph(tied: bool = True, revision: int = 0) -> Graph:
    """Members `wide` (three layers) and `thin` (two) in two clusters.

    Cluster c0 holds the first two layers of each in two levels (8x4 and, for `wide.conv1`, another 8x4 beside it),
    c1 the last layer of `wide` alone. `tied`: the level-0 slots of one place share their coefficients.
    """
    layers = (layer("wide", 0, 8, 4), layer("wide", 1, 8, 8), layer("wide", 2, 8, 8), layer("thin", 0, 8, 4))
    levels = (
        Level("c0.0", "c0", 0, (Piece((8, 4, *KERNEL), (0, 0)),)),
        Level("c0.1", "c0", 1, (Piece((8, 4, *KERNEL), (0, 4)),)),
        Level("c1.0", "c1", 0, (Piece((8, 8, *KERNEL), (0, 0)),)),
    )
    partner = {"thin.conv0#0": "wide.conv0#0"} if tied else {}
    places = (
        ("wide.conv0", "c0.0"), ("wide.conv1", "c0.0"), ("thin.conv0", "c0.0"), ("wide.conv1", "c0.1"),
        ("wide.conv2", "c1.0"),
    )  # fmt: skip
    ids = [(f"{owner}#{bank[-1]}", owner, bank) for owner, bank in places]
    slots = tuple(Slot(name, owner, bank, partner.get(name, name)) for name, owner, bank in ids)
    banks = (Bank("c0.0", 288, 2, 72), Bank("c0.1", 288, 1, 72), Bank("c1.0", 576, 1, 72))
    return Graph(
        ensemble="small",
        revision=revision,
        phase="main",
        members=tuple(
            MemberNode(name, ModelSource("python", "nets:net", (("size", name),))) for name in ("wide", "thin")
        ),
        layers=layers,
        private=(Private("wide", "head.weight", (10, 8), "head"), Private("thin", "head.weight", (10, 8), "head")),
        clusters=(
            Cluster("c0", 0, "3x3 bin 0", ("wide.conv0", "wide.conv1", "thin.conv0")),
            Cluster("c1", 0, "3x3 bin 1", ("wide.conv2",)),
        ),
        levels=levels,
        banks=banks,
        coefficients=tuple(Coefficient(s.id, s.bank) for s in slots if s.coefficient == s.id),
        slots=slots,
        weights=tuple(Weight(owner.id, _expression(owner)) for owner in layers),
    )


def _expression(owner: Layer) -> Expression:
    if owner.id != "wide.conv1":
        return Combine(f"{owner.id}#0", 0, owner.shape)
    half = (8, 4, *KERNEL)
    return Concat(1, (Combine("wide.conv1#0", 0, half), Combine("wide.conv1#1", 0, half)))


def small_spec() -> Spec:
    """A spec that fits `small_graph`: a search, then a main phase that unties after two epochs."""
    phases = (
        Phase("search", 3, lr=0.1, split=SplitClusters(0.1)),
        Phase("main", 10, untie=(UntieCoefficients(2, 0.9),)),
    )
    return Spec(
        name="small",
        data=DATASETS["digits"],
        members=tuple(SpecMember(m.name, m.source) for m in small_graph().members),
        budget=Budget("templates", 1500),
        shares=(Share(Selector("conv")),),
        training=Training(Recipe("plain"), phases),
        defaults=("seed 0",),
    )


def striped_graph(depths: dict[str, int], num_clusters: int, revision: int = 0, alone: int = 0) -> Graph:
    """Members of many equal layers, cut into `num_clusters` runs; the last `alone` layers of each stand alone.

    No levels and no banks: enough for what draws layers and clusters.
    """
    layers = tuple(layer(name, index, 8, 8) for name, depth in depths.items() for index in range(depth))
    groups: dict[str, list[str]] = {}
    for item in layers:
        depth = depths[item.member]
        run = item.index * num_clusters // depth
        key = f"alone {item.id}" if item.index >= depth - alone else f"3x3 bin {run}"
        groups.setdefault(key, []).append(item.id)
    clusters = tuple(Cluster(f"c{n}", 0, key, tuple(ids)) for n, (key, ids) in enumerate(groups.items()))
    return evolve(
        small_graph(revision=revision),
        members=tuple(MemberNode(name, ModelSource("family", "wrn")) for name in depths),
        layers=layers,
        clusters=clusters,
        levels=(), banks=(), coefficients=(), slots=(), weights=(), private=(),
    )  # fmt: skip
