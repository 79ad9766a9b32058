"""What a recompile changed: two Programs compared by their ids.

Takes two Programs of one ensemble, gives a `ProgramDiff`. Guarantees: changes stand in the order of the Programs;
clusters are compared by the layers they hold, not by their names, which a split may reuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from attrs import frozen

from swc.program.expressions import Expression, num_scalars, slots_of
from swc.program.program import BankPlan, Program


@frozen
class MovedLayer:
    """A layer whose companions changed: its cluster and banks before and after."""

    layer: str
    before: str
    after: str
    banks_before: tuple[str, ...]
    banks_after: tuple[str, ...]


@frozen
class SplitCluster:
    """A cluster of the first Program, and the clusters of the second that hold its layers, with how many."""

    before: str
    num_layers: int
    after: tuple[tuple[str, int], ...]


@frozen
class ChangedBank:
    """A bank: (templates, template size) before and after; None where it is not there."""

    bank: str
    before: tuple[int, int] | None
    after: tuple[int, int] | None


@frozen
class UntiedCoefficient:
    """Slots that shared a coefficient in the first Program, by the coefficients they have in the second."""

    coefficient: str
    slots: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]


@frozen
class ChangedGain:
    """A slot whose coefficients are multiplied by another fixed factor than before."""

    slot: str
    before: float
    after: float


@frozen
class ChangedMaking:
    """A layer among the same companions whose weight is made otherwise: by which expressions; None: it is private."""

    layer: str
    before: Expression | None
    after: Expression | None


@frozen
class ChangedTensors:
    """Stored tensors, by id: those that one Program alone has, and those of another shape, start, role or rate."""

    new: tuple[str, ...]
    gone: tuple[str, ...]
    changed: tuple[str, ...]


@frozen
class ProgramCounts:
    """The scalars a Program stores, by kind."""

    template_scalars: int
    coefficient_scalars: int
    tensor_scalars: int
    private_scalars: int

    @property
    def parameter_scalars(self) -> int:
        """Everything that is stored."""
        return self.template_scalars + self.coefficient_scalars + self.tensor_scalars + self.private_scalars


@frozen
class ProgramDiff:
    """All that changed from one Program to the other.

    Parameters in the roles `frozen` get no updates any more, those `thawed` again. `begins_alike` says whether what
    both have begins with the same values; new clusters have new banks, of which nothing is asked.
    """

    moved: tuple[MovedLayer, ...]
    clusters: tuple[SplitCluster, ...]
    banks: tuple[ChangedBank, ...]
    untied: tuple[UntiedCoefficient, ...]
    gains: tuple[ChangedGain, ...]
    making: tuple[ChangedMaking, ...]
    tensors: ChangedTensors
    begins_alike: bool
    frozen: tuple[str, ...]
    thawed: tuple[str, ...]
    counts_before: ProgramCounts
    counts_after: ProgramCounts

    @property
    def is_empty(self) -> bool:
        """Whether the two share alike, and train the same parameters."""
        tensors = self.tensors.new or self.tensors.gone or self.tensors.changed
        drawn = self.moved or self.clusters or self.banks or self.untied or self.gains
        counts = self.counts_before != self.counts_after
        return self.begins_alike and not (drawn or self.making or tensors or counts or self.frozen or self.thawed)


def diff_programs(before: Program, after: Program) -> ProgramDiff:
    """Compare two Programs; layers that only one of them has are left out of `moved` and `making`."""
    moved, splits = _moved(before, after), _splits(clusters_of(before), clusters_of(after))
    return ProgramDiff(
        moved=moved,
        clusters=splits,
        banks=_banks(before, after),
        untied=_untied(before, after),
        gains=_gains(before, after),
        making=_making(before, after, {one.layer for one in moved}),
        tensors=_tensors(before, after),
        begins_alike=bool(splits) or _starts(before, after) == _starts(after, before),
        frozen=tuple(role for role in after.frozen if role not in before.frozen),
        thawed=tuple(role for role in before.frozen if role not in after.frozen),
        counts_before=count_program(before),
        counts_after=count_program(after),
    )


def count_program(program: Program) -> ProgramCounts:
    """What a Program stores."""
    templates = {bank.id: bank.num_templates for bank in program.banks}
    mixing = sum(num_scalars(tensor.shape) for tensor in program.tensors if tensor.role == "coefficients")
    return ProgramCounts(
        template_scalars=sum(bank.num_templates * bank.template_size for bank in program.banks),
        coefficient_scalars=sum(templates[coefficient.bank] for coefficient in program.coefficients) + mixing,
        tensor_scalars=sum(num_scalars(tensor.shape) for tensor in program.tensors) - mixing,
        private_scalars=sum(num_scalars(private.shape) for private in program.private),
    )


def cluster_of_bank(bank: str) -> str:
    """The cluster of a bank's id: `c3` of `c3.1`."""
    return bank.rpartition(".")[0]


def parameters(program: Program) -> frozenset[tuple[str, str]]:
    """The members' parameters, composed or private."""
    weights = ((weight.member, weight.path) for weight in program.weights)
    return frozenset((*weights, *((own.member, own.path) for own in program.private)))


def banks_by_layer(program: Program) -> dict[str, tuple[str, ...]]:
    """The banks each layer with SuperWeights draws on, by layer id (`member.path`), in the order of its weight."""
    banks = {slot.id: slot.bank for slot in program.slots}
    return {
        weight.layer: tuple(banks[slot] for slot in slots)
        for weight in program.weights
        if (slots := slots_of(weight.expression))
    }


def clusters_of(program: Program) -> dict[str, tuple[str, ...]]:
    """The layers of each cluster, by cluster id, in the order of the Program."""
    return _grouped((cluster_of_bank(banks[0]), layer) for layer, banks in banks_by_layer(program).items())


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def _companions(clusters: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, frozenset[str]]]:
    return {layer: (id_, held) for id_, layers in clusters.items() for held in [frozenset(layers)] for layer in layers}


def _moved(before: Program, after: Program) -> tuple[MovedLayer, ...]:
    old, new = _companions(clusters_of(before)), _companions(clusters_of(after))
    old_banks, new_banks = banks_by_layer(before), banks_by_layer(after)
    return tuple(
        MovedLayer(layer, old[layer][0], new[layer][0], old_banks[layer], new_banks[layer])
        for layer in old
        if layer in new and old[layer][1] != new[layer][1]
    )


def _splits(before: Mapping[str, tuple[str, ...]], after: Mapping[str, tuple[str, ...]]) -> tuple[SplitCluster, ...]:
    home = {layer: id_ for id_, layers in after.items() for layer in layers}
    found: list[SplitCluster] = []
    for id_, layers in before.items():
        parts = _grouped((home[layer], layer) for layer in layers if layer in home)
        if any(set(after[part]) != set(layers) for part in parts):
            found.append(SplitCluster(id_, len(layers), tuple((part, len(held)) for part, held in parts.items())))
    return tuple(found)


def _banks(before: Program, after: Program) -> tuple[ChangedBank, ...]:
    old, new = ({bank.id: _size(bank) for bank in program.banks} for program in (before, after))
    ids = dict.fromkeys((*old, *new))
    return tuple(ChangedBank(id_, old.get(id_), new.get(id_)) for id_ in ids if old.get(id_) != new.get(id_))


def _size(bank: BankPlan) -> tuple[int, int]:
    return bank.num_templates, bank.template_size


def _untied(before: Program, after: Program) -> tuple[UntiedCoefficient, ...]:
    """Only between slots that still draw on one bank: `moved` has the changes of clusters."""
    new = {slot.id: (slot.bank, slot.coefficient) for slot in after.slots}
    tied = _grouped((slot.coefficient, slot.id) for slot in before.slots if slot.id in new)
    found: list[UntiedCoefficient] = []
    for coefficient, slots in tied.items():
        groups = _grouped((new[slot][1], slot) for slot in slots)
        if len(groups) > 1 and len({new[slot][0] for slot in slots}) == 1:
            found.append(UntiedCoefficient(coefficient, slots, tuple(groups.values())))
    return tuple(found)


def _gains(before: Program, after: Program) -> tuple[ChangedGain, ...]:
    """Of the slots of the first Program that the second has too."""
    new = {slot.id: slot.gain for slot in after.slots}
    both = ((slot.id, slot.gain, new[slot.id]) for slot in before.slots if slot.id in new)
    return tuple(ChangedGain(id_, old, now) for id_, old, now in both if old != now)


def _making(before: Program, after: Program, moved: Set[str]) -> tuple[ChangedMaking, ...]:
    """Of the layers that either composes; those that one of the two does not have at all are left out."""
    had, has = ({one.layer: one.expression for one in program.weights} for program in (before, after))
    in_both = parameters(before) & parameters(after)
    layers = dict.fromkeys(one.layer for one in (*before.weights, *after.weights) if (one.member, one.path) in in_both)
    made = (ChangedMaking(layer, had.get(layer), has.get(layer)) for layer in layers)
    return tuple(one for one in made if one.before != one.after and one.layer not in moved)


def _tensors(before: Program, after: Program) -> ChangedTensors:
    old, new = ({tensor.id: tensor for tensor in program.tensors} for program in (before, after))
    return ChangedTensors(
        new=tuple(id_ for id_ in new if id_ not in old),
        gone=tuple(id_ for id_ in old if id_ not in new),
        changed=tuple(id_ for id_ in old if id_ in new and old[id_] != new[id_]),
    )


def _starts(program: Program, other: Program) -> dict[tuple[str, str], object]:
    """What the banks, slots and private parameters of a Program begin with, of those that the other has too."""

    def of(one: Program) -> dict[tuple[str, str], object]:
        banks = {("bank", bank.id): (bank.initialisation, bank.fan_in) for bank in one.banks}
        slots = {("slot", slot.id): slot.start_scale for slot in one.slots}
        return banks | slots | {(own.member, own.path): own.like for own in one.private}

    theirs = of(other).keys()
    return {key: value for key, value in of(program).items() if key in theirs}
