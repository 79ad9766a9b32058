"""Diagnostics about specs that are larger than any there should be (SW128, SW152 to SW155, SW212).

Guarantees: `LIMITS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class ListTooLong(Diagnostic):
    """A list holds more values than any list of a spec needs, those of the lists in it counted as well.

    Lists grow quickly where a policy hands `[x, x]` on to another: thirty such policies stand for a thousand million
    values. So a list is refused before it is written out. Use globs, which name many layers at once, or fewer lists.
    """

    code: ClassVar[str] = "SW152"
    most: int

    def message(self) -> str:
        return f"this list holds more than {self.most:,} values"

    def help(self) -> str:
        return "shorten it; a glob such as `*.block1.*` names many layers at once"


@frozen(kw_only=True)
class WrittenOutTooLong(Diagnostic):
    """A file stands for more items than are checked, once everything in it is written out.

    What an ensemble inherits by `extends`, the items of a policy or recipe at every place that uses it, the values of
    lists and the members of arrays are all counted. A file of a few lines can stand for millions in this way. Split
    the file, or let fewer ensembles extend a large one.
    """

    code: ClassVar[str] = "SW153"
    most: int

    def message(self) -> str:
        return f"this file stands for more than {self.most:,} items, once what it names is written out"

    def help(self) -> str:
        return "split the file; inherited items, uses of policies and recipes, lists and members of arrays all count"


@frozen(kw_only=True)
class TooManyMembers(Diagnostic):
    """An ensemble has more members than can be compiled in a reasonable time.

    The members of all its arrays are counted together.
    Make the arrays shorter, or write several ensembles.
    """

    code: ClassVar[str] = "SW154"
    most: int

    def message(self) -> str:
        return f"the ensemble has more than {self.most:,} members"

    def help(self) -> str:
        return "make the arrays of members shorter"


@frozen(kw_only=True)
class TooManyImports(Diagnostic):
    """A file and what it imports are more text, or more files, than any spec needs.

    All imported files are read, those that are imported by others too.
    Import the file that defines what is needed, and not one that imports everything.
    """

    code: ClassVar[str] = "SW155"
    limit: str

    def message(self) -> str:
        return f"the imports of this file lead to more than {self.limit}"

    def help(self) -> str:
        return "import the files that define what is needed, and no others"


@frozen(kw_only=True)
class TooManyParameters(Diagnostic):
    """The members, or the templates that they share, have more parameters than a machine can train.

    Ten thousand million numbers, with their gradients and the momentum of each, take 120 gigabytes. A member is also
    refused that has more than a hundred thousand parameter tensors. Nothing is built or allocated before this is known.
    Make members narrower, shallower or fewer, or lower the budget.
    """

    code: ClassVar[str] = "SW212"
    what: str
    most: int
    unit: str = "parameters"

    def message(self) -> str:
        return f"{self.what} more than {self.most:,} {self.unit}"

    def help(self) -> str:
        return "make members narrower, shallower or fewer, or lower the budget"


@frozen(kw_only=True)
class TooManyCells(Diagnostic):
    """A sweep stands for more runs than are listed, let alone trained.

    Every combination of the varied values is run with every seed, so that a few lines multiply to millions of runs.
    Vary fewer params at once, or fewer values of each.
    """

    code: ClassVar[str] = "SW128"
    cells: int
    most: int

    def message(self) -> str:
        return f"the sweep stands for {self.cells:.4g} runs: at most {self.most:,} are taken"

    def help(self) -> str:
        return "vary fewer params, or fewer values of each, or lower `seeds`"


LIMITS = (TooManyCells, ListTooLong, WrittenOutTooLong, TooManyMembers, TooManyImports, TooManyParameters)
