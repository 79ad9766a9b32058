"""Diagnostics about the structure of a spec: cycles, doubles, gaps (SW112 to SW199).

Guarantees: `STRUCTURE` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class ImportCycle(Diagnostic):
    """A file imports itself, directly or through others.

    Files may import one another only in one direction. Move what both need into a third file, and import that one
    from both.
    """

    code: ClassVar[str] = "SW112"
    chain: tuple[str, ...]

    def message(self) -> str:
        return f"this import goes in a circle: {' -> '.join(self.chain)}"

    def help(self) -> str:
        return "move what both files need into a file of its own"


@frozen(kw_only=True)
class ExtendsCycle(Diagnostic):
    """An ensemble or a policy is made from itself, directly or through others.

    `ensemble a extends b` and `policy a as b` begin with everything in b. That must end somewhere: one of the chain
    has to stand on its own.
    """

    code: ClassVar[str] = "SW113"
    chain: tuple[str, ...]
    word: str = "extends"

    def message(self) -> str:
        return f"`{self.word}` goes in a circle: {' -> '.join(self.chain)}"

    def help(self) -> str:
        return f"let one of them stand on its own, without `{self.word}`"


@frozen(kw_only=True)
class ParamCycle(Diagnostic):
    """A param is defined by itself, directly or through others.

    A param may take the value of another, `param tau = beta`, but the chain has to end at a value. Give one of them
    a value of its own.
    """

    code: ClassVar[str] = "SW114"
    chain: tuple[str, ...]

    def message(self) -> str:
        return f"these params are defined by one another: {' -> '.join(self.chain)}"

    def help(self) -> str:
        return "give one of them a value of its own"


@frozen(kw_only=True)
class DuplicateDefinition(Diagnostic):
    """Two definitions of one kind have the same name.

    Ensembles, recipes and policies are known by name over a file and all that it imports, so each name is given
    once. A policy may not take the name of a built-in one either. Rename one of them.
    """

    code: ClassVar[str] = "SW120"
    name: str
    kind: str
    first: str

    def message(self) -> str:
        return f"{self.kind} `{self.name}` is already defined {self.first}"

    def help(self) -> str:
        return f"give one {self.kind} another name"


@frozen(kw_only=True)
class DuplicateItem(Diagnostic):
    """A block says the same thing twice.

    Members, params, share blocks and phases have names of their own within an ensemble; a budget, a data set, a
    train block, and every setting of a recipe or a share block, is stated once. Remove one, or give it another
    name.
    """

    code: ClassVar[str] = "SW121"
    what: str
    first: str

    def message(self) -> str:
        return f"{self.what} is already stated at {self.first}"

    def help(self) -> str:
        return "remove one of the two, or give it another name"


@frozen(kw_only=True)
class DuplicateArgument(Diagnostic):
    """A call gives one argument twice.

    Every argument is given at most once. Remove one of the two.
    """

    code: ClassVar[str] = "SW122"
    name: str
    of: str

    def message(self) -> str:
        return f"`{self.of}` is given `{self.name}` twice"

    def help(self) -> str:
        return "remove one of the two"


@frozen(kw_only=True)
class MissingItem(Diagnostic):
    """A block lacks something that it cannot do without.

    An ensemble needs a data set and at least one member, a budget where anything is shared, and a train block at
    least one phase. The help shows the line that is missing.
    """

    code: ClassVar[str] = "SW123"
    what: str
    inside: str
    example: str

    def message(self) -> str:
        return f"{self.inside} has no {self.what}"

    def help(self) -> str:
        return f"add `{self.example}`"


@frozen(kw_only=True)
class MissingArgument(Diagnostic):
    """A call leaves out an argument that has no default.

    Some arguments have no sensible default, such as the depth of a network. Give every one that the message names:
    `wrn(depth: 28, width: 10)`.
    """

    code: ClassVar[str] = "SW124"
    name: str
    of: str

    def message(self) -> str:
        return f"`{self.of}` needs `{self.name}`"

    def help(self) -> str:
        return f"write `{self.of}({self.name}: ...)`"


@frozen(kw_only=True)
class PlainArgument(Diagnostic):
    """An argument has no name, or an argument that stands first has no place.

    Arguments are given by name, `wrn(depth: 28, width: 10)`, so that a reader sees what a number means. Only a text
    such as the path of `folder("images", ...)` stands without one, and it stands first.
    """

    code: ClassVar[str] = "SW125"
    of: str
    arguments: tuple[str, ...]

    def message(self) -> str:
        return f"this argument of `{self.of}` has no name"

    def help(self) -> str:
        return f"write {' or '.join(f'`{a}: ...`' for a in self.arguments)}" if self.arguments else "leave it out"


@frozen(kw_only=True)
class NoEnsemble(Diagnostic):
    """A file without an ensemble was given where one is needed.

    Only an ensemble can be compiled. A file with recipes and policies is imported by the files that use it. Write
    `ensemble NAME { ... }`, or name another file.
    """

    code: ClassVar[str] = "SW126"
    file: str

    def message(self) -> str:
        return f"`{self.file}` defines no ensemble"

    def help(self) -> str:
        return "write `ensemble NAME { ... }`"


@frozen(kw_only=True)
class SeveralEnsembles(Diagnostic):
    """A file has several ensembles, and none was chosen.

    One ensemble is compiled at a time. Choose one with `--ensemble NAME`, or by `FILE.sw:NAME` where a command takes
    specs beside builds and runs.
    """

    code: ClassVar[str] = "SW127"
    file: str
    ensembles: tuple[str, ...]
    place: str = ""

    def message(self) -> str:
        return f"`{self.file}` defines several ensembles: {', '.join(self.ensembles)}"

    def help(self) -> str:
        name = self.ensembles[0]
        return f"choose one: `{self.place}:{name}`" if self.place else f"choose one, say with `--ensemble {name}`"


@frozen(kw_only=True)
class CarryWithoutSplit(Diagnostic):
    """A phase says what happens after a split that it does not have.

    `then restart` and `then continue` say what training keeps when the clusters were split, so they follow `then
    split clusters below TAU` or `into N` in the same phase. Add the split, or leave them out.
    """

    code: ClassVar[str] = "SW130"
    carry: str

    def message(self) -> str:
        return f"`then {self.carry}` has no `then split` before it"

    def help(self) -> str:
        return f"write `then split clusters below 0.1 then {self.carry}`"


@frozen(kw_only=True)
class NumberByRelease(Diagnostic):
    """Clusters are to be split into a number by a linkage that does not settle it.

    `linkage release`, the queue of the authors' code, moves one layer at a time, and a later pair may move it again, so
    that several groupings have the same number of groups, and those of N + 1 are no parts of those of N. It is there
    to repeat that code's runs, which go by a threshold. `into N` takes `linkage union` or `linkage average`.
    """

    code: ClassVar[str] = "SW136"

    def message(self) -> str:
        return "`linkage release` does not settle what a number of clusters is"

    def help(self) -> str:
        return "write `linkage union` or `linkage average`, or split `below` a threshold"


@frozen(kw_only=True)
class SplitAtTheEnd(Diagnostic):
    """The last phase ends with a split or with layers in groups, and nothing is trained after it.

    Both change what is shared, so the networks have to be trained again (`then restart`) or further (`then continue`).
    Add a phase after it, such as `phase main: 200 epochs`.
    """

    code: ClassVar[str] = "SW131"
    phase: str
    does: str

    def message(self) -> str:
        return f"phase `{self.phase}` {self.does}, and no phase follows"

    def help(self) -> str:
        return "add a phase after it: `phase main: 200 epochs`"


@frozen(kw_only=True)
class ProfiledWithoutSplit(Diagnostic):
    """Templates are to be allocated by what training measured, and nothing measures it.

    `optimal(profiled)` takes the worth of each template from the gradients at the end of a search phase. Without
    such a phase there is nothing to go by. Add `phase search: 20 epochs then split clusters below 0.1`, or use
    `optimal(coverage)`.
    """

    code: ClassVar[str] = "SW132"

    def message(self) -> str:
        return "`optimal(profiled)` needs a phase that ends with `then split clusters`"

    def help(self) -> str:
        return "add a search phase that ends with a split, or write `templates optimal(coverage)`"


@frozen(kw_only=True)
class SketchedProfile(Diagnostic):
    """Gradients are to be sketched, and templates to be allocated by their spectra.

    `optimal(profiled)` takes the worth of each template from the whole summed gradients. `sketch` saves their memory by
    keeping a few numbers in their place, which tell similarities and no spectra. Leave `sketch` out, or use
    `optimal(coverage)`.
    """

    code: ClassVar[str] = "SW133"

    def message(self) -> str:
        return "`sketch` keeps no gradients for `optimal(profiled)` to go by"

    def help(self) -> str:
        return "leave `sketch` out, or write `templates optimal(coverage)`"


@frozen(kw_only=True)
class NothingToGroup(Diagnostic):
    """Layers are to be put in groups by what they learned, and no layer learns it.

    `then group layers in N clusters` goes by what layers of `shapeshifter` blocks took of the templates of one bank.
    Layers of `superweights` are parted by their gradients: `then split clusters below TAU`.
    """

    code: ClassVar[str] = "SW134"

    def message(self) -> str:
        return "`then group layers` has no block that is shared as `shapeshifter`"

    def help(self) -> str:
        return (
            "share a block `as shapeshifter`, or split the clusters of `superweights`: `then split clusters below 0.1`"
        )


@frozen(kw_only=True)
class GroupsCannotContinue(Diagnostic):
    """Weights are to go on after layers were put in groups, where nothing can be carried over.

    Pretraining mixes four templates of one bank for all layers. What follows has a bank for each group, so training
    starts from scratch. Write `then restart`, or leave it out.
    """

    code: ClassVar[str] = "SW135"

    def message(self) -> str:
        return "after `then group layers` there are other banks: weights cannot continue"

    def help(self) -> str:
        return "write `then restart`"


STRUCTURE = (
    ImportCycle,
    ExtendsCycle,
    ParamCycle,
    DuplicateDefinition,
    DuplicateItem,
    DuplicateArgument,
    MissingItem,
    MissingArgument,
    PlainArgument,
    NoEnsemble,
    SeveralEnsembles,
    CarryWithoutSplit,
    NumberByRelease,
    SplitAtTheEnd,
    ProfiledWithoutSplit,
    SketchedProfile,
    NothingToGroup,
    GroupsCannotContinue,
)
