"""What an ensemble learns to say of an example: one row for each task.

Guarantees: `TASKS` is all that the language, the runtime, tables and reports know of tasks; nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import Literal

from attrs import frozen

from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, RegistryRow

OUTPUTS = 10_000  # targets of a regression at most


@frozen
class ScoreRow:
    """A number by which predictions are judged, by its `name` in files and its `title` in tables.

    A `share` lies between 0 and 1 and is shown in per cent; a `number` is shown as it is, in its `unit` ("": that of
    the target, or none). `rises` says that more is better. `title` is what a table calls it.
    """

    name: str
    title: str
    words: str
    form: Literal["share", "number"] = "number"
    rises: bool = False
    unit: str = ""

    @property
    def factor(self) -> float:
        """By what a value is multiplied where it is drawn."""
        return 100.0 if self.form == "share" else 1.0

    @property
    def label(self) -> str:
        """What an axis calls it: `top-1 (%)`, `NLL (nats)`, `RMSE`."""
        unit = "%" if self.form == "share" else self.unit
        return f"{self.title} ({unit})" if unit else self.title

    def is_better(self, value: float, other: float) -> bool:
        """Whether a value is better than another; any number is better than what is not one."""
        if isnan(value) or isnan(other):
            return isnan(other) and not isnan(value)
        return value > other if self.rises else value < other


@frozen(kw_only=True)
class TaskRow(RegistryRow):
    """A task. `implementation` is called with `DataFacts` and a `TargetScale` or None; it gives a `TaskRules`.

    `targets` says what a data set gives for each example: the number of a `class`, `numbers` [targets], or `labels`, a
    yes or no for each. A member has as many outputs as the data have classes, or as the argument `outputs` says ("":
    the data say). `loss` is taken where a recipe names none. `scores` are those of a predictor, in the order of
    tables; `best` names the one that tables and figures tell first, `patience` the one by which a phase ends and states
    and settings are chosen, `ranked` the one by which subsets of members are ("": `best`), `tally` the one that is
    counted while training. `shown` are those of short tables (none: all), `drawn` those
    that figures draw against cost, `beside` the one whose differences by seed stand behind those of `best`.
    `diversity` says how members are told apart; `figure` what the report draws beside curves. With `is_fitted` some
    scores need a fit to other images.
    """

    targets: Literal["class", "numbers", "labels"]
    outputs: str = ""
    loss: str
    scores: tuple[ScoreRow, ...]
    best: str
    patience: str = "nll"
    ranked: str = ""
    tally: ScoreRow
    shown: tuple[str, ...] = ()
    drawn: tuple[str, ...]
    beside: str = "nll"
    diversity: str = "disagreement over the error rate"
    figure: Literal["confidence", "intervals", "labels"] = "confidence"
    is_fitted: bool = False

    def faults(self) -> Iterator[str]:
        """Those of any row; what is named of scores must be among them, `outputs` among the arguments."""
        yield from super().faults()
        names = [one.name for one in self.scores]
        named = dict.fromkeys((self.best, self.patience, self.ranking.name, self.beside, *self.shown, *self.drawn))
        yield from ("" if name in names else f"it has no score `{name}`" for name in named)
        known = ("", *(one.name for one in self.arguments))
        yield "" if self.outputs in known else f"it declares no argument `{self.outputs}`"

    def score(self, name: str) -> ScoreRow:
        """A score by its name; KeyError where the task has none of it."""
        found = next((one for one in self.scores if one.name == name), None)
        if found is None:
            raise KeyError(name)
        return found

    @property
    def chosen(self) -> ScoreRow:
        """The score that is told first."""
        return self.score(self.best)

    @property
    def judged(self) -> ScoreRow:
        """The score by which a phase ends, and by which states and settings are chosen."""
        return self.score(self.patience)

    @property
    def ranking(self) -> ScoreRow:
        """The score by which subsets of the members are chosen."""
        return self.score(self.ranked or self.best)

    @property
    def tabled(self) -> tuple[ScoreRow, ...]:
        """The scores of short tables."""
        return tuple(one for one in self.scores if one.name in (self.shown or [row.name for row in self.scores]))

    @property
    def against_cost(self) -> tuple[ScoreRow, ...]:
        """The scores that figures draw against cost, in the order in which they are drawn."""
        return tuple(map(self.score, self.drawn))

    @property
    def paired(self) -> tuple[str, str]:
        """The two scores whose differences by seed are told."""
        return (self.best, self.beside)


NLL = ScoreRow("nll", "NLL", "minus the mean log probability of the label, in nats", unit="nats")
CLASSIFICATION = TaskRow(
    name="classification",
    words="one class for each example",
    implementation="swc_runtime.tasks.classification:Classification",
    targets="class",
    loss="cross_entropy",
    scores=(
        ScoreRow("top1", "top-1", "the share of examples whose most probable class is the label", "share", rises=True),
        ScoreRow("top5", "top-5", "the share whose label is among the five most probable", "share", rises=True),
        NLL,
        ScoreRow("ece", "ECE", "the mean gap between confidence and accuracy, in 15 bins", "share"),
        ScoreRow("brier", "Brier", "the squared distance to the label, summed over classes"),
        ScoreRow("aurc", "AURC", "the mean error rate among the most confident examples"),
    ),
    best="top1",
    tally=ScoreRow("accuracy", "accuracy", "the share of examples that were right", "share", rises=True),
    shown=("top1", "nll", "ece"),
    drawn=("top1", "nll", "ece"),
)
REGRESSION = TaskRow(
    name="regression",
    words="`targets` numbers for each example",
    implementation="swc_runtime.tasks.regression:Regression",
    arguments=(ArgumentRow("targets", "whole number", least=1, most=OUTPUTS, default=1),),
    targets="numbers",
    outputs="targets",
    loss="mse",
    scores=(
        ScoreRow("rmse", "RMSE", "the root of the mean squared error, in the unit of the target"),
        ScoreRow("nrmse", "NRMSE", "the RMSE over the deviation of the target, a mean over targets"),
        ScoreRow("mae", "MAE", "the mean absolute error, in the unit of the target"),
        ScoreRow("r2", "R2", "the share of the variance that is explained", rises=True),
        ScoreRow("crps", "CRPS", "the continuous ranked probability score, in the unit of the target"),
        ScoreRow("nll", "NLL", "minus the mean log density of the target, in nats", unit="nats"),
        ScoreRow("coverage50", "in 50%", "the share of targets in the central interval of 50%", "share", rises=True),
        ScoreRow("coverage90", "in 90%", "the share of targets in the central interval of 90%", "share", rises=True),
    ),
    best="rmse",
    patience="nrmse",
    ranked="nrmse",
    tally=ScoreRow("rmse", "RMSE", "the root of the mean squared error, in the unit of the target"),
    shown=("rmse", "mae", "r2", "crps", "nll", "coverage50", "coverage90"),
    drawn=("rmse", "crps", "nll"),
    beside="mae",
    diversity="squared difference over the squared error",
    figure="intervals",
    is_fitted=True,
)
MULTILABEL = TaskRow(
    name="multilabel",
    words="a yes or no for each label of each example",
    implementation="swc_runtime.tasks.multilabel:Multilabel",
    targets="labels",
    loss="binary_cross_entropy",
    scores=(
        ScoreRow("map", "mAP", "the mean over labels of the average precision", "share", rises=True),
        ScoreRow("micro_f1", "micro F1", "F1 of all decisions at one half together", "share", rises=True),
        ScoreRow("macro_f1", "macro F1", "the mean over labels of F1 at one half", "share", rises=True),
        ScoreRow("nll", "NLL", "minus the mean log probability of a decision, in nats for each label", unit="nats"),
        ScoreRow("ece", "ECE", "the mean gap between a label's probability and how often it holds", "share"),
    ),
    best="map",
    tally=ScoreRow("accuracy", "label accuracy", "the share of decisions that were right", "share", rises=True),
    drawn=("map", "nll", "ece"),
    diversity="disagreement on labels over the error rate",
    figure="labels",
)

TASKS: Registry[TaskRow] = Registry("task", "swc.tasks", TaskRow, (CLASSIFICATION, MULTILABEL, REGRESSION))
