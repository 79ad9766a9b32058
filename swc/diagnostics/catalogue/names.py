"""Diagnostics about names (SW100 to SW111, SW143, SW146).

Guarantees: `NAMES` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic
from swc.diagnostics.suggest import closest

MOST = 20  # names that are offered
MOST_COMPARED = 200  # for each of a hundred mistakes


def offer(name: str, candidates: tuple[str, ...]) -> str:
    """The name that was probably meant, or all there are."""
    near = closest(name, candidates) if len(candidates) <= MOST_COMPARED else None
    if near is not None:
        return f"did you mean `{near}`?"
    if not candidates:
        return "there are none yet"
    names = [f"`{c}`" for c in sorted(candidates)]
    rest = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return f"choose one of {', '.join(names[:MOST])}{rest}"


@frozen(kw_only=True)
class UnknownParam(Diagnostic):
    """A name stands where a value is needed, and no param has that name.

    A bare name is the name of a param of this ensemble, or of a parameter of the recipe or policy it stands in.
    Declare it with `param beta = 0.9`, correct its spelling, or write the value itself.
    """

    code: ClassVar[str] = "SW101"
    name: str
    params: tuple[str, ...]

    def message(self) -> str:
        return f"there is no param `{self.name}` here"

    def help(self) -> str:
        return offer(self.name, self.params) if self.params else f"declare it: `param {self.name} = ...`"


@frozen(kw_only=True)
class UnknownFamily(Diagnostic):
    """A member is of a family that swc does not have.

    Families are built in: `wrn`, `resnet` and `mobilenet_v2`. Any other network comes from torchvision,
    `torchvision("vgg11")`, from timm, `timm("resnet18")`, or from a factory of your own,
    `python("package.module:factory", width: 2)`.
    """

    code: ClassVar[str] = "SW102"
    name: str
    families: tuple[str, ...]

    def message(self) -> str:
        return f"there is no family `{self.name}`"

    def help(self) -> str:
        return offer(self.name, self.families)


@frozen(kw_only=True)
class UnknownData(Diagnostic):
    """The ensemble asks for a data set that swc does not know.

    Data sets are known by name: `cifar10`, `cifar100`, `digits` and `imagenet`. Images of your own lie in a folder
    with `train` and `val` inside: write `data folder("images", classes: 12, size: 64)`. Or a function of yours gives
    them: `data python("pictures:load", classes: 12, shape: [3, 64, 64])`. Installed packages may offer further names.
    """

    code: ClassVar[str] = "SW103"
    name: str
    datasets: tuple[str, ...]

    def message(self) -> str:
        return f"there is no data set `{self.name}`"

    def help(self) -> str:
        return offer(self.name, self.datasets)


@frozen(kw_only=True)
class UnknownRecipe(Diagnostic):
    """A train block names a recipe that was not defined.

    Recipes are defined with `recipe NAME { ... }` in the same file or in an imported one; `import "cifar.sw"`
    brings the shipped one. Import the file that defines it, or correct the name.
    """

    code: ClassVar[str] = "SW104"
    name: str
    recipes: tuple[str, ...]

    def message(self) -> str:
        return f"there is no recipe `{self.name}`"

    def help(self) -> str:
        return offer(self.name, self.recipes) if self.recipes else f'import it, say with `import "{self.name}.sw"`'


@frozen(kw_only=True)
class UnknownPolicy(Diagnostic):
    """A share block names a sharing policy that does not exist.

    Built-in policies are `superweights` (the default), `none` and `hard`. Others are bundles defined with `policy
    NAME { ... }` in this file or an imported one.
    """

    code: ClassVar[str] = "SW105"
    name: str
    policies: tuple[str, ...]  # the language's
    own: tuple[str, ...] = ()

    def message(self) -> str:
        return f"there is no sharing policy `{self.name}`"

    def help(self) -> str:
        return offer(self.name, (*self.policies, *self.own))


@frozen(kw_only=True)
class UnknownArgument(Diagnostic):
    """Something is called with an argument that it does not take.

    The message says what is called; it takes only the arguments it declares. Correct the name, or leave the
    argument out. A recipe or policy takes what stands in the parentheses after its name.
    """

    code: ClassVar[str] = "SW106"
    name: str
    of: str
    arguments: tuple[str, ...]

    def message(self) -> str:
        return f"`{self.of}` takes no argument `{self.name}`"

    def help(self) -> str:
        return offer(self.name, self.arguments) if self.arguments else f"`{self.of}` takes no arguments: leave it out"


@frozen(kw_only=True)
class UnknownSelector(Diagnostic):
    """A share block selects layers by a word that is not a selector.

    A selector is `conv`, `linear`, `all`, or a pattern over layer paths in quotes, such as `share "*.block2.*" {
    ... }`. Patterns need the quotes.
    """

    code: ClassVar[str] = "SW107"
    name: str
    selectors: tuple[str, ...]

    def message(self) -> str:
        return f"`{self.name}` selects no layers"

    def help(self) -> str:
        return f"{offer(self.name, self.selectors)} (a pattern over layer paths stands in quotes)"


@frozen(kw_only=True)
class UnknownChoice(Diagnostic):
    """A word stands where only a few are possible, and it is none of them.

    Many settings choose between a few words, such as `coefficients by level`, `by partner` or `by slot`. The help
    names the nearest, or all of them.
    """

    code: ClassVar[str] = "SW108"
    name: str
    what: str
    choices: tuple[str, ...]

    def message(self) -> str:
        return f"`{self.name}` is not a known {self.what}"

    def help(self) -> str:
        return offer(self.name, self.choices)


@frozen(kw_only=True)
class UnknownEnsemble(Diagnostic):
    """An ensemble is named that was not defined.

    An ensemble is named after `extends`, or on the command line with `--ensemble`. It must stand in this file, or,
    for `extends`, in an imported one. Import the file that defines it, or correct the name.
    """

    code: ClassVar[str] = "SW109"
    name: str
    ensembles: tuple[str, ...]
    itself: str = ""  # the ensemble that names it

    def message(self) -> str:
        return f"there is no ensemble `{self.name}`"

    def help(self) -> str:
        return offer(self.name, tuple(name for name in self.ensembles if name != self.itself))


@frozen(kw_only=True)
class UnknownSetting(Diagnostic):
    """A value was set on the command line for a param that the ensemble does not have.

    `--set NAME=VALUE` changes the value of a `param` of the ensemble, and nothing else; so does what `swc sweep`
    varies. To make something settable, write it as a param: `param tau = 0.1`, and use `tau` where the number stood.
    """

    code: ClassVar[str] = "SW110"
    name: str
    params: tuple[str, ...]

    def message(self) -> str:
        return f"there is no param `{self.name}` to set"

    def help(self) -> str:
        return offer(self.name, self.params)


@frozen(kw_only=True)
class ImportNotFound(Diagnostic):
    """An imported file exists neither beside the importing file nor among the shipped ones.

    An import is looked for in the folder of the file that imports it, then among the recipes that come with swc:
    `cifar.sw`, `imagenet.sw` and `digits.sw`. Correct the name, or put the file there.
    """

    code: ClassVar[str] = "SW111"
    name: str
    files: tuple[str, ...]

    def message(self) -> str:
        return f"there is no file `{self.name}` to import"

    def help(self) -> str:
        return offer(self.name, self.files)


@frozen(kw_only=True)
class ReservedName(Diagnostic):
    """A member has a name that tables and records use for something else.

    Scores are listed by member, and those of all members together under `ensemble`; a member of that name could not be
    told from them. Give the member another name.
    """

    code: ClassVar[str] = "SW143"
    name: str

    def message(self) -> str:
        return f"a member cannot be called `{self.name}`: scores of all members together have that name"

    def help(self) -> str:
        return "give the member another name"


@frozen(kw_only=True)
class SelectorNotForPolicy(Diagnostic):
    """A share block selects norms, heads or biases for a policy that does not share them.

    Scales and shifts of normalisations, and biases, are vectors, and a classifier is a member's last word: `hard` gives
    all members the same ones, `slices` the leading part of the largest. Templates, rank-one modulations and differences
    of low rank are made for weights; `rank_one` and `low_rank` take the weight of a classifier too. Without a share
    block all of them stay each member's own.
    """

    code: ClassVar[str] = "SW146"
    selector: str
    policy: str
    able: tuple[str, ...]

    def message(self) -> str:
        return f"the policy `{self.policy}` does not share {self.selector}"

    def help(self) -> str:
        able = " or ".join(f"`share {self.selector} as {policy}`" for policy in self.able)
        return f"write {able}, or take the block away to leave them each member's own"


NAMES = (
    SelectorNotForPolicy,
    ReservedName,
    UnknownParam,
    UnknownFamily,
    UnknownData,
    UnknownRecipe,
    UnknownPolicy,
    UnknownArgument,
    UnknownSelector,
    UnknownChoice,
    UnknownEnsemble,
    UnknownSetting,
    ImportNotFound,
)
