"""The pass that decides which parameters are shared and which stay private.

Takes the spec's selectors and the layer tables; gives a graph with members, layers and private parameters.
Guarantees: every parameter of every member is either one layer's or private, with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from attrs import evolve, frozen

from swc.compiler.ir.graph import Graph, Layer, LayerKind, MemberNode, Private
from swc.compiler.passes.context import Context
from swc.compiler.passes.policies import policy_of
from swc.compiler.passes.selectors import BROAD, PRECISE, ROLES, taken_by, words
from swc.diagnostics import Sink
from swc.diagnostics.catalogue.clusters import NothingLeft, SelectedTwice
from swc.program.expressions import Shape
from swc.program.layer_table import LayerTable, ParameterRow, id_of
from swc.program.spec import Share, Spec

Owners = dict[str, int]  # layer id -> number of the share block that took it
_Parameter = tuple[str, Shape]  # full name and shape, by which those of several members are one
KINDS: dict[str, LayerKind] = {  # what the graph calls what is shared, by its role or its kind
    "norm": "norm",
    "head": "head",
    "bias": "bias",
    "conv": "conv",
    "grouped": "grouped",
    "transposed": "transposed",
    "linear": "linear",
    "projection": "linear",  # of attention: that its outputs are stacked makes no difference to what it can share
    "embedding": "embedding",
    "plain": "parameter",
}
# Fan-ins that stand for the deviation sqrt(2 / fan-in) which something starts with that sums no inputs:
EMBEDDING_FAN_IN = 2  # 1, as torch's embeddings
PLAIN_FAN_IN = 5000  # 0.02, as the position embeddings and bias tables of vision transformers


@frozen
class Select:
    """Apply the share blocks' selectors to the layer tables."""

    name: str = "select"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give members, layers and private parameters; raise where a selector takes nothing or takes what is taken."""
        spec = context.spec
        owners = _owners(spec, context.tables, context.sink)
        context.sink.raise_errors()
        first: dict[_Parameter, str] = {}
        return evolve(
            graph,
            members=tuple(MemberNode(member.name, member.source, member.host) for member in spec.members),
            layers=tuple(layer for table in context.tables for layer in _layers(table, owners, spec)),
            private=tuple(one for table in context.tables for one in _private(table, owners, spec, first)),
        )


def layers_by_share(graph: Graph, spec: Spec) -> tuple[tuple[Share, tuple[Layer, ...]], ...]:
    """Each share block of the spec with its layers of the graph, in order."""
    found: list[list[Layer]] = [[] for _ in spec.shares]
    for layer in graph.layers:
        found[layer.share].append(layer)
    return tuple((share, tuple(layers)) for share, layers in zip(spec.shares, found, strict=True))


def _owners(spec: Spec, tables: tuple[LayerTable, ...], sink: Sink) -> Owners:
    """Which block took what; blocks by broad words leave to those by precise ones what these take."""
    taken = [taken_by(share, tables, sink) for share in spec.shares]
    kinds = [share.selector.kind for share in spec.shares]
    precise = {name: kind for kind, names in zip(kinds, taken, strict=True) if kind in PRECISE for name in names}
    owners: Owners = {}
    for number, share in enumerate(spec.shares):
        wanted = [name for name in taken[number] if kinds[number] not in BROAD or name not in precise]
        clash = tuple(name for name in wanted if name in owners)
        if clash:
            sink.report(SelectedTwice(span=share.selector.span, layers=clash))
        if taken[number] and not wanted:
            sink.report(_nothing_left(share, taken[number], precise))
        owners |= {name: number for name in wanted if name not in owners}
    return owners


def _nothing_left(share: Share, layers: list[str], precise: Mapping[str, str]) -> NothingLeft:
    """The block by a broad word whose layers all belong to blocks by precise ones."""
    others = tuple(dict.fromkeys(precise[name] for name in layers))
    return NothingLeft(span=share.selector.span, selector=words(share.selector), others=others, layers=tuple(layers))


def _place(row: ParameterRow) -> str:
    """What the graph calls a parameter inside its member: of norms and heads by its full name, as there are several."""
    return row.name if row.role in ROLES.values() else row.path


def _layers(table: LayerTable, owners: Owners, spec: Spec) -> list[Layer]:
    """The parameters that their blocks compose, those of norms and heads behind all others."""
    rows = sorted(_composed(table, owners, spec), key=lambda row: row.role in ROLES.values())
    return [_layer(table.member, index, row, owners) for index, row in enumerate(rows)]


def _composed(table: LayerTable, owners: Owners, spec: Spec) -> list[ParameterRow]:
    owned = [(row, owners.get(id_of(table.member, _place(row)))) for row in table.parameters]
    return [row for row, share in owned if share is not None and policy_of(spec.shares[share].policy).composes]


def _layer(member: str, index: int, row: ParameterRow, owners: Owners) -> Layer:
    path, kind = _place(row), KINDS[row.role if row.role in ROLES.values() else row.kind]
    name = id_of(member, path)
    return Layer(name, member, path, index, kind, row.shape, owners[name], row.name, fan_in(row))


def fan_in(row: ParameterRow) -> int:
    """How many inputs each output of a parameter is summed from; for one that sums none what gives its deviation.

    A transposed convolution holds all its inputs, of which an output reads those of its own group: [8, 4, 3, 3] in two
    groups sums 8 / 2 x 9 = 36. Its stride, which leaves some of them out at each place, is not counted.
    """
    match row.kind:
        case "embedding":
            return EMBEDDING_FAN_IN
        case "plain":
            return PLAIN_FAN_IN
        case "transposed":
            return row.shape[0] // row.groups * prod(row.shape[2:])
        case _:
            return prod(row.shape[1:])


def _private(table: LayerTable, owners: Owners, spec: Spec, first: dict[_Parameter, str]) -> list[Private]:
    """What stays a member's own; `first` gathers the member that has a parameter first, of those that begin alike."""
    composed = {row.name for row in _composed(table, owners, spec)}
    found = []
    for row in table.parameters:
        if row.name in composed:
            continue
        share = owners.get(id_of(table.member, _place(row)))
        like = first.setdefault((row.name, row.shape), table.member) if _begins_alike(share, spec) else table.member
        reason = _reason(row, id_of(table.member, row.path) in owners)
        found.append(Private(table.member, row.name, row.shape, reason, "" if like == table.member else like))
    return found


def _begins_alike(share: int | None, spec: Spec) -> bool:
    return share is not None and dict(spec.shares[share].arguments).get("start") == "alike"


def _reason(row: ParameterRow, is_owned: bool) -> str:
    """Why a parameter stays private; `is_owned` where a block took it, and its policy shares nothing."""
    match row.role:
        case "norm":
            return "norm"
        case "head":
            return "classifier"
        case "bias":
            return "bias"
        case "weight":
            return "policy none" if is_owned else row.obstacle or row.aside or "not selected"
