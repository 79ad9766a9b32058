"""The sharing policies: one row for each."""

from __future__ import annotations

from attrs import frozen

from swc.registry.registry import Registry
from swc.registry.row import ArgumentRow, RegistryRow

UPSAMPLINGS = ("bilinear", "repeat", "mask", "average")
SHARE_ITEMS = ("clusters", "coefficients", "templates", "blocks", "initialisation")


@frozen(kw_only=True)
class PolicyRow(RegistryRow):
    """A sharing policy. `implementation` is a class whose objects, made without arguments, are a `Policy`.

    See `swc.compiler.passes.policies.policy`; it must not import torch. `items` are those of a share block that it
    takes, `selectors` those of parameters beside weights (`norms`, `heads`) that it can share.
    """

    items: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()


VECTORS = ("signs", "normal", "ones", "none")
START = ArgumentRow("start", "text", words=("kaiming", "uniform"), default="", what="start of weights")
PLACE = "swc.compiler.passes.policies"
POLICIES: Registry[PolicyRow] = Registry(
    "sharing policy",
    "swc.policies",
    PolicyRow,
    (
        PolicyRow(
            name="superweights",
            words="weights composed of templates by coefficients",
            implementation=f"{PLACE}.superweights:SuperWeights",
            items=SHARE_ITEMS,
        ),
        PolicyRow(
            name="none",
            words="nothing is shared",
            implementation=f"{PLACE}.none:Nothing",
            arguments=(ArgumentRow("start", "text", words=("alike",), default="", what="start of members"),),
            selectors=("norms", "heads", "biases"),
        ),
        PolicyRow(
            name="hard",
            words="one tensor for each place and shape",
            implementation=f"{PLACE}.hard:Hard",
            arguments=(START,),
            selectors=("norms", "heads", "biases"),
        ),
        PolicyRow(
            name="rank_one",
            words="one weight for all members, scaled by vectors of each member's own",
            implementation=f"{PLACE}.rank_one:RankOne",
            arguments=(
                ArgumentRow("rate", "number", least=0, most=1_000, default=1),
                ArgumentRow("inputs", "text", words=VECTORS, default="", what="start of vectors"),
                ArgumentRow("outputs", "text", words=VECTORS, default="", what="start of vectors"),
                START,
            ),
            selectors=("heads",),
        ),
        PolicyRow(
            name="low_rank",
            words="one weight for all members, plus a product of two thin matrices of each member's own",
            implementation=f"{PLACE}.low_rank:LowRank",
            arguments=(
                ArgumentRow("rank", "whole number", least=1, most=10_000, default=8),
                ArgumentRow("alpha", "number", above=0, most=10_000, default=8),
                ArgumentRow("frozen", "yes or no", default=False),
                START,
            ),
            selectors=("heads",),
        ),
        PolicyRow(
            name="slices",
            words="narrow layers are the first channels of wide ones",
            implementation=f"{PLACE}.slices:Slices",
            selectors=("norms", "heads", "biases"),
        ),
        PolicyRow(
            name="shapeshifter",
            words="flat banks, resized to each layer",
            implementation=f"{PLACE}.shapeshifter:ShapeShifter",
            arguments=(ArgumentRow("upsample", "text", default="bilinear", words=UPSAMPLINGS),),
            items=("clusters",),
        ),
    ),
)
