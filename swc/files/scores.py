"""Scores of predictions as files hold them: of a member, an ensemble, a measure of uncertainty."""

from __future__ import annotations

from collections.abc import Mapping
from math import nan
from typing import Literal

from attrs import field, frozen

# Which images scores are of. Where no validation part is drawn, nothing chooses among the held-out images: "", the test
# images, as all files of early versions have it.
ScoredPart = Literal["", "validation", "test"]


@frozen
class Scores:
    """`top1`, `top5` and `ece` as fractions, `nll` in nats per image, over `num_images` images.

    `brier` is the squared distance to the label, from 0 to 2; `aurc` the area under the curve of risk and coverage.
    Files of early versions lack the last three: they are nan then. `further` are those of other tasks than
    classification, by the names of their rows (`swc.registry.tasks`); what a task has not got is nan.
    """

    top1: float
    nll: float
    ece: float
    num_images: int
    top5: float = nan
    brier: float = nan
    aurc: float = nan
    further: Mapping[str, float] = field(factory=dict)

    def value(self, name: str) -> float:
        """A score by the name of its row; nan where it was not measured."""
        if name in OWN_SCORES:
            return float(getattr(self, name))
        return self.further.get(name, nan)

    def by_name(self) -> dict[str, float]:
        """All scores by the names of their rows; what the task has not got is nan."""
        return {**{name: self.value(name) for name in OWN_SCORES}, **self.further}


OWN_SCORES: tuple[str, ...] = ("top1", "top5", "nll", "ece", "brier", "aurc")  # those with a field of their own


@frozen
class Bin:
    """One bin of a reliability diagram: how many images, and the means of their confidence and accuracy (0 of none)."""

    num_images: int
    confidence: float
    accuracy: float


@frozen
class TargetSample:
    """What an ensemble said of one target for some of the scored examples, in the unit of the target.

    All have one entry for each of these examples. `spread` is the deviation of the members' predictions, `deviation`
    that of the whole distribution, with the noise that was fitted; empty where none was.
    """

    target: int
    observed: tuple[float, ...]
    predicted: tuple[float, ...]
    spread: tuple[float, ...]
    deviation: tuple[float, ...] = ()


@frozen
class LabelScores:
    """How well one label is told: the `share` of examples that have it, and scores of its decisions at one half.

    Average precision is nan of a label that no example has, F1 where it was not decided for either.
    """

    label: int
    share: float
    average_precision: float
    f1: float


@frozen
class OutputDetails:
    """What is shown of single outputs of an ensemble: of numbers a sample, of labels their scores; nothing of classes.

    Of more than `MOST_TARGETS` targets the first are here, of more than `MOST_SAMPLED` examples some, evenly spaced.
    """

    targets: tuple[TargetSample, ...] = ()
    labels: tuple[LabelScores, ...] = ()


MOST_SAMPLED, MOST_TARGETS = 200, 4


@frozen
class Detection:
    """How well a measure tells outliers; all are fractions.

    `auroc` and `aupr` are areas under the curves of true against false positives and of precision against recall;
    `fpr95` the share of familiar images that are taken for outliers where 95% of the outliers are found.
    """

    auroc: float
    aupr: float
    fpr95: float
