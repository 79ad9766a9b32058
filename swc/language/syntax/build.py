"""The parser's nodes to the syntax tree of this language.

Takes a tree of nodes without mistakes and its source, gives a `File`. Guarantees: every node has a span.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from attrs import evolve, frozen

from swc.diagnostics import Span
from swc.language.syntax import tree as t
from swc.language.syntax.scan import Source, number_value
from swc.language.syntax.stack import Node


def build_file(tree: Node, source: Source) -> t.File:
    """The whole file."""
    builder = _Builder(source)
    definitions = tuple(builder.build(child) for child in tree.children)
    return t.File(definitions, source.span(0, 1))


@frozen
class _Builder:
    source: Source

    def build(self, node: Any) -> Any:
        """A node of the syntax tree; None stays None."""
        if node is None:
            return None
        span = self.source.span(node.start, node.end)
        if node.kind in LEAVES:
            return LEAVES[node.kind](node.children[0].text, span)
        if node.kind in ("linkage", "across", "over", "sketch"):
            return _Option(node.kind, self.build(node.children[0]))
        return FORMS[node.kind]([self.build(child) for child in node.children], span)


@frozen
class _Option:
    """An optional part of a clause, until the clause takes it."""

    key: str
    value: Any


def _number(text: str, span: Span) -> t.Number:
    value = number_value(text)
    assert value is not None, "the scanner has reported what is not a number"
    return t.Number(text, value, span)


def _options(parts: list[Any], key: str) -> Any:
    return next((part.value for part in parts if isinstance(part, _Option) and part.key == key), None)


def _rest(parts: list[Any]) -> tuple[Any, ...]:
    return tuple(part for part in parts if part is not None)


def _call(parts: list[Any], span: Span) -> t.Call:
    return t.Call(parts[0], _rest(parts[1:]), span)


def _amount(kind: str) -> Callable[[list[Any], Span], t.Amount]:
    return lambda parts, span: t.Amount(cast(Any, kind), parts[0] if parts else None, span)


def _setting(key: str) -> Callable[[list[Any], Span], t.SettingItem]:
    return lambda parts, span: t.SettingItem(cast(Any, key), parts[0], span)


def _share(parts: list[Any], span: Span) -> t.ShareBlock:
    return t.ShareBlock(parts[0], parts[1], _rest(parts[2:]), span)


def _policy(parts: list[Any], span: Span) -> t.PolicyDefinition:
    return t.PolicyDefinition(parts[0], parts[1] or (), parts[2], _rest(parts[3:]), span)


def _recipe(parts: list[Any], span: Span) -> t.RecipeDefinition:
    return t.RecipeDefinition(parts[0], parts[1] or (), _rest(parts[2:]), span)


def _split(parts: list[Any], span: Span) -> t.SplitClause:
    linkage, across, over, sketch = (_options(parts, key) for key in ("linkage", "across", "over", "sketch"))
    return t.SplitClause(parts[0], None, linkage, across, over, sketch, span)


def _split_into(parts: list[Any], span: Span) -> t.SplitClause:
    clause = _split(parts, span)
    return evolve(clause, threshold=None, number=clause.threshold)


LEAVES: dict[str, Callable[[str, Span], t.Value]] = {
    "number": _number,
    "text": lambda text, span: t.Text(text[1:-1], span),
    "name": t.Name,
}
FORMS: dict[str, Callable[[list[Any], Span], Any]] = {
    "list": lambda p, s: t.ListOf(_rest(p), s),
    "named_argument": lambda p, s: t.CallArgument(p[0], p[1], s),
    "plain_argument": lambda p, s: t.CallArgument(None, p[0], s),
    "call": _call,
    "parameter": lambda p, s: t.Parameter(p[0], p[1], s),
    "parameters": lambda p, s: _rest(p),
    "import_file": lambda p, s: t.Import(p[0], s),
    "ensemble": lambda p, s: t.EnsembleDefinition(p[0], p[1], _rest(p[2:]), s),
    "data": lambda p, s: t.DataItem(p[0], s),
    "task": lambda p, s: t.TaskItem(p[0], s),
    "param": lambda p, s: t.ParamItem(p[0], p[1], s),
    "member": lambda p, s: t.MemberItem(p[0], p[1], p[2], p[3], s),
    "step": lambda p, s: t.StepItem(p[0], s),
    "budget": lambda p, s: t.BudgetItem(p[0], s),
    "templates_amount": _amount("templates"),
    "parameters_amount": _amount("parameters"),
    "native_amount": _amount("native"),
    "unlimited_amount": _amount("unlimited"),
    "share": _share,
    "policy": _policy,
    "clusters": lambda p, s: p[0],
    "by_depth": lambda p, s: t.ClustersItem("depth", p[0], None, s),
    "by_shape": lambda p, s: t.ClustersItem("by_shape", None, None, s),
    "one_cluster": lambda p, s: t.ClustersItem("one", None, None, s),
    "per_layer": lambda p, s: t.ClustersItem("per_layer", None, None, s),
    "explicit": lambda p, s: t.ClustersItem("explicit", None, p[0], s),
    "coefficients": lambda p, s: t.CoefficientsItem(p[0], s),
    "templates": lambda p, s: t.TemplatesItem(p[0], p[1], s),
    "blocks": lambda p, s: t.BlocksItem(p[0], s),
    "initialisation": lambda p, s: t.InitialisationItem(p[0], s),
    "recipe": _recipe,
    "train": lambda p, s: t.TrainBlock(p[0], _rest(p[1:]), s),
    "batch": _setting("batch"),
    "label_smoothing": _setting("label_smoothing"),
    "norm_batch": _setting("norm_batch"),
    "clip_gradients": _setting("clip_gradients"),
    "precision": _setting("precision"),
    "seed": _setting("seed"),
    "weight_average": lambda p, s: t.WeightAverageItem(p[0], s),
    "loss": lambda p, s: t.LossItem(p[0], s),
    "optimiser": lambda p, s: t.OptimiserItem(p[0], s),
    "no_decay": lambda p, s: t.NoDecayItem(_rest(p), s),
    "schedule": lambda p, s: t.ScheduleItem(p[0], p[1], s),
    "augment": lambda p, s: t.AugmentItem(_rest(p), s),
    "phase": lambda p, s: t.PhaseItem(p[0], p[1], None, p[2], _rest(p[3:]), s),
    "phase_up_to": lambda p, s: t.PhaseItem(p[0], p[1], p[2], p[3], _rest(p[4:]), s),
    "split": _split,
    "split_into": _split_into,
    "group_layers": lambda p, s: t.GroupClause(p[0], s),
    "restart": lambda p, s: t.CarryClause("restart", s),
    "carry_on": lambda p, s: t.CarryClause("continue", s),
    "act": lambda p, s: t.Act(p[0], p[1], p[2], s),
    "untie": lambda p, s: t.UntieClause(p[0], p[1], _options(p[2:], "over"), s),
}
