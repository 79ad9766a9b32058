"""Diagnostics of `swc compare`, and of figures that lay runs over each other (SW695 to SW699, SW741, SW743).

Guarantees: `COMPARING` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity


@frozen(kw_only=True)
class NotTimed(Diagnostic):
    """Scores were asked for against milliseconds, and a run was evaluated without times.

    `swc eval --time-batch 0` leaves the times out. Evaluate the run again without that option, on the machine on which
    the others were timed, or take `--against multiply-adds`, which are the same on every machine.
    """

    code: ClassVar[str] = "SW695"
    place: str

    def message(self) -> str:
        return f"`{self.place}` was evaluated without times"

    def help(self) -> str:
        return "run `swc eval` without `--time-batch 0`, or take `--against multiply-adds`"


@frozen(kw_only=True)
class DifferentData(Diagnostic):
    """`swc compare` was given ensembles of several data sets.

    What they store and cost can be compared; scores of one data set say nothing about those of another. Both stand in
    the tables all the same, since it was asked for. Compare ensembles of one data set to compare their scores.
    """

    code: ClassVar[str] = "SW696"
    severity: ClassVar[Severity] = Severity.WARNING
    data: tuple[str, ...]

    def message(self) -> str:
        return f"the ensembles are of different data: {', '.join(self.data)}"

    def help(self) -> str:
        return "compare what they store and cost, and not their scores"


@frozen(kw_only=True)
class NothingToPlot(Diagnostic):
    """`swc compare --plot` was asked to draw ensembles of which none was evaluated.

    The figure shows every subset of the members by its cost and its scores, which `swc eval` measures and writes into
    the run's folder. What `swc train` alone leaves has no subsets.
    """

    code: ClassVar[str] = "SW697"
    names: tuple[str, ...]

    def message(self) -> str:
        return f"nothing to draw: no run of {', '.join(f'`{name}`' for name in self.names)} was evaluated"

    def help(self) -> str:
        return "run `swc train` and `swc eval` first"


@frozen(kw_only=True)
class LeftOut(Diagnostic):
    """The figure of `swc compare --plot` leaves out an ensemble.

    Others were evaluated, so that there is a figure; this one was not, and is in the first table alone, or with the
    scores that `swc train` measured at its end. Evaluate it to have it drawn.
    """

    code: ClassVar[str] = "SW698"
    severity: ClassVar[Severity] = Severity.WARNING
    name: str

    def message(self) -> str:
        return f"the figure leaves out `{self.name}`: no run of it was evaluated"

    def help(self) -> str:
        return "run `swc eval` on its run"


@frozen(kw_only=True)
class SameSeed(Diagnostic):
    """Two runs of one spec have the same seed, and `swc compare` counts one of them.

    A seed fixes how a run begins and what it sees, so that the second run is the first one again but for rounding. With
    both in a mean its standard error would be too small. Of two the one that was evaluated counts, or the one that was
    named or found first. Runs with other seeds come of `swc sweep --seeds`, or of `seed` in the recipe.
    """

    code: ClassVar[str] = "SW699"
    severity: ClassVar[Severity] = Severity.WARNING
    name: str
    seed: int
    place: str

    def message(self) -> str:
        return f"`{self.place}` is left out: another run of `{self.name}` has the seed {self.seed} too"

    def help(self) -> str:
        return "train with other seeds: `swc sweep --seeds N`, or `seed` in the recipe"


@frozen(kw_only=True)
class OtherVersion(Diagnostic):
    """`swc compare` found a run nearby that another version of swc wrote, and leaves it out.

    The runs of a spec are looked for below the nearest `build/`. This one has the name of the ensemble, but its files
    have a layout that this version does not read (SW652), so that it cannot be known whether it is of this spec. Train
    it again with this version, or compare with the version that wrote it.
    """

    code: ClassVar[str] = "SW741"
    severity: ClassVar[Severity] = Severity.WARNING
    place: str

    def message(self) -> str:
        return f"`{self.place}` is left out: another version of swc wrote it"

    def help(self) -> str:
        return "train it again with this version, or compare with the one that wrote it"


@frozen(kw_only=True)
class DifferentTasks(Diagnostic):
    """Runs of several tasks were to be compared by their scores.

    Classes, numbers and labels are scored by other scores: an accuracy and an RMSE have no common table and no common
    axis. Compare the runs of one task at a time. What ensembles store and cost before they are trained is compared
    whatever they learn.
    """

    code: ClassVar[str] = "SW743"
    tasks: tuple[str, ...]

    def message(self) -> str:
        return f"the runs have different tasks: {', '.join(f'`{name}`' for name in self.tasks)}"

    def help(self) -> str:
        return "compare runs of one task at a time"


COMPARING = (NotTimed, DifferentData, NothingToPlot, LeftOut, SameSeed, OtherVersion, DifferentTasks)
