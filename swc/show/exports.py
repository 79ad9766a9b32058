"""The sharing graph for other tools: the JSON of `docs/reference/show.md`, GraphML and DOT.

Takes a revision and the spec, gives text. Guarantees: the JSON has exactly the documented keys; everything is in the
graph's order; the same graph gives the same bytes.
"""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

from swc.compiler.ir.counts import count
from swc.compiler.ir.graph import Graph
from swc.compiler.ir.view import view
from swc.diagnostics.printable import escaped, on_one_line, printable
from swc.program.spec import Budget, Spec
from swc.show.index import Index, index_of
from swc.show.revision import Revision


def as_json(revision: Revision, spec: Spec) -> str:
    """The documented JSON object, indented by one space."""
    return escaped(json.dumps(as_object(revision, spec), indent=1, ensure_ascii=False)) + "\n"


def as_object(revision: Revision, spec: Spec) -> dict[str, Any]:
    """The documented object as plain dicts and lists; `layer` and `index` count shared layers in module order."""
    index = index_of(revision.graph)
    return {
        "ensemble": revision.graph.ensemble,
        "phase": revision.graph.phase,
        "budget": _budget(revision.graph, spec.budget),
        "members": [_member(index, member.name) for member in revision.graph.members],
        "banks": [_bank(index, level) for level in index.levels if level in index.banks],
    }


def _budget(graph: Graph, budget: Budget) -> dict[str, Any]:
    counts = count(graph)
    return {
        "stated": _stated(budget),
        "unit": budget.kind,
        "template_scalars": counts.template_scalars,
        "parameter_scalars": counts.parameter_scalars,
        "native_scalars": counts.native_scalars,
    }


def _stated(budget: Budget) -> int | float | None:
    match budget.kind:
        case "unlimited":
            return None
        case "native":
            return budget.amount
        case _:
            return round(budget.amount)


def _member(index: Index, name: str) -> dict[str, Any]:
    layers = index.layers_of_member[name]
    return {
        "name": name,
        "layers": [
            {
                "index": layer.index,
                "path": layer.path,
                "shape": list(layer.shape),
                "cluster": _cluster(index, layer.id),
            }
            for layer in layers
        ],
    }


def _cluster(index: Index, layer: str) -> str | None:
    cluster = index.cluster_of_layer.get(layer)
    return cluster.id if cluster else None


def _bank(index: Index, level: str) -> dict[str, Any]:
    bank = index.banks[level]
    return {
        "cluster": index.levels[level].cluster,
        "level": index.levels[level].index,
        "template_size": bank.template_size,
        "num_templates": bank.num_templates,
        "slots": [
            {
                "member": index.layers[slot.layer].member,
                "layer": index.layers[slot.layer].index,
                "coefficient": slot.coefficient,
                "gain": slot.gain,
            }
            for slot in index.slots_of_bank.get(level, ())
        ],
    }


def as_graphml(graph: Graph) -> str:
    """The whole share graph as GraphML; nodes are called `kind id`, shapes written 64x16x3x3."""
    import networkx as nx

    target = BytesIO()
    nx.write_graphml_xml(_flat(graph), target)
    return printable(target.getvalue().decode("utf-8")) + "\n"


def _flat(graph: Graph) -> Any:
    """The networkx view with nodes named by text and attributes that GraphML can hold."""
    import networkx as nx

    whole = view(graph)
    flat = nx.DiGraph(**whole.graph)
    for kind, name in whole.nodes:
        attributes = {key: _scalar(value) for key, value in whole.nodes[kind, name].items()}
        flat.add_node(f"{kind} {name}", kind=kind, name=name, **attributes)
    flat.add_edges_from((f"{a} {b}", f"{c} {d}") for (a, b), (c, d) in whole.edges)
    return flat


def _scalar(value: Any) -> int | str:
    if isinstance(value, tuple):
        return "x".join(str(size) for size in value)
    return value if isinstance(value, int) else str(value)


DOT_SHAPES = {"member": "box3d", "layer": "box", "cluster": "folder", "bank": "cylinder", "coefficient": "diamond"}
DOT_KINDS = ("member", "layer", "cluster", "level", "bank", "coefficient", "slot", "tensor")


def as_dot(graph: Graph) -> str:
    """The share graph as DOT, for Graphviz; private parameters are left out, they share with nobody."""
    whole = view(graph)
    nodes = [key for key in whole.nodes if key[0] in DOT_KINDS]
    lines = [f"digraph {_quoted(graph.ensemble)} {{", "  rankdir=LR;"]
    lines += [f"  {_dot_name(key)} [{_dot_attributes(key, whole.nodes[key])}];" for key in nodes]
    kept = set(nodes)
    lines += [f"  {_dot_name(a)} -> {_dot_name(b)};" for a, b in whole.edges if a in kept and b in kept]
    return "\n".join([*lines, "}"]) + "\n"


def _dot_name(key: tuple[str, str]) -> str:
    return _quoted(f"{key[0]} {key[1]}")


def _dot_attributes(key: tuple[str, str], attributes: dict[str, Any]) -> str:
    kind, name = key
    known = {"kind": kind, "label": name, "shape": DOT_SHAPES.get(kind, "ellipse")}
    # `shape` is Graphviz's own word, so the sizes of a weight are called `sizes`
    facts = {"sizes" if word == "shape" else f"of_{word}": str(_scalar(value)) for word, value in attributes.items()}
    return ", ".join(f"{word}={_quoted(value)}" for word, value in {**known, **facts}.items())


def _quoted(text: str) -> str:
    """A DOT string: backslashes and quotes are escaped, line ends become spaces."""
    quoted = on_one_line(text.replace("\n", " ")).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
