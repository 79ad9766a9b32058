"""Diagnostics of selecting, clustering and splitting: SW400 to SW449."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity

SHOWN = 5  # names listed before the rest is only counted


def listed(names: tuple[str, ...]) -> str:
    """The first names in backticks, and how many more there are."""
    shown = ", ".join(f"`{name}`" for name in names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


@frozen(kw_only=True)
class NothingSelected(Diagnostic):
    """A share block's selector matches no layer of any member.

    A selector takes convolutions (`conv`), linear layers (`linear`), the projections of attention (`attention`),
    embeddings (`embeddings`), all of these (`all`), or what matches a glob. A block without layers would share nothing,
    so it is most likely a slip in the glob. In a glob `*` stands for any run of characters and `?` for one; it is held
    against the paths of modules and the full names of parameters, with the member before them and without, and brackets
    stand for themselves. Example: `share "wide.block1.*" { ... }` or `share "block1.*" { ... }`.
    """

    code: ClassVar[str] = "SW400"
    selector: str
    inside: str = ""

    def message(self) -> str:
        return f"the selector `{self.selector}` matches no layer"

    def help(self) -> str:
        if self.inside:
            return f"that is a module which holds layers; to take those write `{self.inside}`"
        return "compare the paths of the members' layers: a glob is held against `member.path` and against `path`"


@frozen(kw_only=True)
class NothingSharable(Diagnostic):
    """A share block's selector matches only layers that cannot be shared.

    Modules that are tied inside the model, recurrent layers, what torch computes from other parameters (`weight_norm`)
    and frozen parameters always stay their member's own. Grouped and transposed convolutions and parameters that belong
    to no layer are shared only where a glob writes out its last part: `share "*.depthwise"`, and not `share "*"`. Where
    a selector takes other layers beside them they are left private and listed by `swc show`; where it takes nothing
    else the block would be empty, which is refused. Drop the block, or widen its selector; norms and classifiers are
    shared by `share norms` and `share heads`, under the policies that can.
    """

    code: ClassVar[str] = "SW401"
    selector: str
    obstacles: tuple[str, ...]
    aside: tuple[str, ...] = ()

    def message(self) -> str:
        which = "are shared only where they are named" if self.aside else "cannot be shared"
        return f"the selector `{self.selector}` matches only layers that {which}"

    def help(self) -> str:
        if self.aside:
            return f'write the last part of a glob out, as in `share "{self.aside[0]}"`'
        return "take the share block away, or select other layers; these stay private without it"

    def notes(self) -> tuple[str, ...]:
        more = len(self.obstacles) - SHOWN
        return (*self.obstacles[:SHOWN], *([f"and {more} more"] if more > 0 else []))


@frozen(kw_only=True)
class SelectedTwice(Diagnostic):
    """Two share blocks take the same layer.

    A layer's weight can be made in one way only, so the selectors of an ensemble's share blocks must not overlap.
    Narrow one of them: for example `share linear { ... }` beside `share conv { ... }` instead of `share all { ... }`.
    Blocks by `linear` and `all` leave to those by `attention` and `embeddings` what these take, if anything is left.
    """

    code: ClassVar[str] = "SW402"
    layers: tuple[str, ...]

    def message(self) -> str:
        return f"another share block takes {listed(self.layers)}"

    def help(self) -> str:
        return "narrow one of the selectors, so that every layer is taken by one block at most"


@frozen(kw_only=True)
class UnlistedLayers(Diagnostic):
    """An explicit clustering leaves out layers that the block's selector takes.

    Every selected layer needs a cluster. Either list the missing layers (a last list of `"*"` would match the others
    too and so overlap), or narrow the selector so that it does not take them and they stay private.
    """

    code: ClassVar[str] = "SW403"
    layers: tuple[str, ...]

    def message(self) -> str:
        return f"no list of the clustering has {listed(self.layers)}"

    def help(self) -> str:
        return "add a glob for them to a list, or narrow the selector so that they stay private"


@frozen(kw_only=True)
class ListedTwice(Diagnostic):
    """A layer stands in two lists of an explicit clustering.

    A layer draws on the templates of one cluster only. Make the globs narrower so that the lists do not overlap.
    """

    code: ClassVar[str] = "SW404"
    layers: tuple[str, ...]

    def message(self) -> str:
        return f"two lists of the clustering have {listed(self.layers)}"

    def help(self) -> str:
        return "make the globs narrower, so that every layer stands in one list"


@frozen(kw_only=True)
class EmptyList(Diagnostic):
    """A list of an explicit clustering matches no layer of the block.

    The list makes no cluster. It is most likely a slip in a glob, or its layers are not taken by the selector.
    """

    code: ClassVar[str] = "SW405"
    severity: ClassVar[Severity] = Severity.WARNING
    number: int

    def message(self) -> str:
        return f"list {self.number} of the clustering matches no selected layer"

    def help(self) -> str:
        return "compare its globs with the layers' names, `member.path`"


@frozen(kw_only=True)
class BinWithoutLayers(Diagnostic):
    """There are more depth bins than layers to put into them.

    Layers of one kernel size are cut into runs along the depth, and no member has as many of them as there are bins.
    The empty bins are left out. Ask for fewer bins.
    """

    code: ClassVar[str] = "SW406"
    severity: ClassVar[Severity] = Severity.WARNING
    bins: int
    most: int
    kernel: str

    def message(self) -> str:
        return f"{self.bins} bins for {self.kernel} layers, but no member has more than {self.most} of them"

    def help(self) -> str:
        return "ask for fewer bins; the empty ones are left out"


@frozen(kw_only=True)
class BudgetBelowMinimum(Diagnostic):
    """The budget is too small for even one template per cluster and level.

    Every level of every cluster needs a template, so there is a least budget that any sharing of these members
    needs. Depth bins are given up one by one before this error is raised. What helps: a greater budget, narrower
    members, fewer clusters, or `blocks grid`, which cuts shapes that do not nest without waste.
    Example: `budget 18M templates` in place of `budget 1M templates`.
    """

    code: ClassVar[str] = "SW407"
    stated: int
    smallest: int
    unit: str
    grid: int | None = None  # the minimum with grid blocks, where that is less
    layers: tuple[str, ...] = ()

    def message(self) -> str:
        return f"the budget of {self.stated:,} {self.unit} is below the minimum of {self.smallest:,}"

    def help(self) -> str:
        way = f"the smallest feasible budget is {self.smallest} {self.unit}"
        if self.grid is None:
            return way
        fits = "fits" if self.grid <= self.stated else "does not fit either"
        return f"{way}; with `blocks grid` the minimum is {self.grid}, which {fits}"

    def notes(self) -> tuple[str, ...]:
        return self.layers


@frozen(kw_only=True)
class SplitOverBudget(Diagnostic):
    """No threshold gives clusters that the budget can pay for.

    After a split the clusters need more templates than the budget holds. The threshold was lowered step by step
    until nothing was split any more, and even then the minimum was too large. Raise the budget, or use fewer bins.
    """

    code: ClassVar[str] = "SW408"
    stated: int
    smallest: int

    def message(self) -> str:
        return f"no split fits the budget: {self.stated:,} scalars, and the least is {self.smallest:,}"

    def help(self) -> str:
        return "raise the budget, or start from fewer clusters"


def extent(threshold: float | None, number: int | None) -> str:
    """How far clusters were split: `below 0.1` or `into 12`."""
    return f"into {number}" if threshold is None else f"below {threshold:g}"


@frozen(kw_only=True)
class MostlySingletons(Diagnostic):
    """After a split more than half of the layers are alone in their clusters.

    Gradients of different layers are often nearly orthogonal, so a threshold a little too high leaves almost every
    layer alone, and then nothing is shared. Look at the sizes over a range of thresholds and choose a lower one, or
    fewer clusters where the split goes by their number, or try `linkage average`.
    """

    code: ClassVar[str] = "SW409"
    severity: ClassVar[Severity] = Severity.WARNING
    num_alone: int
    num_layers: int
    threshold: float | None
    sizes: tuple[str, ...]
    number: int | None = None

    def message(self) -> str:
        how = extent(self.threshold, self.number)
        return f"splitting {how} leaves {self.num_alone} of {self.num_layers} layers alone"

    def help(self) -> str:
        way = "split into fewer clusters" if self.threshold is None else "lower the threshold"
        return f"{way}, or try `linkage average`"

    def notes(self) -> tuple[str, ...]:
        return self.sizes


@frozen(kw_only=True)
class NothingSplit(Diagnostic):
    """A split left every cluster whole.

    All pairs hang together above the threshold, by way of other layers if not directly. The next phase trains the
    same clusters. Look at the sizes over a range of thresholds and choose a higher one, or try `linkage average`;
    where the split goes by their number, ask for more clusters than there are before it.
    Where the compiler lowered the threshold, since more clusters do not fit the budget, only a larger budget helps.
    """

    code: ClassVar[str] = "SW410"
    severity: ClassVar[Severity] = Severity.WARNING
    threshold: float | None
    asked: float | None
    sizes: tuple[str, ...]
    number: int | None = None

    def message(self) -> str:
        return f"splitting {extent(self.threshold, self.number)} leaves every cluster whole"

    def help(self) -> str:
        if self.threshold is None or self.asked is None:
            return f"ask for more clusters than {self.number}"
        if self.threshold < self.asked:
            return f"raise the budget: more clusters, as {self.asked:g} asks for, do not fit in it"
        return "raise the threshold, or try `linkage average`"

    def notes(self) -> tuple[str, ...]:
        return self.sizes


@frozen(kw_only=True)
class AlikeThroughout(Diagnostic):
    """Some members have the same weight in every shared layer, from the first step to the last.

    Members of one architecture are each other's partners, and `coefficients by partner`, which is the default, gives
    partners one vector of coefficients: it is meant for the first epochs, until `after N epochs untie coefficients
    below BETA` parts what disagrees. Without that clause such members differ in norms, biases and classifiers alone,
    and an ensemble of them gains little. Let each layer have coefficients of its own, or untie them in the main phase.
    Coefficients that are untied before a split are tied again after it. Those of banks of one template are never
    untied, as every similarity of single numbers is 1 or -1: a small budget gives all banks one.
    """

    code: ClassVar[str] = "SW419"
    severity: ClassVar[Severity] = Severity.WARNING
    members: tuple[str, ...]
    are_single: bool = False

    def message(self) -> str:
        names = ", ".join(f"`{name}`" for name in self.members[:-1])
        unties = "banks of one template are not untied" if self.are_single else "nothing unties them"
        return f"{names} and `{self.members[-1]}` have the same shared weights, and {unties}"

    def help(self) -> str:
        if self.are_single:
            return "write `coefficients by slot`, or give a greater budget or fewer clusters, so that banks hold more"
        return "write `coefficients by slot`, or `after N epochs untie coefficients below 0.9` in the main phase"


@frozen(kw_only=True)
class SilentLayers(Diagnostic):
    """Some layers had no gradient while similarities were measured, or none where others could be compared with it.

    A zero gradient has no direction, so it cannot be compared. Layers of unlike shapes are compared by the block that
    they have in common, which of a narrow layer is small. These layers stay in the largest group of their old cluster.
    Such a layer does not learn: look for dead units, or for a part of the model that is never used.
    """

    code: ClassVar[str] = "SW411"
    severity: ClassVar[Severity] = Severity.WARNING
    layers: tuple[str, ...]

    def message(self) -> str:
        return f"no gradient reached {listed(self.layers)}, so nothing was compared with them"

    def help(self) -> str:
        return "see whether these layers take part in the members' output"


@frozen(kw_only=True)
class TooManyShapes(Diagnostic):
    """A cluster in chain blocks has more shapes than the compiler takes.

    In a chain every shape adds a level, and a layer of the largest shape is put together from all of them: a bank for
    each level and a slot for each layer on it. Hundreds of levels, one inside the other, are of little use, as each
    template then holds few scalars. Blocks in a grid have no such nesting; more clusters have fewer shapes each.
    """

    code: ClassVar[str] = "SW412"
    label: str
    shapes: int
    most: int

    def message(self) -> str:
        return f"the cluster {self.label} has {self.shapes} shapes: a chain takes at most {self.most}"

    def help(self) -> str:
        return "write `blocks grid`, more depth bins, or `clusters by shape`"


@frozen(kw_only=True)
class NothingLeft(Diagnostic):
    """A share block by `linear` or `all` has nothing left, as blocks by more precise words take all that it would.

    Blocks by `linear` and `all` leave to those by `attention` and `embeddings` what these take. In a network whose only
    linear layers are the projections of attention, `share linear` beside `share attention` would be an empty block.
    Drop it: nothing of the sharing changes.
    """

    code: ClassVar[str] = "SW416"
    selector: str
    others: tuple[str, ...]
    layers: tuple[str, ...]

    def message(self) -> str:
        blocks = " and ".join(f"`share {word}`" for word in self.others)
        take = "takes" if len(self.others) == 1 else "take"
        return f"nothing is left for `{self.selector}`: {blocks} {take} {listed(self.layers)}"

    def help(self) -> str:
        return "take this share block away"


CLUSTERS = (
    NothingSelected,
    NothingSharable,
    SelectedTwice,
    UnlistedLayers,
    ListedTwice,
    EmptyList,
    BinWithoutLayers,
    BudgetBelowMinimum,
    SplitOverBudget,
    MostlySingletons,
    NothingSplit,
    AlikeThroughout,
    SilentLayers,
    TooManyShapes,
    NothingLeft,
)
