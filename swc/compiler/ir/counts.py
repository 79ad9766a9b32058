"""Exact counts of a share graph: what is stored, what is made of it, and what is thrown away.

Takes a graph at any point of the pipeline, gives `Counts` and one `Row` for each level. Guarantees: whole numbers;
what a pass has not yet made counts nothing; the totals are the sums of the rows.
"""

from __future__ import annotations

from collections import Counter

from attrs import frozen

from swc.compiler.ir.graph import Graph
from swc.program.expressions import (
    Concat,
    Expression,
    Mix,
    Product,
    Resize,
    Scale,
    Shape,
    Slice,
    Stored,
    Sum,
    num_scalars,
    parts_of,
    placements,
    slots_of,
    tensors_of,
)


@frozen
class Row:
    """One level of a cluster: its bank, and what it stores and makes. Sizes are in scalars."""

    cluster: str
    label: str
    level: int
    bank: str
    template_size: int
    num_templates: int
    num_slots: int
    num_coefficients: int  # distinct coefficient vectors

    @property
    def template_scalars(self) -> int:
        """What the bank's templates hold."""
        return self.num_templates * self.template_size

    @property
    def coefficient_scalars(self) -> int:
        """What the bank's coefficient vectors hold, tied ones once."""
        # 12 slots on 3 vectors of 8 numbers hold 24, not 96: a tied vector is stored once.
        return self.num_templates * self.num_coefficients


@frozen
class Counts:
    """The scalars of a graph.

    `parameter_scalars` is everything stored: templates, coefficients (stored vectors of them too), other tensors,
    private parameters. `native_scalars`
    is what the shared layers would own unshared. `generated_scalars` counts one SuperWeight for each slot,
    `discarded_scalars` the part of it that no layer shows because of crops.
    """

    template_scalars: int
    coefficient_scalars: int
    tensor_scalars: int
    private_scalars: int
    native_scalars: int
    generated_scalars: int
    discarded_scalars: int

    @property
    def parameter_scalars(self) -> int:
        """Everything that is stored and trained."""
        return self.template_scalars + self.coefficient_scalars + self.tensor_scalars + self.private_scalars


@frozen
class ComposedCounts:
    """The scalars of composed weights in a training step, in which those of all members are there at once.

    `gradient_scalars` are those that wait to be carried to what is stored: of SuperWeights the gradients of one member
    at a time, the largest; those of weights that read stored tensors wait until all members have run.
    """

    weight_scalars: int
    gradient_scalars: int


def count(graph: Graph) -> Counts:
    """Count a graph exactly (a budget may be stated in `template_scalars` or in `parameter_scalars`)."""
    size = {bank.id: bank.template_size for bank in graph.banks}
    templates = {bank.id: bank.num_templates for bank in graph.banks}
    # Stored vectors by which layers mix a flat bank are coefficients to a budget, though they are tensors to the graph.
    mixing = sum(num_scalars(tensor.shape) for tensor in graph.tensors if tensor.role == "coefficients")
    return Counts(
        template_scalars=sum(bank.num_templates * bank.template_size for bank in graph.banks),
        coefficient_scalars=sum(templates[coefficient.bank] for coefficient in graph.coefficients) + mixing,
        tensor_scalars=sum(num_scalars(tensor.shape) for tensor in graph.tensors) - mixing,
        private_scalars=sum(num_scalars(private.shape) for private in graph.private),
        native_scalars=sum(num_scalars(layer.shape) for layer in graph.layers),
        generated_scalars=sum(size[slot.bank] for slot in graph.slots),
        discarded_scalars=sum(discarded(graph).values()),
    )


def rows(graph: Graph) -> tuple[Row, ...]:
    """One row for each level that has a bank, in the order of the graph."""
    banks = {bank.id: bank for bank in graph.banks}
    labels = {cluster.id: cluster.label for cluster in graph.clusters}
    num_slots = Counter(slot.bank for slot in graph.slots)
    num_coefficients = Counter(coefficient.bank for coefficient in graph.coefficients)
    return tuple(
        Row(
            cluster=level.cluster,
            label=labels[level.cluster],
            level=level.index,
            bank=level.id,
            template_size=banks[level.id].template_size,
            num_templates=banks[level.id].num_templates,
            num_slots=num_slots[level.id],
            num_coefficients=num_coefficients[level.id],
        )
        for level in graph.levels
        if level.id in banks
    )


def discarded(graph: Graph) -> dict[str, int]:
    """How many generated scalars each layer with a weight does not show, by layer id; layers of no slots have 0."""
    # A slot makes a whole SuperWeight, as large as a template. Of 48x32 after 64x16, level 0 makes 1,024 scalars, of
    # which 48 * 16 = 768 are seen; 256 are discarded.
    size = {bank.id: bank.template_size for bank in graph.banks}
    of_slot = {slot.id: size[slot.bank] for slot in graph.slots}
    return {
        weight.layer: sum(of_slot[slot] for slot in slots_of(weight.expression)) - _visible(weight.expression)
        for weight in graph.weights
    }


def _visible(expression: Expression) -> int:
    """How many scalars of SuperWeights an expression shows."""
    if not slots_of(expression):
        return 0
    if isinstance(expression, Scale | Resize | Mix | Sum | Product):
        return sum(_visible(part) for part in parts_of(expression))
    return sum(num_scalars(block.visible) for block in placements(without_scales(expression)))


def without_scales(expression: Expression) -> Expression:
    """The same blocks at the same places, without their modulations."""
    match expression:
        case Scale(of, _, _):
            return without_scales(of)
        case Slice(of, shape):
            return Slice(without_scales(of), shape)
        case Concat(axis, parts):
            return Concat(axis, tuple(without_scales(part) for part in parts))
        case _:
            return expression


def composed(graph: Graph) -> ComposedCounts:
    """What a training step makes of what is stored, and the gradients on it that wait at the same time."""
    members = {layer.id: layer.member for layer in graph.layers}
    sizes = {layer.id: num_scalars(layer.shape) for layer in graph.layers}
    # Members of 3M and 5M scalars of SuperWeights, and 1M of weights that read stored tensors: 5M + 1M gradients wait
    # at the worst moment, when the larger member has just run.
    of_members: Counter[str] = Counter()
    for weight in graph.weights:
        if not tensors_of(weight.expression):
            of_members[members[weight.layer]] += sizes[weight.layer]
    waiting = sum(sizes[weight.layer] for weight in graph.weights if tensors_of(weight.expression))
    return ComposedCounts(
        weight_scalars=sum(sizes[w.layer] for w in graph.weights if not _is_as_stored(w.expression)),
        gradient_scalars=waiting + max(of_members.values(), default=0),
    )


def _is_as_stored(expression: Expression) -> bool:
    """Whether a weight is a stored tensor, or the first part of one, for which no memory is needed."""
    match expression:
        case Stored():
            return True
        case Slice(of, _):
            return _is_as_stored(of)
        case _:
            return False


def native(shapes: tuple[Shape, ...]) -> int:
    """What layers of these shapes own when nothing is shared."""
    return sum(num_scalars(shape) for shape in shapes)
