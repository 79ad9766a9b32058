"""The invariants of a share graph, each with a name, checked between passes.

Takes a graph at any point of the pipeline; gives nothing, or raises `InvariantError` with the name of the first
invariant that is broken and what breaks it. Guarantees: an invariant speaks only of what is present, so that a graph
verifies after every pass; a graph that verifies with weights can be lowered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import combinations
from math import isfinite

from swc.compiler.ir.counts import count, rows, without_scales
from swc.compiler.ir.graph import Graph
from swc.program.expressions import (
    Expression,
    Mix,
    Placement,
    Product,
    Resize,
    Stored,
    Sum,
    combines_of,
    num_scalars,
    parts_of,
    placements,
    shape_of,
    slots_of,
    tensors_of,
)
from swc.program.layer_table import id_of


class InvariantError(AssertionError):
    """A bug of the compiler: a pass made a graph in which the invariant `name` does not hold."""

    def __init__(self, name: str, detail: str) -> None:
        self.name = name
        self.detail = detail
        super().__init__(f"{name}: {detail}")


def verify(graph: Graph) -> None:
    """Raise `InvariantError` for the first invariant, in the order of `INVARIANTS`, that does not hold."""
    for name, broken in INVARIANTS:
        for detail in broken(graph):
            raise InvariantError(name, detail)


def _ids_are_unique(graph: Graph) -> Iterator[str]:
    # Ids are the only references there are: two nodes of one id and kind could not be told apart.
    sections: tuple[tuple[str, Iterable[str]], ...] = (
        ("member", (member.name for member in graph.members)),
        ("layer", (layer.id for layer in graph.layers)),
        ("private parameter", (f"{private.member}.{private.path}" for private in graph.private)),
        ("cluster", (cluster.id for cluster in graph.clusters)),
        ("level", (level.id for level in graph.levels)),
        ("bank", (bank.id for bank in graph.banks)),
        ("coefficient", (coefficient.id for coefficient in graph.coefficients)),
        ("slot", (slot.id for slot in graph.slots)),
        ("tensor", (tensor.id for tensor in graph.tensors)),
        ("weight of layer", (weight.layer for weight in graph.weights)),
    )
    for kind, ids in sections:
        yield from (f"{kind} `{id_}` is there {times} times" for id_, times in Counter(ids).items() if times > 1)


def _ids_resolve(graph: Graph) -> Iterator[str]:
    known = {
        "member": {member.name for member in graph.members},
        "layer": {layer.id for layer in graph.layers},
        "cluster": {cluster.id for cluster in graph.clusters},
        "bank": {bank.id for bank in graph.banks},
        "coefficient": {coefficient.id for coefficient in graph.coefficients},
        "slot": {slot.id for slot in graph.slots},
        "tensor": {tensor.id for tensor in graph.tensors},
    }
    for user, kind, id_ in _references(graph):
        if id_ not in known[kind]:
            yield f"`{user}` refers to the {kind} `{id_}`, which is not there"


def _references(graph: Graph) -> Iterator[tuple[str, str, str]]:
    # (who refers, to which kind of node, by which id), in the order of the graph
    yield from ((layer.id, "member", layer.member) for layer in graph.layers)
    yield from ((private.path, "member", private.member) for private in graph.private)
    yield from ((private.path, "member", private.like) for private in graph.private if private.like)
    yield from ((cluster.id, "layer", layer) for cluster in graph.clusters for layer in cluster.layers)
    yield from ((level.id, "cluster", level.cluster) for level in graph.levels)
    yield from ((coefficient.id, "bank", coefficient.bank) for coefficient in graph.coefficients)
    yield from ((slot.id, "layer", slot.layer) for slot in graph.slots)
    yield from ((slot.id, "bank", slot.bank) for slot in graph.slots)
    yield from ((slot.id, "coefficient", slot.coefficient) for slot in graph.slots)
    yield from ((weight.layer, "layer", weight.layer) for weight in graph.weights)
    yield from ((weight.layer, "slot", slot) for weight in graph.weights for slot in slots_of(weight.expression))
    yield from ((weight.layer, "tensor", one) for weight in graph.weights for one in tensors_of(weight.expression))


def _ids_say_where(graph: Graph) -> Iterator[str]:
    """Layers and slots are named after their places: feedback is matched by these ids."""
    levels = {level.id: level.index for level in graph.levels}
    for layer in graph.layers:
        if layer.id != id_of(layer.member, layer.path):
            yield f"layer `{layer.id}` is `{layer.path}` of `{layer.member}`"
    for slot in graph.slots:
        if slot.bank in levels and slot.id != f"{slot.layer}#{levels[slot.bank]}":
            yield f"slot `{slot.id}` is level {levels[slot.bank]} of `{slot.layer}`"


def _layers_are_in_order(graph: Graph) -> Iterator[str]:
    """Within a member, `index` counts from 0; clusters list their layers as the graph does."""
    next_index: Counter[str] = Counter()
    for layer in graph.layers:
        if layer.index != next_index[layer.member]:
            yield f"`{layer.id}` has index {layer.index} where {next_index[layer.member]} follows"
        next_index[layer.member] += 1
    place = {layer.id: number for number, layer in enumerate(graph.layers)}
    for cluster in graph.clusters:
        if list(cluster.layers) != sorted(cluster.layers, key=place.__getitem__):
            yield f"cluster `{cluster.id}` does not list its layers in the order of the graph"


def _layers_are_in_one_cluster(graph: Graph) -> Iterator[str]:
    """A layer is in at most one cluster, and in exactly one where its share block has clusters."""
    held = Counter(layer for cluster in graph.clusters for layer in cluster.layers)
    clustered = {cluster.share for cluster in graph.clusters}
    for layer in graph.layers:
        if held[layer.id] > 1 or (layer.share in clustered and not held[layer.id]):
            yield f"layer `{layer.id}` is in {held[layer.id]} clusters"


def _clusters_are_alike(graph: Graph) -> Iterator[str]:
    """A cluster has layers, all of its own share block, of one kind and one kernel."""
    layers = {layer.id: layer for layer in graph.layers}
    for cluster in graph.clusters:
        kinds = {(layers[id_].kind, layers[id_].shape[2:], layers[id_].share) for id_ in cluster.layers}
        if {share for _, _, share in kinds} != {cluster.share} or len(kinds) != 1:
            yield f"cluster `{cluster.id}` holds {len(cluster.layers)} layers of {len(kinds)} kinds"


def _levels_are_counted(graph: Graph) -> Iterator[str]:
    """The levels of a cluster are counted from 0, in the order of the graph."""
    next_index: Counter[str] = Counter()
    for level in graph.levels:
        if level.index != next_index[level.cluster]:
            yield f"level `{level.id}` has index {level.index} where {next_index[level.cluster]} follows"
        next_index[level.cluster] += 1


def _bank_sizes_agree(graph: Graph) -> Iterator[str]:
    """Once there are banks, each level has one, as large as the level's pieces, with templates to give."""
    if not graph.banks:
        return
    sizes = {level.id: sum(num_scalars(piece.shape) for piece in level.pieces) for level in graph.levels}
    banks = {bank.id: bank for bank in graph.banks}
    yield from (f"level `{id_}` has no bank" for id_ in sizes if id_ not in banks)
    yield from (f"bank `{id_}` has no level" for id_ in banks if id_ not in sizes)
    for id_, bank in banks.items():
        if bank.template_size != sizes[id_]:
            yield f"bank `{id_}` has templates of {bank.template_size}, its level adds {sizes[id_]}"
        if bank.num_templates < 1 or bank.fan_in < 1:
            yield f"bank `{id_}` has {bank.num_templates} templates and fan-in {bank.fan_in}"


def _ties_lie_in_one_bank(graph: Graph) -> Iterator[str]:
    # A coefficient vector has one number for each template of its bank: in another bank it would have another length.
    first: dict[str, str] = {}
    for slot in graph.slots:
        if first.setdefault(slot.coefficient, slot.bank) != slot.bank:
            yield f"coefficient `{slot.coefficient}` is tied across `{first[slot.coefficient]}` and `{slot.bank}`"


def _coefficients_lie_in_their_bank(graph: Graph) -> Iterator[str]:
    """A coefficient's bank is that of its slots, and it is named after the first of them."""
    banks = {coefficient.id: coefficient.bank for coefficient in graph.coefficients}
    first: dict[str, str] = {}
    for slot in graph.slots:
        first.setdefault(slot.coefficient, slot.id)
        if banks[slot.coefficient] != slot.bank:
            yield f"slot `{slot.id}` of `{slot.bank}` uses a coefficient of `{banks[slot.coefficient]}`"
    for id_ in banks if graph.slots else ():
        if first.get(id_) != id_:
            yield f"coefficient `{id_}` is first used by `{first.get(id_, 'no slot')}`"


def _slots_lie_in_their_cluster(graph: Graph) -> Iterator[str]:
    """A slot's bank belongs to the cluster of its layer."""
    of_layer = {layer: cluster.id for cluster in graph.clusters for layer in cluster.layers}
    of_bank = {level.id: level.cluster for level in graph.levels}
    for slot in graph.slots:
        if of_layer.get(slot.layer) != of_bank.get(slot.bank):
            yield f"slot `{slot.id}` draws on `{slot.bank}`, its layer is in `{of_layer.get(slot.layer)}`"


def _gains_are_factors(graph: Graph) -> Iterator[str]:
    """A gain is a positive number, and finite: the square root of a ratio of fan-ins."""
    wrong = (slot for slot in graph.slots if not (slot.gain > 0 and isfinite(slot.gain)))
    yield from (f"slot `{slot.id}` has the gain {slot.gain}" for slot in wrong)


def _banks_are_used(graph: Graph) -> Iterator[str]:
    # A bank without a slot would be paid for by the budget and read by nobody.
    used = {slot.bank for slot in graph.slots}
    yield from (f"bank `{bank.id}` has no slot" for bank in graph.banks if graph.slots and bank.id not in used)


def _layers_have_weights(graph: Graph) -> Iterator[str]:
    """Once there are weights, every layer has one of its own shape."""
    weights = {weight.layer: weight.expression for weight in graph.weights}
    for layer in graph.layers if weights else ():
        if layer.id not in weights:
            yield f"layer `{layer.id}` has no weight"
        elif (shape := _shape(weights[layer.id])) != layer.shape:
            yield f"the weight of `{layer.id}` is {shape}, the layer {layer.shape}"


def _shape(expression: Expression) -> tuple[int, ...] | str:
    try:
        return shape_of(expression)
    except ValueError as error:
        return str(error)


def _weights_read_their_slots(graph: Graph) -> Iterator[str]:
    """A weight reads exactly its own layer's slots, inside their SuperWeights, and every tensor is read."""
    owned: dict[str, set[str]] = {}
    for slot in graph.slots:
        owned.setdefault(slot.layer, set()).add(slot.id)
    for weight in graph.weights:
        if set(slots_of(weight.expression)) != owned.get(weight.layer, set()):
            yield f"the weight of `{weight.layer}` does not read exactly its own slots"
    sizes = {bank.id: bank.template_size for bank in graph.banks}
    size_of = {slot.id: sizes[slot.bank] for slot in graph.slots}
    for weight in graph.weights:
        for block in combines_of(weight.expression):
            if block.offset < 0 or block.offset + num_scalars(block.shape) > size_of[block.slot]:
                yield f"`{weight.layer}` reads past the end of `{block.slot}`"


def _pieces_lie_in_their_bank(graph: Graph) -> Iterator[str]:
    """What is mixed begins inside a bank, and goes round it once at most."""
    sizes = {tensor.id: num_scalars(tensor.shape) for tensor in graph.tensors}
    for weight in graph.weights:
        for mix in _mixes(weight.expression):
            # A bank of 10, three pieces of 3 from 8 on: 9 scalars, 8 to 9 and then 0 to 6. Four pieces would read two
            # scalars twice.
            size, needed = num_scalars(shape_of(mix.of)), sizes[mix.by] * num_scalars(mix.shape)
            if not 0 <= mix.start < size or needed > size:
                yield f"`{weight.layer}` mixes {needed} scalars from {mix.start} on, of a bank of {size}"


def _mixes(expression: Expression) -> Iterator[Mix]:
    if isinstance(expression, Mix):
        yield expression
    for part in parts_of(expression):
        yield from _mixes(part)


def _layers_are_covered(graph: Graph) -> Iterator[str]:
    """The visible blocks of a weight made of SuperWeights tile it: no hole, no overlap."""
    # Blocks inside the weight, that do not overlap, and whose sizes add up to its size, cover it exactly once: each
    # scalar is in at most one block, and a scalar in none would leave the sum too small.
    whole: set[tuple[object, ...]] = set()  # layouts without a fault: layers of one shape and cluster have one layout
    for weight in graph.weights:
        bare = without_scales(weight.expression)
        if not slots_of(bare) or _holds_tensors(bare):
            continue
        blocks, shape = placements(bare), shape_of(bare)
        layout = (shape, *((block.origin, block.visible) for block in blocks))
        if layout in whole:
            continue
        faults = tuple(_faults(blocks, shape))
        yield from (f"`{weight.layer}`: {fault}" for fault in faults)
        if not faults:
            whole.add(layout)


def _holds_tensors(expression: Expression) -> bool:
    """Whether anything stands in it that is not blocks beside each other."""
    others = Product | Resize | Stored | Sum
    return isinstance(expression, others) or any(_holds_tensors(part) for part in parts_of(expression))


def _faults(blocks: tuple[Placement, ...], shape: tuple[int, ...]) -> Iterator[str]:
    for block in blocks:
        far = (block.origin[0] + block.visible[0], block.origin[1] + block.visible[1])
        if far[0] > shape[0] or far[1] > shape[1] or block.visible[2:] != shape[2:]:
            yield f"a block of `{block.slot}` stands outside"
    shown = sum(num_scalars(block.visible) for block in blocks)
    if shown != num_scalars(shape):
        yield f"{shown} scalars are placed where {num_scalars(shape)} belong"
    for one, other in combinations(blocks, 2):
        if _overlap(one, other):
            yield f"blocks of `{one.slot}` and `{other.slot}` overlap"


def _overlap(one: Placement, other: Placement) -> bool:
    # Rectangles overlap if their intervals do on both axes; kernels are always whole.
    return all(
        one.origin[axis] < other.origin[axis] + other.visible[axis]
        and other.origin[axis] < one.origin[axis] + one.visible[axis]
        for axis in (0, 1)
    )


def _counts_add_up(graph: Graph) -> Iterator[str]:
    """Rows and totals agree, and what is generated is what is shown plus what is discarded."""
    # Two counts by different ways: level by level, and over the whole graph at once.
    total = count(graph)
    table = rows(graph)
    if graph.levels and sum(row.template_scalars for row in table) != total.template_scalars:
        yield f"the rows hold other template scalars than the total {total.template_scalars}"
    if graph.slots and sum(row.num_slots for row in table) != len(graph.slots):
        yield f"the rows hold other slots than the graph's {len(graph.slots)}"
    if total.discarded_scalars < 0 or total.discarded_scalars > total.generated_scalars:
        yield f"{total.discarded_scalars} of {total.generated_scalars} generated scalars are discarded"


# In an order in which each may rely on those before it: ids resolve before anything is looked up by id, and weights
# have the right shape before their blocks are laid into it.
INVARIANTS: tuple[tuple[str, Callable[[Graph], Iterator[str]]], ...] = (
    ("ids are unique", _ids_are_unique),
    ("ids resolve", _ids_resolve),
    ("ids say where", _ids_say_where),
    ("layers are in order", _layers_are_in_order),
    ("each layer is in one cluster", _layers_are_in_one_cluster),
    ("clusters are alike", _clusters_are_alike),
    ("levels are counted", _levels_are_counted),
    ("bank sizes agree", _bank_sizes_agree),
    ("ties lie in one bank", _ties_lie_in_one_bank),
    ("coefficients lie in their bank", _coefficients_lie_in_their_bank),
    ("slots lie in their cluster", _slots_lie_in_their_cluster),
    ("gains are factors", _gains_are_factors),
    ("banks are used", _banks_are_used),
    ("every layer has a weight", _layers_have_weights),
    ("weights read their slots", _weights_read_their_slots),
    ("pieces lie in their bank", _pieces_lie_in_their_bank),
    ("layers are covered exactly", _layers_are_covered),
    ("counts add up", _counts_add_up),
)
