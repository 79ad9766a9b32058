"""The pass that decides which layers are shared and which parameters stay private.

Takes the spec's selectors and the layer tables; gives a graph with members, layers and private parameters.
Guarantees: every parameter of every member is either the weight of one layer or private, with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from attrs import evolve, frozen

from swc.compiler.ir.graph import Graph, Layer, Member, Private
from swc.compiler.passes.context import Context
from swc.compiler.passes.globs import matcher
from swc.compiler.passes.policies import POLICIES
from swc.diagnostics import Sink
from swc.diagnostics.catalogue.clusters import NothingSelected, NothingSharable, SelectedTwice
from swc.program.layer_table import LayerRow, LayerTable, ParameterRow
from swc.program.spec import Selector, Share, Spec

Owners = dict[str, int]  # layer id -> number of the share block that took it
ROLES = {"norms": "norm", "heads": "head"}  # the selectors of single parameters, and the role of those they take


@frozen
class Select:
    """Apply the share blocks' selectors to the layer tables."""

    name: str = "select"

    def run(self, graph: Graph, context: Context) -> Graph:
        """Give members, layers and private parameters; raise where a selector takes nothing or takes what is taken."""
        spec = context.spec
        owners = _owners(spec, context.tables, context.sink)
        context.sink.raise_errors()
        return evolve(
            graph,
            members=tuple(Member(member.name, member.source, member.host) for member in spec.members),
            layers=tuple(layer for table in context.tables for layer in _layers(table, owners, spec)),
            private=tuple(private for table in context.tables for private in _private(table, owners, spec)),
        )


def layers_by_share(graph: Graph, spec: Spec) -> tuple[tuple[Share, tuple[Layer, ...]], ...]:
    """Each share block of the spec with its layers of the graph, in order."""
    found: list[list[Layer]] = [[] for _ in spec.shares]
    for layer in graph.layers:
        found[layer.share].append(layer)
    return tuple((share, tuple(layers)) for share, layers in zip(spec.shares, found, strict=True))


def layer_id(member: str, path: str) -> str:
    """The id of a layer; a member that is itself a layer has the empty path."""
    return f"{member}.{path}" if path else member


def weight_name(path: str) -> str:
    """The name, inside the member, of the weight of the layer at `path`."""
    return f"{path}.weight" if path else "weight"


def _owners(spec: Spec, tables: tuple[LayerTable, ...], sink: Sink) -> Owners:
    owners: Owners = {}
    for number, share in enumerate(spec.shares):
        taken = _taken(share, tables, sink)
        clash = [name for name in taken if name in owners]
        if clash:
            sink.report(SelectedTwice(span=share.selector.span, layers=tuple(clash)))
        owners |= {name: number for name in taken if name not in owners}
    return owners


def _taken(share: Share, tables: tuple[LayerTable, ...], sink: Sink) -> list[str]:
    """The ids of the sharable layers a block's selector takes; reports a selector that takes none."""
    if share.selector.kind in ROLES:
        return _taken_parameters(share, tables, sink)
    return _taken_layers(share.selector, tables, sink)


def _taken_parameters(share: Share, tables: tuple[LayerTable, ...], sink: Sink) -> list[str]:
    """The ids of the norms' or heads' parameters; of those a policy may want the weights alone."""
    taken = [
        layer_id(table.member, row.name)
        for table in tables
        for row in table.parameters
        if row.role == ROLES[share.selector.kind] and len(row.shape) >= POLICIES[share.policy].least_dims
    ]
    if not taken:
        sink.report(NothingSelected(span=share.selector.span, selector=words(share.selector)))
    return taken


def _taken_layers(selector: Selector, tables: tuple[LayerTable, ...], sink: Sink) -> list[str]:
    wanted = _wants(selector)
    rows = [(layer_id(table.member, row.path), row) for table in tables for row in table.layers]
    named = [(name, row) for name, row in rows if wanted(name, row)]
    taken = [name for name, row in named if row.sharable and row.kind in ("conv", "linear")]
    if not named:
        inside = _meant(selector, rows)
        sink.report(NothingSelected(span=selector.span, selector=words(selector), inside=inside))
    elif not taken:
        obstacles = tuple(f"`{name}`: {row.obstacle}" for name, row in named)
        sink.report(NothingSharable(span=selector.span, selector=words(selector), obstacles=obstacles))
    return taken


def _meant(selector: Selector, rows: Iterable[tuple[str, LayerRow]]) -> str:
    """The glob of what lies inside the modules that a glob names, where they hold layers and are none themselves."""
    if selector.kind != "glob":
        return ""
    inside = evolve(selector, pattern=f"{selector.pattern.rstrip('.')}.*")
    wanted = _wants(inside)
    return words(inside) if any(wanted(name, row) for name, row in rows) else ""


def words(selector: Selector) -> str:
    """The selector as the author wrote it."""
    return f'"{selector.pattern}"' if selector.kind == "glob" else selector.kind


def _wants(selector: Selector) -> Callable[[str, LayerRow], bool]:
    if selector.kind == "glob":
        matches = matcher((selector.pattern,))
        return lambda name, row: matches(name) or matches(row.path)
    kinds = ("conv", "linear") if selector.kind == "all" else (selector.kind,)
    return lambda name, row: row.kind in kinds


def _composed(rows: Iterable[LayerRow], member: str, owners: Owners, spec: Spec) -> list[tuple[LayerRow, int]]:
    """The rows whose owner composes their weights, each with the number of its share block."""
    owned = [(row, owners[name]) for row in rows if (name := layer_id(member, row.path)) in owners]
    return [(row, share) for row, share in owned if POLICIES[spec.shares[share].policy].composes]


def _layers(table: LayerTable, owners: Owners, spec: Spec) -> list[Layer]:
    rows = _composed(table.layers, table.member, owners, spec)
    whole = [_layer(table.member, index, row, share) for index, (row, share) in enumerate(rows)]
    singles = _single(table, owners)
    return whole + [_parameter(table.member, len(whole) + n, row, owners) for n, row in enumerate(singles)]


def _single(table: LayerTable, owners: Owners) -> list[ParameterRow]:
    """The parameters of norms and heads that a block took by themselves."""
    return [
        row for row in table.parameters if row.role in ("norm", "head") if layer_id(table.member, row.name) in owners
    ]


def _parameter(member: str, index: int, row: ParameterRow, owners: Owners) -> Layer:
    kind: Literal["norm", "head"] = "norm" if row.role == "norm" else "head"
    name = layer_id(member, row.name)
    return Layer(name, member, row.name, index, kind, row.shape, owners[name])


def _layer(member: str, index: int, row: LayerRow, share: int) -> Layer:
    assert row.kind in ("conv", "linear"), f"{row.path} is selected but is a {row.kind}"
    return Layer(layer_id(member, row.path), member, row.path, index, row.kind, row.shape, share)


def _private(table: LayerTable, owners: Owners, spec: Spec) -> list[Private]:
    composed = {weight_name(row.path) for row, _ in _composed(table.layers, table.member, owners, spec)}
    composed |= {row.name for row in _single(table, owners)}
    reasons = _reasons(table, owners)
    return [
        Private(table.member, row.name, row.shape, _reason(row, reasons))
        for row in table.parameters
        if row.name not in composed
    ]


def _reasons(table: LayerTable, owners: Owners) -> dict[str, str]:
    """Why the weights of each layer that is not composed are private, by the layer's path."""
    return {row.path: _layer_reason(row, layer_id(table.member, row.path) in owners) for row in table.layers}


def _layer_reason(row: LayerRow, is_owned: bool) -> str:
    if not row.sharable:
        return row.obstacle or "not sharable"
    return "policy none" if is_owned else "not selected"


def _reason(row: ParameterRow, reasons: dict[str, str]) -> str:
    match row.role:
        case "norm":
            return "norm"
        case "head":
            return "classifier"
        case "bias":
            return "bias"
        case "weight":
            return reasons[_owner(row.name, reasons)]


def _owner(parameter: str, paths: Iterable[str]) -> str:
    """The path of the layer that a parameter lies in: the longest that leads to it (`` is the model itself)."""
    # `block1.0.conv1.scale` lies in `block1`, `block1.0` and `block1.0.conv1`: the longest owns it.
    return max((path for path in paths if not path or parameter.startswith(f"{path}.")), key=len)
