"""The lines of `metrics.jsonl`: what an epoch saw on its training batches, and scores on held-out images."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Literal

from attrs import field, frozen

from swc.files.scores import OWN_SCORES, ScoredPart


@frozen
class EpochRow:
    """What an epoch saw on its training batches: means over images per member, in the order of the spec.

    They are nan of a member that `step sandwich` never drew. Epochs count from 1 in each phase. `ensemble` is the
    accuracy of the mean softmax, None where members saw different images; `seconds` are those of one process, `waited`
    those in which a step waited for its batch; `images` are all.
    `clipped` is the share of steps whose gradients were clipped; a line leaves it out where the recipe clips none.
    Of another task than classification `score` names what was counted, `values` has it by member, `ensemble` of the
    ensemble, and `accuracies` is empty; a line of classification leaves both out.
    """

    kind: Literal["epoch"]
    revision: int
    phase: str
    epoch: int
    losses: tuple[float, ...]
    accuracies: tuple[float, ...] = ()
    ensemble: float | None = None
    seconds: float = nan
    images: int = 0
    waited: float = 0.0
    clipped: float | None = None
    score: str = ""
    values: tuple[float, ...] = ()


@frozen
class ScoresRow:
    """The scores of a member, or of the ensemble, after an epoch; `of` names it, `part` the images.

    A line leaves a `part` of "" out, `is_average` where the scores are those of the last weights and not of their
    average, and `further`, the scores of other tasks, where there are none.
    """

    kind: Literal["scores"]
    revision: int
    phase: str
    epoch: int
    of: str
    top1: float
    nll: float
    ece: float
    num_images: int = 0
    top5: float = nan
    brier: float = nan
    aurc: float = nan
    part: ScoredPart = ""
    is_average: bool = False
    further: Mapping[str, float] = field(factory=dict)

    def value(self, name: str) -> float:
        """A score by the name of its row; nan where it was not measured."""
        return float(getattr(self, name)) if name in OWN_SCORES else self.further.get(name, nan)


MetricRow = EpochRow | ScoresRow
