"""The way back: a syntax tree to the text of a `.sw` file.

Takes a tree, one that was parsed or one that was built, and remarks on its items; gives text. Guarantees: the text is
in the canonical form, and parses to an equal tree, `parse_text(print_tree(t)) == t`.

    print_tree(File((Import(Text("digits.sw", NOWHERE), NOWHERE),), NOWHERE)) == 'import "digits.sw"\\n'

A tree holds no comments and no blank lines, which mean nothing to the compiler; remarks are how a writer adds them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from attrs import frozen

from swc.language.syntax import tree as t
from swc.language.syntax.printer import format_text


@frozen
class Remark:
    """What stands around an item: comment lines above it, a comment at the end of its first line, a blank line before.

    Comments are given without their `#`.
    """

    above: tuple[str, ...] = ()
    beside: str = ""
    has_blank: bool = False


Remarks = dict[Any, Remark]  # by definition, item or phase; equal nodes have the same remark
PLAIN = Remark()


def print_tree(file: t.File, remarks: Remarks | None = None) -> str:
    """The text of a whole file."""
    lines = (line for one in file.definitions for line in _lines(one, remarks or {}))
    return format_text("".join(f"{line}\n" for line in lines))


def _lines(node: Any, remarks: Remarks) -> Iterator[str]:
    """A definition or an item with its remark; a block has a line for each item and one for its end."""
    remark = remarks.get(node, PLAIN)
    yield from [""] * remark.has_blank
    yield from (f"# {comment}" for comment in remark.above)
    beside = f"  # {remark.beside}" if remark.beside else ""
    head = HEADS[type(node)](node)
    items = _items(node)
    if items is None:
        yield head + beside
        return
    yield f"{head} {{{beside}"
    for item in items:
        yield from _lines(item, remarks)
    yield "}"


def _items(node: Any) -> tuple[Any, ...] | None:
    """What stands in a node's braces; None where it has none. A share block without items is one line."""
    if isinstance(node, t.ShareBlock):
        return node.items or None
    return (
        node.items
        if isinstance(node, t.EnsembleDefinition | t.RecipeDefinition | t.PolicyDefinition | t.TrainBlock)
        else None
    )


# --- values and calls -------------------------------------------------------------------------------------------------


def value_text(value: t.Value | t.Amount) -> str:
    """A value, or the amount of a budget, as it is written."""
    match value:
        case t.Number(text) | t.Name(text):
            return text
        case t.Text(inner):
            assert not {'"', "\n"} & set(inner), "the language has no way to write a quote or a line end within a text"
            return f'"{inner}"'
        case t.ListOf(items):
            return f"[{_joined(map(value_text, items))}]"
        case t.Amount("unlimited"):
            return "unlimited"
        case t.Amount(kind, inner):
            assert inner is not None, "only an unlimited budget has no amount"
            return f"{value_text(inner)} {'of native' if kind == 'native' else kind}"


def call_text(call: t.Call) -> str:
    """A name with its arguments; one without any has no brackets."""
    arguments = _joined(
        value_text(one.value) if one.name is None else f"{one.name.text}: {value_text(one.value)}"
        for one in call.arguments
    )
    return f"{call.name.text}({arguments})" if arguments else call.name.text


def _joined(parts: Iterable[str]) -> str:
    return ", ".join(parts)


def _optional(before: str, value: t.Value | t.Call | None, after: str = "") -> str:
    """A part that may be left out, with the words around it."""
    if value is None:
        return ""
    return f"{before}{call_text(value) if isinstance(value, t.Call) else value_text(value)}{after}"


def _member(node: t.MemberItem) -> str:
    name = f"{node.name.text}{_optional('[', node.count, ']')}"
    return f"member {name} = {call_text(node.source)}{_optional(' from ', node.weights)}"


def _parameters(parameters: tuple[t.Parameter, ...]) -> str:
    inner = _joined(f"{one.name.text}{_optional(': ', one.default)}" for one in parameters)
    return f"({inner})" if inner else ""


# --- items ------------------------------------------------------------------------------------------------------------


def _share(node: t.ShareBlock) -> str:
    return f"share {value_text(node.selector)}{_optional(' as ', node.policy)}"


def _policy(node: t.PolicyDefinition) -> str:
    return f"policy {node.name.text}{_parameters(node.parameters)}{_optional(' as ', node.base)}"


def _clusters(node: t.ClustersItem) -> str:
    match node.kind:
        case "depth":
            return f"clusters by depth{_optional(' in ', node.bins, ' bins')}"
        case "explicit":
            return f"clusters{_optional(' ', node.groups)}"
        case "by_shape":
            return "clusters by shape"
        case "one":
            return "clusters one"
        case "per_layer":
            return "clusters per layer"


def _budget(node: t.BudgetItem) -> str:
    return f"budget {value_text(node.amount)}"


def _phase(node: t.PhaseItem) -> str:
    up_to = "" if node.patience is None else "up to "
    length = f"{up_to}{value_text(node.epochs)} epochs{_optional(', patience ', node.patience)}"
    head = f"phase {node.name.text}: {length}{_optional(' at lr ', node.lr)}"
    return "\n".join((head, *(CLAUSES[type(clause)](clause) for clause in node.clauses)))


def _split(node: t.SplitClause) -> str:
    options = (
        _optional(" below ", node.threshold),
        _optional(" into ", node.number),
        _optional(" linkage ", node.linkage),
        _optional(" across ", node.across),
        _optional(" over ", node.batches, " batches"),
        _optional(" sketch ", node.sketch),
    )
    return f"then split clusters{''.join(options)}"


def _untie(node: t.UntieClause) -> str:
    options = _optional(" over ", node.batches, " batches")
    return f"after {value_text(node.after)} epochs untie coefficients below {value_text(node.threshold)}{options}"


CLAUSES: dict[type, Callable[[Any], str]] = {
    t.SplitClause: _split,
    t.GroupClause: lambda node: f"then group layers in {value_text(node.number)} clusters",
    t.CarryClause: lambda node: f"then {node.kind}",
    t.UntieClause: _untie,
    t.Act: lambda node: f"after {value_text(node.after)} epochs {node.verb.text} {call_text(node.target)}",
}
HEADS: dict[type, Callable[[Any], str]] = {
    t.Import: lambda node: f"import {value_text(node.path)}",
    t.EnsembleDefinition: lambda node: f"ensemble {node.name.text}{_optional(' extends ', node.base)}",
    t.RecipeDefinition: lambda node: f"recipe {node.name.text}{_parameters(node.parameters)}",
    t.PolicyDefinition: _policy,
    t.DataItem: lambda node: f"data {call_text(node.source)}",
    t.TaskItem: lambda node: f"task {call_text(node.call)}",
    t.ParamItem: lambda node: f"param {node.name.text} = {value_text(node.value)}",
    t.MemberItem: _member,
    t.StepItem: lambda node: f"step {call_text(node.call)}",
    t.BudgetItem: _budget,
    t.ShareBlock: _share,
    t.ClustersItem: _clusters,
    t.CoefficientsItem: lambda node: f"coefficients by {node.by.text}",
    t.TemplatesItem: lambda node: f"templates {call_text(node.rule)}{_optional(' up to ', node.cap)}",
    t.BlocksItem: lambda node: f"blocks {node.by.text}",
    t.InitialisationItem: lambda node: f"initialisation {node.by.text}",
    t.TrainBlock: lambda node: f"train{_optional(' ', node.recipe)}",
    t.SettingItem: lambda node: f"{node.key} {value_text(node.value)}",
    t.WeightAverageItem: lambda node: f"weight_average {call_text(node.call)}",
    t.LossItem: lambda node: f"loss {call_text(node.call)}",
    t.OptimiserItem: lambda node: f"optimiser {call_text(node.call)}",
    t.NoDecayItem: lambda node: f"no_decay {_joined(name.text for name in node.names)}",
    t.ScheduleItem: lambda node: f"schedule {call_text(node.call)}{_optional(', warmup ', node.warmup, ' epochs')}",
    t.AugmentItem: lambda node: f"augment {_joined(map(call_text, node.steps))}",
    t.PhaseItem: _phase,
}
