"""How an ensemble is trained, as plain data: the recipe, the phases and what happens between them.

Epochs are counted within a phase. Sources: docs/explanation/method.md (paper supplementary 1 and 2).
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

Linkage = Literal["union", "average", "release"]
Across = Literal["members", "reference"]
Carry = Literal["restart", "continue"]
Precision = Literal["auto", "float32", "bfloat16"]


@frozen
class Optimiser:
    """Stochastic gradient descent. `no_decay` names what is left without weight decay.

    `no_decay` is a sorted subset of {"biases", "coefficients", "norms"}.
    """

    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    no_decay: tuple[str, ...] = ("coefficients",)


@frozen
class Schedule:
    """The learning rate over a phase: `steps` multiplies by `factor` at each milestone (in epochs).

    `warmup` epochs rise linearly to the initial rate, step by step; `cosine` falls to zero at the phase's end.
    """

    kind: Literal["constant", "steps", "cosine"] = "constant"
    milestones: tuple[float, ...] = ()
    factor: float = 0.2
    warmup: float = 0.0


@frozen
class Augmentation:
    """What happens to a training image; sizes in pixels, 0 means not at all.

    `pad`: pad with zeros on each side, then crop at random to the original size; `cutout`: side of a square set to
    zero after normalisation; `resized_crop`: the random-resized-crop of ImageNet training.
    """

    pad: int = 0
    flip: bool = False
    cutout: int = 0
    resized_crop: bool = False


@frozen
class Recipe:
    """A training recipe with every value settled.

    `norm_batch`: BatchNorm sees a batch in parts of this many images (None: the whole batch). `seed` fixes
    initialisation, order and augmentation.
    """

    name: str
    batch: int = 128
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    augmentation: Augmentation = Augmentation()
    label_smoothing: float = 0.0
    norm_batch: int | None = None
    precision: Precision = "auto"
    seed: int = 0


@frozen
class SplitClusters:
    """`then split clusters below TAU`: cluster similarity at the end of a phase (docs/explanation/method.md).

    `batches` limits the statistics to that many batches (None: one whole epoch). `sketch` keeps that many numbers in
    place of a layer's summed gradient, to save memory (None: the exact sums).
    """

    threshold: float
    linkage: Linkage = "union"
    across: Across = "members"
    batches: int | None = None
    sketch: int | None = None


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


Action = SplitClusters | GroupLayers | UntieCoefficients


@frozen
class Phase:
    """A stretch of training. `lr` given: that rate, constant; None: the recipe's rate and schedule.

    `split` is what ends the phase. `carry` says what it keeps: nothing (`restart`) or the weights, fitted to the new
    graph (`continue`).
    """

    name: str
    epochs: int
    lr: float | None = None
    untie: tuple[UntieCoefficients, ...] = ()
    split: SplitClusters | GroupLayers | None = None
    carry: Carry = "restart"

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
