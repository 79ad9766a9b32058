"""Diagnostics of `swc eval` (SW606 on, SW64x, SW740).

Guarantees: `EVALUATION` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity

MOST_NAMED = 4  # predictors in a message


@frozen(kw_only=True)
class NothingTrained(Diagnostic):
    """There is no checkpoint to evaluate.

    `swc eval` reads the weights that a run keeps after every epoch. A folder that was only compiled has none, and so
    has a run that was stopped before its first epoch ended.
    """

    code: ClassVar[str] = "SW640"
    place: str

    def message(self) -> str:
        return f"`{self.place}` holds no trained weights"

    def help(self) -> str:
        return "train it with `swc train`, or name the folder of a run"


@frozen(kw_only=True)
class NoAverage(Diagnostic):
    """The average of a run's weights was asked for, and the run has kept none.

    Weights are averaged where the recipe says so, such as `weight_average ema(decay: 0.999)`, from the first step of a
    run on, and anew after a recompile that fits or restarts the weights. Leave `--average` away for the last weights.
    """

    code: ClassVar[str] = "SW613"
    place: str

    def message(self) -> str:
        return f"no average of the weights is kept in `{self.place}`"

    def help(self) -> str:
        return "leave `--average` away, or train with a `weight_average` in the recipe"


@frozen(kw_only=True)
class NotFinished(Diagnostic):
    """A run is evaluated that has not trained to its end.

    The scores are those of the latest checkpoint. They say nothing of what the finished run will come to.
    """

    code: ClassVar[str] = "SW641"
    severity: ClassVar[Severity] = Severity.WARNING
    place: str
    stage: str

    def message(self) -> str:
        return f"`{self.place}` is not finished: these are the weights after {self.stage}"

    def help(self) -> str:
        return "`swc train` goes on where it was"


@frozen(kw_only=True)
class TrainedWithOtherCode(Diagnostic):
    """Code of `python(...)` members or data is not the code that a run was trained with.

    A run keeps a hash of every module of yours that its code consists of. Its weights stand in networks that the code
    of now makes, and are scored on data that it gives; where the change is more than a comment, what comes out is not
    what was trained.
    """

    code: ClassVar[str] = "SW644"
    severity: ClassVar[Severity] = Severity.WARNING
    place: str
    changes: tuple[str, ...]

    def message(self) -> str:
        return f"`{self.place}` was trained with other code of yours"

    def help(self) -> str:
        return "bring the files of before back, or train with these in another folder: `swc train --run FOLDER`"

    def notes(self) -> tuple[str, ...]:
        return self.changes


@frozen(kw_only=True)
class TooManySubsets(Diagnostic):
    """An ensemble has so many members that not all of their subsets are scored.

    There are 2^M - 1 subsets of M members. Beyond `most` of them `swc eval` scores single members, the first 2, 3, ...
    members in the spec's order, and the whole ensemble.
    """

    code: ClassVar[str] = "SW642"
    severity: ClassVar[Severity] = Severity.WARNING
    num_members: int
    most: int

    def message(self) -> str:
        return (
            f"{self.num_members} members have {2**self.num_members - 1:,} subsets: more than {self.most:,} are too many"
        )

    def help(self) -> str:
        return "scored are single members, the first 2, 3, ... members, and all of them"


@frozen(kw_only=True)
class OtherImages(Diagnostic):
    """Two data sets cannot be compared, as their images differ in shape.

    `--ood` asks the same members for images of another data set, so these must have the same channels and size. Choose
    one that has, or a folder of images: those are resized and take the channels of the members' own.
    """

    code: ClassVar[str] = "SW643"
    name: str
    found: tuple[int, ...]
    needed: tuple[int, ...]

    def message(self) -> str:
        found, needed = ("x".join(map(str, shape)) for shape in (self.found, self.needed))
        return f"images of `{self.name}` are {found}, the members take {needed}"

    def help(self) -> str:
        return "choose a data set of that shape, or name a folder of images, which are resized"


@frozen(kw_only=True)
class DamagedEvaluation(Diagnostic):
    """What `swc eval` wrote of a run can no longer be read.

    `eval/evaluation.json` in the run's folder is cut short, was edited by hand, or lacks something that every
    evaluation holds. The weights are not touched by this, and no training is lost: `swc eval` measures the same again
    and rewrites the file.
    """

    code: ClassVar[str] = "SW740"
    origin: str
    detail: str

    def message(self) -> str:
        return f"`{self.origin}` is damaged: {self.detail}"

    def help(self) -> str:
        return "run `swc eval` again, which rewrites it: the weights are still there"


@frozen(kw_only=True)
class DrawsInEval(Diagnostic):
    """Members draw random numbers, or change otherwise, while they are evaluated.

    Dropout that is always on (`F.dropout(x)` without `training=self.training`), noise in `forward`, a counter. Their
    scores are those of one draw. `swc eval` begins each batch at a settled seed, so that another evaluation on the same
    device gives the same numbers; a member that keeps a generator or a counter of its own can still give others.
    """

    code: ClassVar[str] = "SW606"
    severity: ClassVar[Severity] = Severity.WARNING
    members: tuple[str, ...]
    example: str = "image"

    def message(self) -> str:
        named, what = ", ".join(f"`{name}`" for name in self.members), self.example
        return f"scores of {named} depend on chance: the same {what} gets other outputs when it is asked for again"

    def help(self) -> str:
        return "where that is not meant, let chance end with training: `F.dropout(x, training=self.training)`"


@frozen(kw_only=True)
class ScoredByBatch(Diagnostic):
    """What members give for an image depends on the other images of its batch.

    BatchNorm without running statistics, or a mean over the batch. Scores are then those of batches as large as in
    training, in the order of the images, and the last batch may be smaller. Images sorted by class, as in a folder, are
    another matter for such a member than mixed ones.
    """

    code: ClassVar[str] = "SW607"
    severity: ClassVar[Severity] = Severity.WARNING
    members: tuple[str, ...]
    batch: int
    example: str = "image"

    def message(self) -> str:
        named, what = ", ".join(f"`{name}`" for name in self.members), self.example
        return f"scores of {named} depend on how {what}s lie in batches: these are of {self.batch} in order"

    def help(self) -> str:
        keep = "where that is not meant, let the members keep running statistics"
        return f"{keep} and treat {self.example}s singly in eval mode"


@frozen(kw_only=True)
class TemperatureNotUsed(Diagnostic):
    """A temperature was asked for that the calibration images do not give.

    `swc eval --temperature` fits one number for each predictor on a fifth of the held-out images. It is not used where
    these are fewer than 20; where it would go beyond 0.05 or 20, as it does for a predictor that is right on every one
    of them: its loss there falls for ever while that on other images grows; or where a temperature fitted on one half
    of these images does no good to the other half. The predictor's scores are then those of T = 1, as it was trained.
    """

    code: ClassVar[str] = "SW608"
    severity: ClassVar[Severity] = Severity.WARNING
    predictors: tuple[str, ...]
    reason: str
    example: str = "image"

    def message(self) -> str:
        named = ", ".join(f"`{name}`" for name in self.predictors[:MOST_NAMED])
        more = len(self.predictors) - MOST_NAMED
        return f"no temperature is used for {named}{f' and {more:,} more' if more > 0 else ''}: {self.reason}"

    def help(self) -> str:
        return f"their scores are those of T = 1; more held-out {self.example}s may give a temperature"


@frozen(kw_only=True)
class FewImages(Diagnostic):
    """A score is of so few images that it says little.

    The expected calibration error sorts images into 15 bins and compares means in each; with fewer than ten images for
    each bin it is large by chance alone, also for a calibrated predictor. The standard error of an accuracy is at most
    0.5 / sqrt(N). FPR95 takes the threshold that finds 95% of the other images, which of fewer than 20 are all.
    """

    code: ClassVar[str] = "SW609"
    severity: ClassVar[Severity] = Severity.WARNING
    data: str
    num_images: int
    few: int
    about: str
    example: str = "image"

    def message(self) -> str:
        what = self.example
        images = f"one {what}" if self.num_images == 1 else f"{self.num_images:,} {what}s"
        return f"{images} of `{self.data}` are few for {self.about}: chance has a large part in it"

    def help(self) -> str:
        return f"take {self.few} {self.example}s or more, or do not rely on these numbers"


@frozen(kw_only=True)
class NoLines(Diagnostic):
    """`swc eval --interpolate` has no line to follow.

    It mixes the parameters of two members whose parameters have the same names and shapes, with BatchNorm by the
    statistics of each batch. So it takes two members of one architecture, and two held-out images.
    """

    code: ClassVar[str] = "SW612"
    severity: ClassVar[Severity] = Severity.WARNING
    reason: str

    def message(self) -> str:
        return f"nothing is interpolated: {self.reason}"

    def help(self) -> str:
        return "leave `--interpolate` out, or give the ensemble two members of one architecture"


EVALUATION = (
    TemperatureNotUsed,
    FewImages,
    NoLines,
    DrawsInEval,
    ScoredByBatch,
    NothingTrained,
    NoAverage,
    NotFinished,
    TrainedWithOtherCode,
    TooManySubsets,
    OtherImages,
    DamagedEvaluation,
)
