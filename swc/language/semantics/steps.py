"""What a step strategy needs: members it is for, and images for each of them.

Takes what an ensemble states, reports what does not go together. Guarantees: nothing is changed.
"""

from __future__ import annotations

from swc.diagnostics import Span, catalogue
from swc.language.semantics.scope import Scope
from swc.language.syntax import tree
from swc.program.spec import Member
from swc.program.steps import StepPlan
from swc.program.training import Training
from swc.program.vocabulary import STEP_FAMILIES
from swc.registry.families import FAMILIES

Items = tuple[tree.EnsembleItem, ...]


def _item(items: Items) -> tree.StepItem:
    """The `step` item; there is one."""
    return next(item for item in items if isinstance(item, tree.StepItem))


def span_of_step(items: Items) -> Span:
    """Where the strategy is stated; there must be a `step` item."""
    return _item(items).span


def check_step(items: Items, step: StepPlan, members: tuple[Member, ...], scope: Scope) -> None:
    """Some strategies are for the members of one family alone."""
    family = STEP_FAMILIES.get(step.name)
    if family is not None and all(member.source.name != family for member in members):
        span = span_of_step(items)
        scope.sink.report(catalogue.StepWithoutMembers(span=span, step=step.name, family=family))
    for member in members:
        needed = FAMILIES[member.source.name].step if member.source.kind == "family" else ""
        if needed and step.name != needed:
            scope.sink.report(catalogue.MembersWithoutStep(span=member.span, family=member.source.name, step=needed))
            break
    num_networks = sum(not member.host for member in members)
    if step.name == "sandwich" and _item(items).call.arguments:
        drawn, others = int(step["random"]), max(0, num_networks - 2)
        if drawn > others:
            scope.sink.report(catalogue.FewerToDraw(span=span_of_step(items), drawn=drawn, others=others))


def check_split_batch(
    items: Items, step: StepPlan, members: tuple[Member, ...], training: Training | None, scope: Scope
) -> None:
    """Every network gets two images of each batch."""
    num_networks = sum(not member.host for member in members)
    if step.name == "split" and training is not None:
        told = catalogue.BatchTooSmallToSplit(
            span=span_of_step(items), batch=training.recipe.batch, networks=num_networks
        )
        if told.batch < told.least:
            scope.sink.report(told)
