"""Diagnostics of `swc show`, `swc diff` and `swc plot` (SW63x).

Guarantees: `SHOW` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class NoSuchLayer(Diagnostic):
    """`swc show --layer` was asked about a layer that no member has.

    A layer is named by its member and torch's path inside that member, as in `wide.block1.0.conv1` or, for a member
    of an array, `m[0].block1.0.conv1`. Norms and heads may be asked for too: they stay private, and it is said why.
    `swc show --format json` lists the path of every shared layer.
    """

    code: ClassVar[str] = "SW630"
    name: str
    ensemble: str
    suggestion: str | None = None

    def message(self) -> str:
        return f"no member of `{self.ensemble}` has a layer `{self.name}`"

    def help(self) -> str:
        if self.suggestion:
            return f"did you mean `{self.suggestion}`?"
        return "name a layer as MEMBER.PATH; `swc show --format json` lists them"


@frozen(kw_only=True)
class NoSuchRevision(Diagnostic):
    """A revision or phase was asked for that is not there (yet).

    A revision is one compiled sharing graph. They are counted from 0 over all phases, and each recompile (a split, an
    untie, the start of a phase) makes the next. `--phase` takes such a number, the name of a phase (its latest
    revision is shown), or the whole label of a stage such as `main from epoch 10`. Revisions after the first exist
    once `swc train` has come so far.
    """

    code: ClassVar[str] = "SW631"
    asked: str
    known: tuple[str, ...]
    suggestion: str | None = None

    def message(self) -> str:
        return f"there is no revision or phase `{self.asked}`"

    def help(self) -> str:
        if self.suggestion:
            return f"did you mean `{self.suggestion}`?"
        return "choose one of those that are there; `swc train` makes the later ones"

    def notes(self) -> tuple[str, ...]:
        return (f"there are: {', '.join(self.known)}",)


@frozen(kw_only=True)
class LayerNeedsText(Diagnostic):
    """`swc show --layer` was combined with a format that shows whole ensembles.

    The composition of one layer is shown as text only. Leave out `--format`, or leave out `--layer` to get the whole
    ensemble in that format.
    """

    code: ClassVar[str] = "SW632"
    file_format: str

    def message(self) -> str:
        return f"`--layer` gives text, not {self.file_format}"

    def help(self) -> str:
        return "leave out `--format`, or leave out `--layer`"


@frozen(kw_only=True)
class NothingInCommon(Diagnostic):
    """`swc diff` was given two ensembles without a single layer in common, by the names of members and parameters.

    A diff tells what a recompile changed: both sides must be revisions of one ensemble, or compilations of specs
    that share members by name. These two share none. Compare two revisions of one run, as in `swc diff RUN:0 RUN:1`.
    """

    code: ClassVar[str] = "SW633"
    first: str
    second: str

    def message(self) -> str:
        return f"`{self.first}` and `{self.second}` have no layer in common"

    def help(self) -> str:
        return "compare two revisions of one ensemble, such as `swc diff RUN:0 RUN:1`"


@frozen(kw_only=True)
class NothingMeasured(Diagnostic):
    """`swc plot` was asked for a figure of something that the run has not measured.

    Curves exist after the first epoch of `swc train`, similarities after the first recompile (a split or an untie).
    A build that was never trained, or a spec, has neither.
    """

    code: ClassVar[str] = "SW634"
    place: str
    wanted: str

    def message(self) -> str:
        return f"`{self.place}` has measured no {self.wanted} yet"

    def help(self) -> str:
        return "run `swc train` first, or name another run"


@frozen(kw_only=True)
class NothingEvaluated(Diagnostic):
    """`swc plot` was asked for a figure of an evaluation that was not made.

    The figures anytime, reliability and diversity show what `swc eval` wrote into the run's folder, in
    eval/evaluation.json. Evaluate the run first; its numbers are then those of the figure. The figure interpolation
    needs `swc eval --interpolate`, and two members of one architecture; the figure corruptions needs
    `swc eval --corruptions FOLDER`. Of numbers the figure reliability shows central intervals, which need a noise that
    is fitted on a validation part: `validation: 20%` in the `data` item.
    """

    code: ClassVar[str] = "SW636"
    place: str
    wanted: str = ""

    def message(self) -> str:
        return (
            f"`{self.place}` has no {self.wanted} evaluated" if self.wanted else f"`{self.place}` was not evaluated yet"
        )

    def help(self) -> str:
        match self.wanted:
            case "interpolation":
                return "run `swc eval --interpolate` first; it takes two members of one architecture"
            case "intervals":
                return "draw a validation part, on which their noise is fitted: `validation: 20%` in the `data` item"
            case "corruptions":
                return "run `swc eval --corruptions FOLDER` first; `swc data corrupt` makes such a folder"
            case _:
                return "run `swc eval` first"


@frozen(kw_only=True)
class OneRevision(Diagnostic):
    """`swc diff` was given one place, and there is only one revision there to compare.

    With less than two places the last two revisions of a run are compared. A build, a spec, or a run that has not come
    to its first recompile has one. Name a second place, as in `swc diff first.sw second.sw`, or train first.
    """

    code: ClassVar[str] = "SW635"
    place: str

    def message(self) -> str:
        return f"`{self.place}` has one revision: there is nothing to compare it with"

    def help(self) -> str:
        return "name a second place, or run `swc train` up to its first recompile"


SHOW = (NoSuchLayer, NoSuchRevision, LayerNeedsText, NothingInCommon, NothingMeasured, OneRevision, NothingEvaluated)
