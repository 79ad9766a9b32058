"""How an ensemble is trained, as plain data: the recipe, the phases and what happens between them.

Epochs are counted within a phase. Sources: docs/explanation/method.md (paper supplementary 1 and 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from attrs import evolve, field, frozen

from swc.diagnostics import Span
from swc.program.choice import Choice
from swc.registry.actions import ACTIONS, ActionRow
from swc.registry.augmentations import AUGMENTATIONS, AugmentationRow
from swc.registry.averages import AVERAGES, AverageRow
from swc.registry.losses import LOSSES, LossRow
from swc.registry.optimisers import OPTIMISERS, OptimiserRow, StateRow
from swc.registry.registry import Registry
from swc.registry.row import ArgumentValue
from swc.registry.schedules import SCHEDULES, ScheduleRow

Linkage = Literal["union", "average", "release"]
Across = Literal["members", "reference"]
Carry = Literal["restart", "continue"]
Precision = Literal["auto", "float32", "bfloat16"]


@frozen
class Optimiser(Choice):
    """A row of `swc.registry.optimisers` with its values. `no_decay` names what is left without weight decay.

    `no_decay` is a sorted subset of `swc.program.vocabulary.NO_DECAY`.
    """

    registry: ClassVar[Registry[OptimiserRow]] = OPTIMISERS

    name: str = "sgd"
    arguments: tuple[tuple[str, ArgumentValue], ...] = OPTIMISERS["sgd"].settled({})
    no_decay: tuple[str, ...] = ("coefficients",)

    @classmethod
    def of(cls, name: str = "sgd", no_decay: tuple[str, ...] = ("coefficients",), **values: ArgumentValue) -> Self:
        """An optimiser by name, with these values over the defaults; KeyError for a name that nothing has."""
        return cls(name, OPTIMISERS[name].settled(values), no_decay)

    @property
    def row(self) -> OptimiserRow:
        """What is declared of it; DiagnosticError or KeyError where it is a plug-in's that cannot be read."""
        return OPTIMISERS[self.name]

    @property
    def state(self) -> tuple[StateRow, ...]:
        """What it keeps for every parameter with these arguments: without momentum SGD keeps nothing."""
        return tuple(row for row in self.row.state if not row.unless_zero or self.values[row.unless_zero])

    @property
    def lr(self) -> float:
        """The learning rate, which every optimiser has."""
        return self.number("lr")


@frozen
class Schedule(Choice):
    """The learning rate over a phase: a row of `swc.registry.schedules` with its values.

    Before it, the rate rises linearly over `warmup` epochs, step by step.
    """

    registry: ClassVar[Registry[ScheduleRow]] = SCHEDULES

    name: str = "constant"
    arguments: tuple[tuple[str, ArgumentValue], ...] = ()
    warmup: float = 0.0

    @classmethod
    def of(cls, name: str = "constant", warmup: float = 0.0, **values: ArgumentValue) -> Self:
        """A schedule by name, with these values over the defaults; KeyError for a name that nothing has."""
        return cls(name, SCHEDULES[name].settled(values), warmup)

    @property
    def row(self) -> ScheduleRow:
        """What is declared of it; DiagnosticError or KeyError where it is a plug-in's that cannot be read."""
        return SCHEDULES[self.name]

    @property
    def milestones(self) -> tuple[float, ...]:
        """The epochs that its arguments name."""
        named = (self.values[one.name] for one in self.row.arguments if one.in_epochs)
        return tuple(epoch for value in named for epoch in (value if isinstance(value, tuple) else (value,)))

    def scaled(self, factor: float) -> Self:
        """The same over other epochs: its milestones and its warm-up times `factor`."""
        counted = {one.name: self.values[one.name] for one in self.row.arguments if one.in_epochs}
        values = {name: _times(value, factor) for name, value in counted.items()}
        return evolve(self.with_values(**values), warmup=self.warmup * factor)


def _times(value: ArgumentValue, factor: float) -> ArgumentValue:
    if isinstance(value, tuple):
        return tuple(_times(one, factor) for one in value)
    assert isinstance(value, int | float), "epochs are numbers"
    return value * factor


@frozen
class AugmentationStep(Choice):
    """A step of what happens to a training image: a row of `swc.registry.augmentations` with its values."""

    registry: ClassVar[Registry[AugmentationRow]] = AUGMENTATIONS

    @classmethod
    def of(cls, name: str, **values: ArgumentValue) -> Self:
        """A step by name; KeyError for a name that nothing has."""
        return cls(name, AUGMENTATIONS[name].settled(values))

    @property
    def row(self) -> AugmentationRow:
        """What is declared of it; DiagnosticError or KeyError where it is a plug-in's that cannot be read."""
        return AUGMENTATIONS[self.name]


@frozen
class Loss(Choice):
    """What a member is told of its logits: a row of `swc.registry.losses` with its values."""

    registry: ClassVar[Registry[LossRow]] = LOSSES

    name: str = "cross_entropy"
    arguments: tuple[tuple[str, ArgumentValue], ...] = LOSSES["cross_entropy"].settled({})

    @classmethod
    def of(cls, name: str = "cross_entropy", **values: ArgumentValue) -> Self:
        """A loss by name, with these values over the defaults; KeyError for a name that nothing has."""
        return cls(name, LOSSES[name].settled(values))

    @property
    def row(self) -> LossRow:
        """What is declared of it; DiagnosticError or KeyError where it is a plug-in's that cannot be read."""
        return LOSSES[self.name]

    @property
    def smoothing(self) -> float | None:
        """The X for which `label_smoothing X` means this loss; None where it is another than cross-entropy."""
        return self.number("label_smoothing") if self.name == "cross_entropy" else None


@frozen
class WeightAverage(Choice):
    """What is averaged over the steps beside the weights: a row of `swc.registry.averages` with its values."""

    registry: ClassVar[Registry[AverageRow]] = AVERAGES

    @classmethod
    def of(cls, name: str, **values: ArgumentValue) -> Self:
        """An average by name, with these values over the defaults; KeyError for a name that nothing has."""
        return cls(name, AVERAGES[name].settled(values))


@frozen
class Recipe:
    """A training recipe with every value settled.

    `norm_batch`: BatchNorm sees a batch in parts of this many images (None: the whole batch). `clip_gradients`: the
    greatest norm that the gradients of a step may have, of all parameters together (None: any). `weight_average`: what
    is scored beside the last weights (None: nothing). `seed` fixes initialisation, order and augmentation.
    """

    name: str
    batch: int = 128
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    augmentation: tuple[AugmentationStep, ...] = ()
    loss: Loss = Loss()
    norm_batch: int | None = None
    precision: Precision = "auto"
    seed: int = 0
    clip_gradients: float | None = None
    weight_average: WeightAverage | None = None


@frozen
class SplitClusters:
    """`then split clusters below TAU` or `into N`: cluster similarity at the end of a phase.

    Either `threshold` is given or `number`, of the clusters in each share block after the split (ValueError else).
    `batches` limits the statistics to that many batches (None: one whole epoch). `sketch` keeps that many numbers in
    place of a layer's summed gradient, to save memory (None: the exact sums). Source: docs/explanation/method.md.
    """

    threshold: float | None
    linkage: Linkage = "union"
    across: Across = "members"
    batches: int | None = None
    sketch: int | None = None
    number: int | None = None
    span: Span | None = field(default=None, eq=False)

    def __attrs_post_init__(self) -> None:
        if (self.threshold is None) == (self.number is None):
            raise ValueError("a split goes by a threshold or by a number of clusters")

    @property
    def extent(self) -> str:
        """How far it splits, as one writes it: `below 0.1` or `into 12`."""
        return f"below {self.threshold:g}" if self.number is None else f"into {self.number}"


@frozen
class UntieCoefficients:
    """`after N epochs untie coefficients below BETA`: coefficient similarity within a phase."""

    after: int
    threshold: float
    batches: int | None = None


@frozen
class GroupLayers:
    """`then group layers in N clusters`: k-means on what `shapeshifter` layers took of one bank's templates."""

    number: int


@frozen
class PhaseAction(Choice):
    """`after N epochs VERB NOUN`: a row of `swc.registry.actions` with its values."""

    registry: ClassVar[Registry[ActionRow]] = ACTIONS

    after: int = 1


Action = SplitClusters | GroupLayers | UntieCoefficients | PhaseAction


def row_of(action: Action) -> ActionRow:
    """What is declared of an action; DiagnosticError or KeyError where it is a plug-in's that cannot be read."""
    match action:
        case SplitClusters():
            return ACTIONS["split_clusters"]
        case GroupLayers():
            return ACTIONS["group_layers"]
        case UntieCoefficients():
            return ACTIONS["untie_coefficients"]
        case PhaseAction():
            return ACTIONS[action.name]


@frozen
class Phase:
    """A stretch of training. `lr` given: that rate, constant; None: the recipe's rate and schedule.

    `patience` given: it lasts at most `epochs`, and ends after so many epochs without a better score on the validation
    part; the state that had the best one goes on. Patience begins after the last of `within`.
    `split` is what ends the phase. `carry` says what it keeps: nothing (`restart`) or the weights, fitted to the new
    graph (`continue`).
    """

    name: str
    epochs: int
    lr: float | None = None
    untie: tuple[UntieCoefficients, ...] = ()
    split: SplitClusters | GroupLayers | None = None
    carry: Carry = "restart"
    actions: tuple[PhaseAction, ...] = ()
    patience: int | None = None

    @property
    def length(self) -> str:
        """How long it lasts, as one writes it: `20 epochs`, `up to 200 epochs, patience 16`."""
        plain = f"{self.epochs} epochs"
        return plain if self.patience is None else f"up to {plain}, patience {self.patience}"

    @property
    def within(self) -> tuple[UntieCoefficients | PhaseAction, ...]:
        """What happens within the phase, in order."""
        return tuple(sorted((*self.untie, *self.actions), key=lambda action: action.after))

    def with_afters(self, afters: Sequence[int]) -> Self:
        """The same with other epochs after which things happen, in the order of `within`."""
        moved = tuple(evolve(action, after=after) for action, after in zip(self.within, afters, strict=True))
        unties = tuple(action for action in moved if isinstance(action, UntieCoefficients))
        actions = tuple(action for action in moved if isinstance(action, PhaseAction))
        return evolve(self, untie=unties, actions=actions)

    @property
    def is_search(self) -> bool:
        """A search phase ends with a split of clusters; it trains with coefficients tied by level."""
        return isinstance(self.split, SplitClusters)

    @property
    def is_pretraining(self) -> bool:
        """A pretraining phase ends with layers in groups; it trains `shapeshifter` layers on one bank."""
        return isinstance(self.split, GroupLayers)


@frozen
class Training:
    """A recipe, the phases in order, and the factor by which epochs were scaled (1.0: not at all)."""

    recipe: Recipe
    phases: tuple[Phase, ...]
    epochs_scale: float = 1.0
