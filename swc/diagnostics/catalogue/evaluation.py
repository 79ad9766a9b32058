"""Diagnostics of `swc eval` (SW64x, SW740).

Guarantees: `EVALUATION` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity


@frozen(kw_only=True)
class NothingTrained(Diagnostic):
    """There is no checkpoint to evaluate.

    `swc eval` reads the weights that a run keeps after every epoch. A folder that was only compiled has none, and so
    has a run that was stopped before its first epoch ended.
    """

    code: ClassVar[str] = "SW640"
    place: str

    def message(self) -> str:
        """Where there is none."""
        return f"`{self.place}` holds no trained weights"

    def help(self) -> str:
        """How they come to be."""
        return "train it with `swc train`, or name the folder of a run"


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
        """How far it has come."""
        return f"`{self.place}` is not finished: these are the weights after {self.stage}"

    def help(self) -> str:
        """How to finish it."""
        return "`swc train` goes on where it was"


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
        """How many there would be."""
        return (
            f"{self.num_members} members have {2**self.num_members - 1:,} subsets: more than {self.most:,} are too many"
        )

    def help(self) -> str:
        """What is done."""
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
        """Both shapes."""
        found, needed = ("x".join(map(str, shape)) for shape in (self.found, self.needed))
        return f"images of `{self.name}` are {found}, the members take {needed}"

    def help(self) -> str:
        """What fits."""
        return "choose a data set of that shape, or name a folder of images, which are resized"


@frozen(kw_only=True)
class DamagedEvaluation(Diagnostic):
    """What `swc eval` wrote of a run can no longer be read.

    `eval/evaluation.json` in the run's folder is cut short, was edited by hand, or lacks something that every
    evaluation holds. The weights are not touched by this, and no training is lost: `swc eval` measures the same again
    and writes the file anew.
    """

    code: ClassVar[str] = "SW740"
    origin: str
    detail: str

    def message(self) -> str:
        """The file, and what is wrong with it."""
        return f"`{self.origin}` is damaged: {self.detail}"

    def help(self) -> str:
        """Measure again."""
        return "run `swc eval` again, which writes it anew: the weights are still there"


EVALUATION = (NothingTrained, NotFinished, TooManySubsets, OtherImages, DamagedEvaluation)
