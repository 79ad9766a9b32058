"""The syntax tree: what an author wrote, form by form, with its place in the text.

Guarantees: plain frozen data; spans do not count in comparisons, so equal trees mean equal programs.
"""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from swc.diagnostics import Span


@frozen
class Number:
    """A number as written; `value` has its suffix applied (18M is 18000000, 50% is 0.5)."""

    text: str
    value: int | float
    span: Span = field(eq=False)

    @property
    def is_percent(self) -> bool:
        """Whether it was written with a % sign."""
        return self.text.endswith("%")


@frozen
class Text:
    """A text in quotes, without them."""

    value: str
    span: Span = field(eq=False)


@frozen
class Name:
    """A bare word: a param, or one of the language's own choices."""

    text: str
    span: Span = field(eq=False)


@frozen
class ListOf:
    """Values in square brackets."""

    items: tuple[Value, ...]
    span: Span = field(eq=False)
    # The values in it and in the lists in it, and how deep they go: known without writing them out.
    size: int = field(init=False, eq=False, repr=False)
    depth: int = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        lists = [item for item in self.items if isinstance(item, ListOf)]
        object.__setattr__(self, "size", len(self.items) + sum(item.size for item in lists))
        object.__setattr__(self, "depth", 1 + max((item.depth for item in lists), default=0))


Value = Number | Text | Name | ListOf


@frozen
class Amount:
    """A budget's amount; `value` is None for `unlimited`."""

    kind: Literal["templates", "parameters", "native", "unlimited"]
    value: Value | None
    span: Span = field(eq=False)


@frozen
class CallArgument:
    """An argument of a call; plain ones have no name."""

    name: Name | None
    value: Value
    span: Span = field(eq=False)


@frozen
class Call:
    """A name with arguments; `name` alone is a call without any."""

    name: Name
    arguments: tuple[CallArgument, ...]
    span: Span = field(eq=False)


@frozen
class Parameter:
    """A parameter of a recipe or a policy, with its default."""

    name: Name
    default: Value | None
    span: Span = field(eq=False)


@frozen
class Import:
    """`import "file.sw"`."""

    path: Text
    span: Span = field(eq=False)


@frozen
class DataItem:
    """`data cifar100`, `data folder("path", ...)`, or a param."""

    source: Call
    span: Span = field(eq=False)


@frozen
class TaskItem:
    """`task regression(targets: 2)`: what an example's targets are."""

    call: Call
    span: Span = field(eq=False)


@frozen
class ParamItem:
    """`param beta = 0.9`."""

    name: Name
    value: Value | Amount
    span: Span = field(eq=False)


@frozen
class MemberItem:
    """`member m[4] = wrn(...)`; `count` is None for a single one, `weights` where it begins with fresh ones."""

    name: Name
    count: Value | None
    source: Call
    weights: Value | None
    span: Span = field(eq=False)


@frozen
class StepItem:
    """`step sandwich(random: 2)`: how the members run together."""

    call: Call
    span: Span = field(eq=False)


@frozen
class BudgetItem:
    """`budget 18M templates`, or the name of a param that holds an amount."""

    amount: Amount | Name
    span: Span = field(eq=False)


@frozen
class ClustersItem:
    """The `clusters` item; `bins` belongs to `depth`, `groups` to `explicit`."""

    kind: Literal["depth", "one", "per_layer", "by_shape", "explicit"]
    bins: Value | None
    groups: ListOf | None
    span: Span = field(eq=False)


@frozen
class CoefficientsItem:
    """`coefficients by partner`."""

    by: Name
    span: Span = field(eq=False)


@frozen
class TemplatesItem:
    """`templates even up to 8`."""

    rule: Call
    cap: Value | None
    span: Span = field(eq=False)


@frozen
class BlocksItem:
    """`blocks chain`."""

    by: Name
    span: Span = field(eq=False)


@frozen
class InitialisationItem:
    """`initialisation kaiming`."""

    by: Name
    span: Span = field(eq=False)


ShareItem = ClustersItem | CoefficientsItem | TemplatesItem | BlocksItem | InitialisationItem


@frozen
class ShareBlock:
    """`share SELECTOR as POLICY { ... }`."""

    selector: Name | Text
    policy: Call | None
    items: tuple[ShareItem, ...]
    span: Span = field(eq=False)


@frozen
class SettingItem:
    """A recipe item of one value, by its key."""

    key: Literal["batch", "label_smoothing", "norm_batch", "clip_gradients", "precision", "seed"]
    value: Value
    span: Span = field(eq=False)


@frozen
class LossItem:
    """`loss focal(gamma: 2)`."""

    call: Call
    span: Span = field(eq=False)


@frozen
class OptimiserItem:
    """`optimiser sgd(...)`."""

    call: Call
    span: Span = field(eq=False)


@frozen
class NoDecayItem:
    """`no_decay coefficients, norms`."""

    names: tuple[Name, ...]
    span: Span = field(eq=False)


@frozen
class ScheduleItem:
    """`schedule steps(...), warmup 10 epochs`."""

    call: Call
    warmup: Value | None
    span: Span = field(eq=False)


@frozen
class AugmentItem:
    """`augment crop(pad: 4), flip`."""

    steps: tuple[Call, ...]
    span: Span = field(eq=False)


@frozen
class WeightAverageItem:
    """`weight_average ema(decay: 0.999)`."""

    call: Call
    span: Span = field(eq=False)


RecipeItem = SettingItem | WeightAverageItem | LossItem | OptimiserItem | NoDecayItem | ScheduleItem | AugmentItem


@frozen
class SplitClause:
    """`then split clusters below 0.1 ...` or `then split clusters into 12 ...`: one of both is None."""

    threshold: Value | None
    number: Value | None
    linkage: Name | None
    across: Name | None
    batches: Value | None
    sketch: Value | None
    span: Span = field(eq=False)


@frozen
class GroupClause:
    """`then group layers in 4 clusters`."""

    number: Value
    span: Span = field(eq=False)


@frozen
class CarryClause:
    """`then restart` or `then continue`."""

    kind: Literal["restart", "continue"]
    span: Span = field(eq=False)


@frozen
class UntieClause:
    """`after 10 epochs untie coefficients below 0.9`."""

    after: Value
    threshold: Value
    batches: Value | None
    span: Span = field(eq=False)


@frozen
class Act:
    """`after 10 epochs freeze coefficients`: an action that a registry declares, by its verb and what it is about."""

    after: Value
    verb: Name
    target: Call
    span: Span = field(eq=False)


Clause = SplitClause | GroupClause | CarryClause | UntieClause | Act


@frozen
class PhaseItem:
    """`phase NAME: N epochs at lr X`, or `up to N epochs, patience P`, and what happens in it and after it."""

    name: Name
    epochs: Value
    patience: Value | None
    lr: Value | None
    clauses: tuple[Clause, ...]
    span: Span = field(eq=False)


@frozen
class TrainBlock:
    """`train RECIPE(...) { overrides and phases }`."""

    recipe: Call | None
    items: tuple[RecipeItem | PhaseItem, ...]
    span: Span = field(eq=False)


EnsembleItem = DataItem | TaskItem | ParamItem | MemberItem | StepItem | BudgetItem | ShareBlock | TrainBlock


@frozen
class RecipeDefinition:
    """`recipe NAME(parameters) { ... }`."""

    name: Name
    parameters: tuple[Parameter, ...]
    items: tuple[RecipeItem, ...]
    span: Span = field(eq=False)


@frozen
class PolicyDefinition:
    """`policy NAME(parameters) as POLICY { ... }`: share items under a name."""

    name: Name
    parameters: tuple[Parameter, ...]
    base: Call | None
    items: tuple[ShareItem, ...]
    span: Span = field(eq=False)


@frozen
class EnsembleDefinition:
    """`ensemble NAME extends BASE { ... }`."""

    name: Name
    base: Name | None
    items: tuple[EnsembleItem, ...]
    span: Span = field(eq=False)


Definition = Import | EnsembleDefinition | RecipeDefinition | PolicyDefinition


@frozen
class File:
    """A whole file."""

    definitions: tuple[Definition, ...]
    span: Span = field(eq=False)
