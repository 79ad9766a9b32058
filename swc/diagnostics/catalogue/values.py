"""Diagnostics about values, units and ranges (SW2xx).

Guarantees: `VALUES` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity


@frozen(kw_only=True)
class WrongType(Diagnostic):
    """A value is of another kind than what is needed here.

    Values are numbers, texts in quotes, words and lists. A number of epochs or templates is whole; `yes` and `no`
    answer questions. The value may have come from a param: the message points at where it was written.
    """

    code: ClassVar[str] = "SW201"
    what: str
    wanted: str
    found: str

    def message(self) -> str:
        return f"{self.what} is {self.wanted}, not {self.found}"

    def help(self) -> str:
        return f"write {self.wanted}"


@frozen(kw_only=True)
class OutOfRange(Diagnostic):
    """A number is smaller or larger than what it stands for can be.

    Similarities lie between -1 and 1, learning rates are above 0, and one cannot train for less than one epoch. The
    message names the range. The value may have come from a param: the message points at where it was written.
    """

    code: ClassVar[str] = "SW202"
    what: str
    wanted: str
    found: str

    def message(self) -> str:
        return f"{self.what} must be {self.wanted}, not {self.found}"

    def help(self) -> str:
        return f"choose a value that is {self.wanted}"


@frozen(kw_only=True)
class WrongUnit(Diagnostic):
    """A number has a unit that does not fit what it stands for.

    A `%` makes sense for a share of something, such as `budget 50% of native`, and not for a count: `budget 18M
    templates`, `200 epochs`. A share of the native size, in turn, needs its `%`.
    """

    code: ClassVar[str] = "SW203"
    what: str
    found: str
    advice: str

    def message(self) -> str:
        return f"`{self.found}` has the wrong unit for {self.what}"

    def help(self) -> str:
        return self.advice


@frozen(kw_only=True)
class BudgetWithoutUnit(Diagnostic):
    """A budget does not say what it counts.

    A budget counts template scalars (`18M templates`), all parameters (`36.5M parameters`), or is a share of what
    the selected layers would own unshared (`50% of native`). A param may hold all of it, `param size = 18M
    templates`, or the number: `budget size templates`.
    """

    code: ClassVar[str] = "SW204"
    found: str

    def message(self) -> str:
        return f"budget `{self.found}` does not say what it counts"

    def help(self) -> str:
        return f"write `budget {self.found} templates` or `budget {self.found} parameters`"


@frozen(kw_only=True)
class WrongSetting(Diagnostic):
    """A value set on the command line is of another kind than the param.

    `--set NAME=VALUE`, or a value that `swc sweep` varies, keeps the kind of the param: a number for a number, a word
    or text for a word or text, a list for a list. A budget param takes an amount, such as `15M templates`, or a number
    alone, which keeps the unit.
    """

    code: ClassVar[str] = "SW205"
    name: str
    wanted: str
    found: str

    def message(self) -> str:
        return f"param `{self.name}` is {self.wanted}, and cannot be set to {self.found}"

    def help(self) -> str:
        return f"set it to {self.wanted}"


@frozen(kw_only=True)
class MalformedSetting(Diagnostic):
    """A value set on the command line is not a value of the language.

    What stands after the `=` of `--set NAME=VALUE`, or of `--vary NAME=V,...`, is read as in a file: `0.5`, `18M`,
    `50%`, `cifar10`, `"a text"`, `[60, 120]`. Mind the quotes of your shell around spaces and quotes.
    """

    code: ClassVar[str] = "SW206"
    name: str
    found: str

    def message(self) -> str:
        return f"`{self.found}` is not a value for param `{self.name}`"

    def help(self) -> str:
        return "write it as in a file: `0.5`, `18M`, `50%`, `cifar10`, `[60, 120]`"


@frozen(kw_only=True)
class UntieOutsidePhase(Diagnostic):
    """Something is to happen within a phase when the phase is over, or two things at once.

    `after N epochs` counts within its phase, so N lies below the number of epochs of the phase; several such
    clauses follow one another in time. Choose a smaller N, or train for longer.
    """

    code: ClassVar[str] = "SW207"
    after: int
    epochs: int
    phase: str
    does: str = "untie"

    def message(self) -> str:
        place = f"within the {self.epochs} epochs of phase `{self.phase}`"
        return f"epoch {self.after} is not a point to {self.does} at, {place}"

    def help(self) -> str:
        return "choose epochs that rise from clause to clause and lie below the length of the phase"


@frozen(kw_only=True)
class UnorderedMilestones(Diagnostic):
    """The milestones of a schedule do not rise.

    `steps(at: [60, 120, 160])` multiplies the learning rate at each of these epochs, in turn. List each once,
    smallest first.
    """

    code: ClassVar[str] = "SW208"
    found: str

    def message(self) -> str:
        return f"milestones `{self.found}` do not rise"

    def help(self) -> str:
        return "list each epoch once, smallest first"


@frozen(kw_only=True)
class MalformedFactory(Diagnostic):
    """A factory is not named the way Python finds it.

    `python("package.module:factory")` names a module as one would import it, a colon, and a function or class in it
    that returns a torch module. Write a colon before the function, dots between packages, and no `.py`.
    """

    code: ClassVar[str] = "SW209"
    found: str

    def message(self) -> str:
        return f"`{self.found}` does not name a factory"

    def help(self) -> str:
        return 'write `python("package.module:factory")`'


@frozen(kw_only=True)
class MalformedGroups(Diagnostic):
    """An explicit clustering is not a list of lists of patterns.

    Each inner list is a cluster, and holds patterns over layer paths in quotes: `clusters [["*.block1.*"],
    ["*.block2.*", "*.block3.*"]]`. No list may be empty.
    """

    code: ClassVar[str] = "SW210"
    found: str

    def message(self) -> str:
        return f"a clustering is a list of lists of texts, not {self.found}"

    def help(self) -> str:
        return 'write it like `[["*.block1.*"], ["*.block2.*"]]`'


@frozen(kw_only=True)
class MilestoneNeverReached(Diagnostic):
    """The learning rate is to change at an epoch that no phase reaches.

    Milestones and warm-up count epochs within a phase. A phase with `at lr X` keeps that rate and has no schedule.
    Move the milestone, or train for longer.
    """

    code: ClassVar[str] = "SW211"
    severity: ClassVar[Severity] = Severity.WARNING
    milestone: str
    epochs: int

    def message(self) -> str:
        return f"epoch {self.milestone} of the schedule is never reached: the longest phase has {self.epochs} epochs"

    def help(self) -> str:
        return "choose a smaller one, or more epochs"


VALUES = (
    WrongType,
    OutOfRange,
    WrongUnit,
    BudgetWithoutUnit,
    WrongSetting,
    MalformedSetting,
    UntieOutsidePhase,
    UnorderedMilestones,
    MalformedFactory,
    MalformedGroups,
    MilestoneNeverReached,
)
