"""What can happen between two stages of training, and what it needs.

Guarantees: `ACTIONS` is all that the language, the files of a run, its loop and its reports know of actions; nothing
here imports torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from attrs import frozen

from swc.registry.registry import Registry
from swc.registry.row import RegistryRow

ROLES: tuple[str, ...] = ("biases", "coefficients", "fast_weights", "norms", "templates", "tensors", "weights")


@frozen(kw_only=True)
class ActionRow(RegistryRow):
    """An action, named `VERB_NOUN`; its implementation is a subclass of `swc.running.actions.StageAction`.

    One with the clause `own` has words of its own in the grammar; a `common` one is written `after N epochs VERB NOUN`,
    or with arguments `VERB NOUN(name: value)`. `feedback` names what it measures ("": nothing). From then on the
    parameters in the roles `freezes` get no further updates; `changes` are the roles of which it makes others.
    `policies` are those whose layers have what it is about.
    """

    clause: Literal["own", "common"] = "common"
    feedback: Literal["", "ClusterFeedback", "GroupFeedback", "CoefficientFeedback"] = ""
    changes: tuple[str, ...] = ()
    freezes: tuple[str, ...] = ()
    policies: tuple[str, ...] = ("superweights",)

    def faults(self) -> Iterator[str]:
        """Those of any row, and of the roles it names."""
        yield from super().faults()
        unknown = next((role for role in (*self.freezes, *self.changes) if role not in ROLES), None)
        yield "" if unknown is None else f"{unknown!r} is not a role of parameters: {', '.join(ROLES)} are"

    @property
    def spoken(self) -> str:
        """Its name as one writes it."""
        return self.name.replace("_", " ")


ACTIONS: Registry[ActionRow] = Registry(
    "action",
    "swc.actions",
    ActionRow,
    (
        ActionRow(
            name="split_clusters",
            words="layers whose gradients conflict go into clusters of their own",
            implementation="swc.running.actions:ClusterSplit",
            clause="own",
            feedback="ClusterFeedback",
            changes=("coefficients", "templates"),
        ),
        ActionRow(
            name="group_layers",
            words="layers go into clusters by what they took of one bank's templates",
            implementation="swc.running.actions:LayerGrouping",
            clause="own",
            feedback="GroupFeedback",
            policies=("shapeshifter",),
        ),
        ActionRow(
            name="untie_coefficients",
            words="slots whose gradients disagree get coefficients of their own",
            implementation="swc.running.actions:CoefficientUntie",
            clause="own",
            feedback="CoefficientFeedback",
            changes=("coefficients",),
        ),
        ActionRow(
            name="freeze_coefficients",
            words="coefficients get no further updates",
            implementation="swc.running.actions:StageAction",
            freezes=("coefficients",),
        ),
    ),
)
