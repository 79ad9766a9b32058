"""The train block: its recipe and its phases.

Takes a train block, the recipes that can be named and a scope, gives `Training`. Guarantees: a split is followed by a
phase; what happens within a phase lies inside it, in order.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from swc.diagnostics import DiagnosticError, Span, catalogue
from swc.language.semantics import values
from swc.language.semantics.calls import bind_declared
from swc.language.semantics.library import Definitions
from swc.language.semantics.recipes import Draft, add_items, finish
from swc.language.semantics.scope import Scope
from swc.language.semantics.sharing import enter
from swc.language.semantics.values import COSINE, POSITIVE, SKETCH
from swc.language.syntax import tree
from swc.program.task import Task
from swc.program.training import (
    GroupLayers,
    Loss,
    Phase,
    PhaseAction,
    Recipe,
    SplitClusters,
    Training,
    UntieCoefficients,
)
from swc.program.vocabulary import ACROSS, LINKAGES
from swc.registry.actions import ACTIONS

CLASSIFICATION = Task()


def read_training(
    item: tree.TrainBlock, recipes: Definitions[tree.RecipeDefinition], scope: Scope, task: Task = CLASSIFICATION
) -> Training:
    """The recipe with the block's own settings over it, and the phases; the loss is the task's where none is named."""
    recipe = _recipe(item, recipes, scope, task)
    phases = tuple(part for part in item.items if isinstance(part, tree.PhaseItem))
    if not phases:
        example = "phase main: 200 epochs"
        scope.sink.report(
            catalogue.MissingItem(span=item.span, what="phase", inside="the train block", example=example)
        )
    read = _phases(phases, scope)
    _check_schedule(recipe, read, item, scope)
    return Training(recipe, read)


def _recipe(item: tree.TrainBlock, recipes: Definitions[tree.RecipeDefinition], scope: Scope, task: Task) -> Recipe:
    call = None if item.recipe is None else scope.called(item.recipe)
    name = "default" if call is None else call.name.text
    draft = Draft(Recipe(name, loss=Loss.of(task.row.loss)))
    if call is not None and name not in recipes:
        scope.sink.report(catalogue.UnknownRecipe(span=call.name.span, name=name, recipes=recipes.names))
    elif call is not None:
        found = recipes[name]
        add_items(draft, found.items, enter(call, found.parameters, scope))
    settings = tuple(part for part in item.items if not isinstance(part, tree.PhaseItem))
    add_items(draft, settings, scope)
    return finish(draft, scope, f"train {name}")


def check_recipe(item: tree.RecipeDefinition, scope: Scope) -> None:
    """Report the mistakes of a recipe that no train block uses."""
    add_items(Draft(Recipe(item.name.text)), item.items, scope)


def _check_schedule(recipe: Recipe, phases: tuple[Phase, ...], item: tree.TrainBlock, scope: Scope) -> None:
    scheduled = [phase.epochs for phase in phases if phase.lr is None]
    latest = max((*recipe.schedule.milestones, recipe.schedule.warmup))
    if scheduled and latest and latest >= max(scheduled):
        own = (part.span for part in item.items if isinstance(part, tree.ScheduleItem))
        span = next(own, item.recipe.span if item.recipe is not None else item.span)
        scope.sink.report(catalogue.MilestoneNeverReached(span=span, milestone=f"{latest:g}", epochs=max(scheduled)))


def _phases(items: tuple[tree.PhaseItem, ...], scope: Scope) -> tuple[Phase, ...]:
    seen: dict[str, Span] = {}
    for item in items:
        name = item.name.text
        if name in seen:
            what = f"phase `{name}`"
            scope.sink.report(catalogue.DuplicateItem(span=item.name.span, what=what, first=str(seen[name])))
        seen.setdefault(name, item.name.span)
    phases = tuple(_phase(item, scope) for item in items)
    if phases and phases[-1].split is not None:
        does = "splits the clusters" if phases[-1].is_search else "puts layers in groups"
        scope.sink.report(catalogue.SplitAtTheEnd(span=items[-1].span, phase=phases[-1].name, does=does))
    return phases


def _phase(item: tree.PhaseItem, scope: Scope) -> Phase:
    epochs = values.whole(item.epochs, scope, "a number of epochs", values.EPOCHS)
    patience = None if item.patience is None else values.whole(item.patience, scope, "a patience", values.EPOCHS)
    lr = float(values.number(item.lr, scope, "a learning rate", POSITIVE)) if item.lr is not None else None
    split = _only(item, tree.SplitClause | tree.GroupClause, "what ends the phase", scope)
    carry = _only(item, tree.CarryClause, "what follows the split", scope)
    if carry is not None and split is None:
        scope.sink.report(catalogue.CarryWithoutSplit(span=carry.span, carry=carry.kind))
    if isinstance(split, tree.GroupClause) and carry is not None and carry.kind == "continue":
        scope.sink.report(catalogue.GroupsCannotContinue(span=carry.span))
    if isinstance(split, tree.SplitClause) and carry is None:
        scope.defaults.append(f"phase {item.name.text}: then restart")
    within = _within(item, epochs, scope)
    return Phase(
        name=item.name.text,
        epochs=epochs,
        lr=lr,
        untie=tuple(one for one in within if isinstance(one, UntieCoefficients)),
        split=_ending(split, item.name.text, scope),
        carry=carry.kind if carry is not None else "restart",
        actions=tuple(one for one in within if isinstance(one, PhaseAction)),
        patience=patience,
    )


def _only(item: tree.PhaseItem, kind: Any, what: str, scope: Scope) -> Any:
    """The one clause of a kind, or None; a second one is reported."""
    found = [clause for clause in item.clauses if isinstance(clause, kind)]
    for again in found[1:]:
        scope.sink.report(catalogue.DuplicateItem(span=again.span, what=what, first=str(found[0].span)))
    return found[0] if found else None


def _ending(
    item: tree.SplitClause | tree.GroupClause | None, phase: str, scope: Scope
) -> SplitClusters | GroupLayers | None:
    match item:
        case tree.SplitClause():
            return _split(item, phase, scope)
        case tree.GroupClause():
            return GroupLayers(values.whole(item.number, scope, "a number of clusters", values.FEW))
        case None:
            return None


def _split(item: tree.SplitClause, phase: str, scope: Scope) -> SplitClusters:
    threshold, number = _extent(item, scope)
    linkage: Any = values.choice(item.linkage, scope, "linkage", LINKAGES) if item.linkage else "union"
    across: Any = values.choice(item.across, scope, "extent of a split", ACROSS) if item.across else "members"
    stated = (item.linkage, item.across)
    lines = ("linkage union", "across members")
    scope.defaults.extend(f"phase {phase}: {line}" for line, name in zip(lines, stated, strict=True) if name is None)
    if item.linkage is not None and number is not None and linkage == "release":
        scope.sink.report(catalogue.NumberByRelease(span=item.linkage.span))
    batches, sketch = _batches(item.batches, scope), _sketch(item.sketch, scope)
    return SplitClusters(threshold, linkage, across, batches, sketch, number, item.span)


def _extent(item: tree.SplitClause, scope: Scope) -> tuple[float | None, int | None]:
    """The threshold of a split, or the number of clusters that it makes."""
    if item.threshold is not None:
        return float(values.number(item.threshold, scope, "a cluster similarity", COSINE)), None
    assert item.number is not None, "the parser took one of both"
    return None, values.whole(item.number, scope, "a number of clusters", values.FEW)


def _sketch(value: tree.Value | None, scope: Scope) -> int | None:
    return values.whole(value, scope, "the size of a sketch", SKETCH, fallback=4096) if value is not None else None


def _batches(value: tree.Value | None, scope: Scope) -> int | None:
    return values.whole(value, scope, "a number of batches") if value is not None else None


def _within(item: tree.PhaseItem, epochs: int, scope: Scope) -> tuple[UntieCoefficients | PhaseAction, ...]:
    """What happens within a phase, in order; each after another epoch."""
    read: list[UntieCoefficients | PhaseAction] = []
    for clause in item.clauses:
        if not isinstance(clause, tree.UntieClause | tree.Act):
            continue
        action = (
            _untie(clause, scope) if isinstance(clause, tree.UntieClause) else _action(clause, item.name.text, scope)
        )
        if action is None:
            continue
        if action.after >= epochs or (read and action.after <= read[-1].after):
            scope.sink.report(
                catalogue.UntieOutsidePhase(
                    span=clause.span, after=action.after, epochs=epochs, phase=item.name.text, does=_does(clause)
                )
            )
        read.append(action)
    return tuple(read)


def _does(clause: tree.UntieClause | tree.Act) -> str:
    return "untie" if isinstance(clause, tree.UntieClause) else clause.verb.text


def _untie(clause: tree.UntieClause, scope: Scope) -> UntieCoefficients:
    after = values.whole(clause.after, scope, "the epoch to untie after")
    threshold = float(values.number(clause.threshold, scope, "a coefficient similarity", COSINE))
    return UntieCoefficients(after, threshold, _batches(clause.batches, scope))


def _action(clause: tree.Act, phase: str, scope: Scope) -> PhaseAction | None:
    """An action that a registry declares; None for an unknown one, which is reported."""
    after = values.whole(clause.after, scope, f"the epoch to {clause.verb.text} after")
    try:
        row = ACTIONS.find(f"{clause.verb.text}_{clause.target.name.text}")
    except DiagnosticError as error:
        scope.sink.report(evolve(error.diagnostics[0], span=clause.span))
        return None
    if row is None or row.clause != "common":
        known = tuple(name.replace("_", " ") for name in ACTIONS.choices() if ACTIONS[name].clause == "common")
        name = f"{clause.verb.text} {clause.target.name.text}"
        scope.sink.report(catalogue.UnknownAction(span=clause.span, name=name, actions=known))
        return None
    given = bind_declared(clause.target, scope, row.arguments, f"phase {phase}: {row.spoken}")
    return PhaseAction(row.name, row.settled(given), after)
