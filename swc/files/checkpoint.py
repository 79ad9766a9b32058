"""What files of tensors say beside their tensors: where training stood, and what predictions were made of."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

Plain = str | int | float | bool | None


@frozen
class Position:
    """Where training stands: `epoch` epochs of the phase are done, and `step` steps of the next."""

    revision: int
    phase: int
    epoch: int
    step: int = 0


@frozen
class Meta:
    """What a checkpoint says beside its tensors.

    `marks` are the lengths of the records at that moment, by file; `facts` whatever the writer wants to find again.
    """

    position: Position
    spec_hash: str
    program_hash: str
    marks: Mapping[str, int] = field(factory=dict)
    facts: Mapping[str, Plain] = field(factory=dict)


@frozen
class CheckpointNote:
    """The note in the head of a checkpoint; `sha256` is over the tensors and the canonical JSON of `meta`.

    Tensors are named `state/ID`, by the rows of the optimiser (`momentum/ID`), and `tally/...` inside an epoch;
    `best/ID` those of the best state of a phase with patience, `average/ID` those of the average of the weights,
    `best_average/ID` of the average beside the best state. The facts say what is `due` after the epoch, and of these
    `best_epoch`, `best_score`, `ended`, `average_steps` and `best_average_steps`.
    """

    meta: Meta
    sha256: str


@frozen
class TrainedTo:
    """How far the weights were trained that predictions are of."""

    revision: int
    epoch: int
    step: int


@frozen
class PredictionsNote:
    """The note in the head of kept predictions: all that they depend on, by name; `sha256` is over the tensors."""

    facts: Mapping[str, str]
    trained: TrainedTo
    sha256: str
