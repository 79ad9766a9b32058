"""The typed spec: one ensemble with every name resolved, every param settled and every unit checked.

What `swc.language.semantics.check` gives and the compiler takes. Spans are kept beside every item that a later stage
may have to complain about; they do not count in comparisons nor in the spec's hash.
"""

from __future__ import annotations

from typing import Literal

from attrs import evolve, field, frozen

from swc.diagnostics import Span
from swc.program.datasets import DataFacts
from swc.program.model_source import ModelSource, Scalar
from swc.program.steps import StepPlan
from swc.program.task import Task
from swc.program.training import Training
from swc.program.vocabulary import SILENT_INITIALISATION, Initialisation
from swc.registry.offers import PlugIn


@frozen
class Member:
    """An ensemble member; those of an array are named `m[0]`, `m[1]`, ...

    `host` names the first member of an array whose predictions come from one network, for all but that first.
    `weights` is the file of the weights that it begins with ("": fresh ones), beside the spec or in the current folder.
    """

    name: str
    source: ModelSource
    span: Span | None = field(default=None, eq=False)
    host: str = ""
    weights: str = ""


@frozen
class Budget:
    """How many scalars may be stored.

    `templates` and `parameters` count `amount` scalars; `native` is the fraction `amount` of what the selected layers
    would own unshared (0.5 for 50%), counted in templates; `unlimited` ignores `amount`.
    """

    kind: Literal["templates", "parameters", "native", "unlimited"]
    amount: float = 0.0
    span: Span | None = field(default=None, eq=False)


@frozen
class Selector:
    """Which parameters a share block takes.

    Every `conv`, every `linear`, those of `attention` or `embeddings`, `all` of these, a glob over paths of modules and
    names of parameters, the parameters of `norms`, of the `heads`, or all other `biases`.
    """

    kind: Literal["conv", "linear", "attention", "embeddings", "all", "glob", "norms", "heads", "biases"]
    pattern: str = ""
    span: Span | None = field(default=None, eq=False)


@frozen
class Clusters:
    """The initial clustering: depth bins, one cluster, one per layer place, by shape, or a list.

    `pretraining` is not a choice of the author's: layers of `shapeshifter` are not in groups yet
    (`swc.compiler.passes.regroup`).
    `groups` (for `explicit`): one tuple of globs over `member.path` for each cluster.
    """

    kind: Literal["depth", "one", "per_layer", "by_shape", "explicit", "pretraining"] = "depth"
    bins: int = 4
    groups: tuple[tuple[str, ...], ...] = ()
    span: Span | None = field(default=None, eq=False)


@frozen
class Templates:
    """The allocation rule: `even` or `optimal` with an objective, at most `cap` templates a bank."""

    rule: Literal["even", "optimal"] = "even"
    objective: Literal["coverage", "profiled"] = "coverage"
    cap: int = 8
    span: Span | None = field(default=None, eq=False)

    @property
    def is_profiled(self) -> bool:
        """Whether measured gradients decide."""
        return self.rule == "optimal" and self.objective == "profiled"


@frozen
class Share:
    """A share block with its sharing policy and everything that steers it."""

    selector: Selector
    policy: str = "superweights"
    clusters: Clusters = Clusters()
    coefficients: Literal["level", "partner", "slot"] = "partner"
    templates: Templates = Templates()
    blocks: Literal["chain", "grid"] = "chain"
    initialisation: Initialisation = SILENT_INITIALISATION
    arguments: tuple[tuple[str, Scalar], ...] = ()
    span: Span | None = field(default=None, eq=False)


@frozen
class Spec:
    """One ensemble.

    `defaults` says, a line each, what the author left open and what was chosen, `plug_ins` where names come from that
    are not ours.
    """

    name: str
    data: DataFacts
    members: tuple[Member, ...]
    budget: Budget
    shares: tuple[Share, ...]
    training: Training | None
    params: tuple[tuple[str, Scalar], ...] = ()
    defaults: tuple[str, ...] = ()
    span: Span | None = field(default=None, eq=False)
    train_span: Span | None = field(default=None, eq=False)
    step: StepPlan = StepPlan()
    plug_ins: tuple[PlugIn, ...] = ()
    data_span: Span | None = field(default=None, eq=False)

    @property
    def task(self) -> Task:
        """What the members learn to say of an example."""
        return self.data.task

    def seeded(self, seed: int) -> Spec:
        """The spec with this seed in place of its recipe's, which draws the parts of the data too."""
        if self.training is None:
            return self
        recipe = evolve(self.training.recipe, seed=seed)
        return evolve(self, training=evolve(self.training, recipe=recipe), data=self.data.drawn_by(seed))
