"""The sharing graphs of a run as plain data, for the page: who is in which cluster, and how each weight is made.

Takes revisions and the spec, gives `LayerFacts` that hold for all of them and `RevisionFacts` of each. Guarantees:
clusters look as in `swc show --format png`; things refer to each other by their place in these tuples; -1 is none.
"""

from __future__ import annotations

from attrs import evolve, frozen

from swc.compiler.ir.counts import Counts, Row, count, discarded, rows
from swc.compiler.ir.graph import Cluster, Graph, Layer
from swc.program.expressions import Expression, num_scalars, placements, slots_of, text_of
from swc.program.spec import Spec
from swc.show.index import Index, index_of
from swc.show.layer import is_of_blocks
from swc.show.palette import ALONE, Look, looks, number_of
from swc.show.picture import letters_of, summary
from swc.show.readers import with_readers
from swc.show.revision import Revision
from swc.show.summary import totals
from swc.show.wording import budget_limit, gain_text, shape_text

NONE = -1


@frozen
class LayerFacts:
    """A shared layer; `member` is the place of its member, `wide` whether its kernel is larger than 1x1."""

    id: str
    member: int
    path: str
    index: int
    kind: str
    shape: str
    scalars: int
    wide: bool


@frozen
class ClusterFacts:
    """A cluster and how it looks: fill, ink of its number, and whether it is hatched."""

    id: str
    number: str
    label: str
    num_layers: int
    fill: str
    ink: str
    hatched: bool
    alone: bool


@frozen
class BankFacts:
    """A bank: its level, and what it stores in scalars."""

    id: str
    cluster: int
    level: int
    num_templates: int
    template_size: int
    template_scalars: int
    num_coefficients: int
    coefficient_scalars: int


@frozen
class BlockFacts:
    """A visible block of a weight: the slot it is made by, its shape, and where it stands (output, input)."""

    slot: int
    shape: str
    at: tuple[int, int]


@frozen
class LayerState:
    """How a layer's weight is made in one revision; `made` says it where blocks of templates do not."""

    cluster: int
    letter: str
    slots: tuple[int, ...]
    blocks: tuple[BlockFacts, ...]
    generated: int
    discarded: int
    made: str


@frozen
class Total:
    """A line of the totals."""

    name: str
    scalars: int
    remark: str


@frozen
class RevisionFacts:
    """One compiled sharing graph; a slot is (layer, bank, coefficient), a state belongs to the layer of its place.

    `gains` are those of the slots, in words; empty where all are 1.
    """

    number: int
    label: str
    summary: str
    clusters: tuple[ClusterFacts, ...]
    banks: tuple[BankFacts, ...]
    coefficients: tuple[str, ...]
    slots: tuple[tuple[int, int, int], ...]
    gains: tuple[str, ...]
    states: tuple[LayerState | None, ...]
    totals: tuple[Total, ...]
    used: int
    limit: float | None
    notes: tuple[str, ...]


def layers_of(revisions: tuple[Revision, ...], members: tuple[str, ...]) -> tuple[LayerFacts, ...]:
    """The layers of all revisions by member and place, each once."""
    known = {layer.id: layer for revision in revisions for layer in revision.graph.layers}
    place = {name: number for number, name in enumerate(members)}
    return tuple(
        _layer(layer, place) for layer in sorted(known.values(), key=lambda one: (place[one.member], one.index))
    )


def _layer(layer: Layer, place: dict[str, int]) -> LayerFacts:
    return LayerFacts(
        layer.id,
        place[layer.member],
        layer.path,
        layer.index,
        layer.kind,
        shape_text(layer.shape),
        num_scalars(layer.shape),
        any(size > 1 for size in layer.shape[2:]),
    )


def revisions_of(
    revisions: tuple[Revision, ...], layers: tuple[LayerFacts, ...], spec: Spec
) -> tuple[RevisionFacts, ...]:
    """The facts of each revision, in order; stored tensors that several layers read are clusters here."""
    revisions = tuple(evolve(revision, graph=with_readers(revision.graph)) for revision in revisions)
    dressed = looks(tuple(revision.graph for revision in revisions))
    return tuple(_revision(one, worn, layers, spec) for one, worn in zip(revisions, dressed, strict=True))


def _revision(revision: Revision, worn: dict[str, Look], layers: tuple[LayerFacts, ...], spec: Spec) -> RevisionFacts:
    graph = revision.graph
    index = index_of(graph)
    counts = count(graph)
    alone = sum(index.is_alone(cluster) for cluster in graph.clusters)
    place = {layer.id: number for number, layer in enumerate(layers)}
    return RevisionFacts(
        number=revision.number,
        label=revision.label,
        summary=summary(revision, len(graph.clusters), alone),
        clusters=tuple(_cluster(cluster, worn[cluster.id]) for cluster in graph.clusters),
        banks=_banks(graph),
        coefficients=tuple(coefficient.id for coefficient in graph.coefficients),
        slots=_slots(graph, place),
        gains=tuple(gain_text(slot.gain) for slot in graph.slots) if index.has_gains else (),
        states=_states(index, layers),
        totals=tuple(Total(*line) for line in totals(graph, counts, spec)),
        used=_used(counts, spec),
        limit=budget_limit(spec.budget, counts.native_scalars),
        notes=revision.notes,
    )


def _used(counts: Counts, spec: Spec) -> int:
    """What the budget counts, in its own unit."""
    return (
        counts.parameter_scalars
        if spec.budget.kind == "parameters"
        else counts.template_scalars + counts.tensor_scalars
    )


def _cluster(cluster: Cluster, look: Look) -> ClusterFacts:
    return ClusterFacts(
        cluster.id,
        number_of(cluster),
        cluster.label,
        len(cluster.layers),
        look.fill,
        look.ink,
        bool(look.hatch),
        look == ALONE,
    )


def _banks(graph: Graph) -> tuple[BankFacts, ...]:
    place = {cluster.id: number for number, cluster in enumerate(graph.clusters)}
    return tuple(_bank(row, place[row.cluster]) for row in rows(graph))


def _bank(row: Row, cluster: int) -> BankFacts:
    return BankFacts(
        row.bank,
        cluster,
        row.level,
        row.num_templates,
        row.template_size,
        row.template_scalars,
        row.num_coefficients,
        row.coefficient_scalars,
    )


def _slots(graph: Graph, layers: dict[str, int]) -> tuple[tuple[int, int, int], ...]:
    banks = {row.bank: number for number, row in enumerate(rows(graph))}
    coefficients = {coefficient.id: number for number, coefficient in enumerate(graph.coefficients)}
    return tuple((layers[slot.layer], banks[slot.bank], coefficients[slot.coefficient]) for slot in graph.slots)


def _states(index: Index, layers: tuple[LayerFacts, ...]) -> tuple[LayerState | None, ...]:
    graph = index.graph
    clusters = {cluster.id: number for number, cluster in enumerate(graph.clusters)}
    slots = {slot.id: number for number, slot in enumerate(graph.slots)}
    letters, lost = letters_of(index), discarded(graph)

    def state(layer: str) -> LayerState | None:
        if layer not in index.layers:
            return None
        cluster = index.cluster_of_layer.get(layer)
        expression = index.expressions.get(layer)
        used = index.slots_of_layer.get(layer, ())
        return LayerState(
            cluster=clusters[cluster.id] if cluster else NONE,
            letter=letters.get(layer, ""),
            slots=tuple(slots[slot.id] for slot in used),
            blocks=_blocks(expression, slots),
            generated=sum(index.banks[slot.bank].template_size for slot in used),
            discarded=lost.get(layer, 0),
            made=_made(expression),
        )

    return tuple(state(layer.id) for layer in layers)


def _blocks(expression: Expression | None, slots: dict[str, int]) -> tuple[BlockFacts, ...]:
    if expression is None or not slots_of(expression) or not is_of_blocks(expression):
        return ()
    return tuple(BlockFacts(slots[b.slot], shape_text(b.visible), b.origin) for b in placements(expression))


def _made(expression: Expression | None) -> str:
    if expression is None:
        return "its weight is not composed yet"
    return "" if is_of_blocks(expression) else text_of(expression)
