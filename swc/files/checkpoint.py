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
    """The note in the head of a checkpoint; `sha256` is over the tensors and the canonical JSON of `meta`."""

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
