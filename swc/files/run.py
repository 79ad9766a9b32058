"""The small files of a run folder: what it computes on, its classes, its results."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from swc.files.scores import ScoredPart, Scores

MODULE = "module "  # how the word for a module of the user's own begins; its name follows


@frozen
class MachineFacts:
    """What the bits of a run depend on beside its spec, as words by name: device, threads, versions, the data's digest.

    Runs that were begun before there was a choice of kernels have no word for it. The version of Pillow is there where
    it decodes the images of the run, and the SHA-256 of each module of the user's own that the run's code consists of.
    """

    facts: Mapping[str, str]


@frozen
class ClassNames:
    """What the outputs of a run's members stand for, in the order of the outputs."""

    classes: tuple[str, ...]


@frozen
class TargetScale:
    """By which each target of a regression was standardised: the `mean` and `deviation` of the training part.

    An output y of a member stands for y x deviation + mean, in the unit of the target. Deviations are those of the
    examples themselves, the root of a mean over all of them.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@frozen
class MemberScores(Scores):
    """The scores of a member by name."""

    name: str = field(kw_only=True)


@frozen
class StoredCounts:
    """The scalars of the last revision by what holds them; those that early versions did not count are None."""

    template_scalars: int
    coefficient_scalars: int
    tensor_scalars: int
    private_scalars: int
    native_scalars: int | None = None
    generated_scalars: int | None = None
    discarded_scalars: int | None = None

    @property
    def stored(self) -> int:
        """Everything that the ensemble stores."""
        return self.template_scalars + self.coefficient_scalars + self.tensor_scalars + self.private_scalars


@frozen
class ValidationScores:
    """The scores of each member and of the ensemble on the images that settings are chosen with."""

    members: tuple[MemberScores, ...]
    together: Scores


@frozen
class BestEpoch:
    """Which state patience chose in the last phase: that after `epoch` of the `trained` epochs."""

    epoch: int
    trained: int


@frozen
class AverageScores:
    """The scores with the average of the weights, on the test images and, where there is one, the validation part."""

    members: tuple[MemberScores, ...]
    together: Scores
    validation: ValidationScores | None = None


@frozen
class RunResults:
    """What a run came to: the scores of each member and of the ensemble on the test images, beside what is stored.

    `validation` are those on the images that settings are chosen with; None, and left out of the file, without such.
    So is `best`, where the last phase had a fixed number of epochs, and `average`, where weights were not averaged.
    `task` names the row whose scores they are; that of classification is left out.
    """

    ensemble: str
    data: str
    epochs_scale: float
    members: tuple[MemberScores, ...]
    together: Scores
    counts: StoredCounts
    budget: str = ""
    validation: ValidationScores | None = None
    best: BestEpoch | None = None
    average: AverageScores | None = None
    task: str = "classification"

    @property
    def part(self) -> ScoredPart:
        """Which images `members` and `together` are of, in one word."""
        return "" if self.validation is None else "test"
