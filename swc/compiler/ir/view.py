"""The share graph as a networkx graph, for algorithms and export; derived, frozen, never the truth.

Nodes are (kind, id) pairs with the attributes of their graph node; edges point from the owner of scalars to its user:
bank -> coefficient -> slot -> layer -> member, bank -> slot, level -> bank, cluster -> level, cluster -> layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swc.compiler.ir.graph import Graph
from swc.program.expressions import tensors_of

if TYPE_CHECKING:
    import networkx as nx

_Key = tuple[str, str]
_Node = tuple[_Key, dict[str, Any]]


def view(graph: Graph) -> nx.DiGraph:
    """A frozen `networkx.DiGraph` of what the graph holds so far, in its order."""
    import networkx as nx

    directed = nx.DiGraph(ensemble=graph.ensemble, revision=graph.revision, phase=graph.phase)
    for key, attributes in _nodes(graph):
        directed.add_node(key, **attributes)
    directed.add_edges_from(_edges(graph))
    # frozen: a change here would not reach the graph it was derived from
    return nx.freeze(directed)


def _nodes(graph: Graph) -> list[_Node]:
    nodes: list[_Node] = []
    nodes += [(("member", m.name), {"source": str(m.source)}) for m in graph.members]
    nodes += [(("layer", x.id), {"path": x.path, "index": x.index, "shape": x.shape}) for x in graph.layers]
    nodes += [(("cluster", c.id), {"label": c.label, "share": c.share}) for c in graph.clusters]
    nodes += [(("level", x.id), {"index": x.index}) for x in graph.levels]
    nodes += [(("bank", b.id), {"size": b.template_size, "templates": b.num_templates}) for b in graph.banks]
    nodes += [(("coefficient", c.id), {}) for c in graph.coefficients]
    nodes += [(("slot", s.id), {"gain": s.gain} if s.gain != 1 else {}) for s in graph.slots]
    nodes += [(("tensor", t.id), {"shape": t.shape}) for t in graph.tensors]
    nodes += [(("private", f"{p.member}.{p.path}"), {"shape": p.shape, "reason": p.reason}) for p in graph.private]
    return nodes


def _edges(graph: Graph) -> list[tuple[_Key, _Key]]:
    # A bank has the id of its level, so that one look-up serves both.
    levels = {level.id for level in graph.levels}
    return [
        *((("layer", x.id), ("member", x.member)) for x in graph.layers),
        *((("cluster", c.id), ("layer", x)) for c in graph.clusters for x in c.layers),
        *((("cluster", x.cluster), ("level", x.id)) for x in graph.levels),
        *((("level", b.id), ("bank", b.id)) for b in graph.banks if b.id in levels),
        *((("bank", c.bank), ("coefficient", c.id)) for c in graph.coefficients),
        *((("coefficient", s.coefficient), ("slot", s.id)) for s in graph.slots),
        *((("bank", s.bank), ("slot", s.id)) for s in graph.slots),
        *((("slot", s.id), ("layer", s.layer)) for s in graph.slots),
        *((("tensor", t), ("layer", w.layer)) for w in graph.weights for t in tensors_of(w.expression)),
        *((("private", f"{p.member}.{p.path}"), ("member", p.member)) for p in graph.private),
    ]
