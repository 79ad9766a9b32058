"""Recipes: how members are trained.

Takes the items of a recipe and of the train block that overrides it, each with its scope, gives `Recipe`. Guarantees:
every value is settled and in its range; every default that the compiler chose is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, cast

from attrs import define, evolve, field

from swc.diagnostics import Span, catalogue
from swc.language.semantics import values
from swc.language.semantics.calls import Signature, bind, bind_declared, bind_given, read_declared, row_named, row_of
from swc.language.semantics.scope import Scope
from swc.language.semantics.values import NOT_NEGATIVE, POSITIVE
from swc.language.syntax import tree
from swc.program.limits import IMAGES
from swc.program.training import AugmentationStep, Loss, Optimiser, Precision, Recipe, Schedule, WeightAverage
from swc.program.vocabulary import NO_DECAY, PRECISIONS
from swc.registry.augmentations import AUGMENTATIONS, AugmentationRow
from swc.registry.averages import AVERAGES
from swc.registry.losses import LOSSES
from swc.registry.optimisers import OPTIMISERS
from swc.registry.ranges import Range
from swc.registry.row import ArgumentValue, RegistryRow, shown_value
from swc.registry.schedules import SCHEDULES

PAIR = Range(least=2, most=IMAGES)  # BatchNorm has no variance of a single image
SHORT_FOR = {"label_smoothing": "loss"}  # items that say the same as another in fewer words
ORDER = ["batch", "optimiser", "no_decay", "schedule", "augment", "loss", "norm_batch", "precision", "seed"]


@define
class Draft:
    """A recipe in the making, and the keys that were stated so far."""

    recipe: Recipe
    stated: set[str] = field(factory=set)
    norm_span: Span | None = None

    def set(self, **changes: Any) -> None:
        """Settle parts of the recipe."""
        self.recipe = evolve(self.recipe, **changes)


def add_items(draft: Draft, items: Iterable[tree.RecipeItem], scope: Scope) -> None:
    """Settle the items of one block over what the draft holds already."""
    seen: dict[str, tuple[str, Span]] = {}
    for item in items:
        scope.extent.take(1, item.span, scope.sink)
        key = _key(item)
        meant = SHORT_FOR.get(key, key)
        if meant in seen:
            _report_second(item, key, *seen[meant], scope)
        seen.setdefault(meant, (key, item.span))
        draft.stated.add(meant)
        READERS[key](draft, item, scope)


def _report_second(item: tree.RecipeItem, key: str, before: str, first: Span, scope: Scope) -> None:
    """An item after another, called `before`, that says the same kind of thing."""
    if key == before:
        scope.sink.report(catalogue.DuplicateItem(span=item.span, what=f"`{key}`", first=str(first)))
    else:
        scope.sink.report(catalogue.LossAndSmoothing(span=item.span, item=key, other=before, first=str(first)))


def finish(draft: Draft, scope: Scope, where: str) -> Recipe:
    """The recipe; notes what nobody stated."""
    recipe = draft.recipe
    left_open = {
        "batch": f"batch {recipe.batch}",
        "optimiser": f"optimiser {recipe.optimiser.name}",
        "no_decay": f"no_decay {', '.join(recipe.optimiser.no_decay)}",
        "schedule": f"schedule {recipe.schedule.name}",
        "augment": "augment none",
        "loss": _loss_text(recipe.loss),
        "norm_batch": "norm_batch none (BatchNorm over the whole batch)",
        "precision": f"precision {recipe.precision}",
        "seed": f"seed {recipe.seed}",
    }
    if recipe.norm_batch is not None and recipe.norm_batch > recipe.batch and draft.norm_span is not None:
        found = str(recipe.norm_batch)
        wanted = f"at most the batch of {recipe.batch}"
        scope.sink.report(
            catalogue.OutOfRange(span=draft.norm_span, what="a batch of BatchNorm", wanted=wanted, found=found)
        )
    scope.defaults.extend(f"{where}: {left_open[key]}" for key in ORDER if key not in draft.stated)
    stated = {name.partition(" ")[2] for name in draft.stated if name.startswith(f"{recipe.optimiser.name} ")}
    row = OPTIMISERS[recipe.optimiser.name]
    left = (one.name for one in row.arguments if one.name not in stated)
    values_left = ((name, recipe.optimiser.values[name]) for name in left)
    scope.defaults.extend(f"{where}: {row.name} {name} {shown_value(value)}" for name, value in values_left)
    return recipe


def _loss_text(loss: Loss) -> str:
    """A loss that nobody stated, as one would."""
    return f"loss {loss.name}" if loss.smoothing is None else f"label_smoothing {loss.smoothing:g}"


def _key(item: tree.RecipeItem) -> str:
    names = {
        tree.OptimiserItem: "optimiser",
        tree.NoDecayItem: "no_decay",
        tree.WeightAverageItem: "weight_average",
        tree.LossItem: "loss",
        tree.ScheduleItem: "schedule",
        tree.AugmentItem: "augment",
    }
    return item.key if isinstance(item, tree.SettingItem) else names[type(item)]


def _batch(draft: Draft, item: tree.SettingItem, scope: Scope) -> None:
    draft.set(batch=values.whole(item.value, scope, "a batch", PAIR, fallback=2))


def _label_smoothing(draft: Draft, item: tree.SettingItem, scope: Scope) -> None:
    """Short for `loss cross_entropy(label_smoothing: X)`."""
    declared = LOSSES[Loss().name].arguments[0]
    draft.set(loss=Loss.of(label_smoothing=read_declared(item.value, scope, declared, Loss().name)))


def _loss(draft: Draft, item: tree.LossItem, scope: Scope) -> None:
    row = row_of(item.call.name, LOSSES, scope)
    given = {} if row is None else bind_declared(item.call, scope, row.arguments, f"loss {row.name}")
    if row is not None and not row.fault_of(given):
        draft.set(loss=Loss(row.name, row.settled(given)))


def _norm_batch(draft: Draft, item: tree.SettingItem, scope: Scope) -> None:
    draft.norm_span = item.span
    is_none = _is_none(item, scope)
    draft.set(norm_batch=None if is_none else values.whole(item.value, scope, "a batch of BatchNorm", PAIR))


def _clip_gradients(draft: Draft, item: tree.SettingItem, scope: Scope) -> None:
    what = "the greatest norm of the gradients"
    draft.set(clip_gradients=None if _is_none(item, scope) else float(values.number(item.value, scope, what, POSITIVE)))


def _weight_average(draft: Draft, item: tree.WeightAverageItem, scope: Scope) -> None:
    call = scope.called(item.call)
    if call.name.text == "none":
        bind(call, scope, Signature())
        draft.set(weight_average=None)
        return
    row = row_of(item.call.name, AVERAGES, scope)
    given = {} if row is None else bind_declared(item.call, scope, row.arguments, f"weight_average {row.name}")
    if row is not None and not row.fault_of(given):
        draft.set(weight_average=WeightAverage(row.name, row.settled(given)))


def _is_none(item: tree.SettingItem, scope: Scope) -> bool:
    found = scope.settle(item.value)
    return isinstance(found, tree.Name) and found.text == "none"


def _precision(draft: Draft, item: tree.SettingItem, scope: Scope) -> None:
    draft.set(precision=cast(Precision, values.choice(item.value, scope, "precision", PRECISIONS)))


def _seed(draft: Draft, item: tree.SettingItem, scope: Scope) -> None:
    draft.set(seed=values.whole(item.value, scope, "a seed", NOT_NEGATIVE))


def _optimiser(draft: Draft, item: tree.OptimiserItem, scope: Scope) -> None:
    """Arguments that are left out keep the recipe's value, where the recipe has the same optimiser."""
    row = row_of(item.call.name, OPTIMISERS, scope)
    if row is None:
        return
    before = draft.recipe.optimiser
    is_same = row.name == before.name
    given = bind_given(item.call, scope, row.arguments)
    draft.stated |= {f"{row.name} {name}" for name in given}
    settled = row.settled({**before.values, **given} if is_same else given)
    _check_conditions(row, dict(settled), item.span, scope)
    draft.set(optimiser=Optimiser(row.name, settled, before.no_decay))


def _check_conditions(row: RegistryRow, given: Mapping[str, ArgumentValue], span: Span, scope: Scope) -> None:
    for condition in row.conditions:
        if not condition.is_met(given):
            what = f"{condition.argument} with `{condition.when}: yes`"
            wanted, found = f"above {condition.above:g}", shown_value(given[condition.argument])
            scope.sink.report(catalogue.OutOfRange(span=span, what=what, wanted=wanted, found=found))


def _no_decay(draft: Draft, item: tree.NoDecayItem, scope: Scope) -> None:
    """Kinds of parameters, or `none`, which stands alone."""
    what, named = "kind of parameter without weight decay", len(item.names)
    words = [values.choice(name, scope, what, NO_DECAY if named > 1 else (*NO_DECAY, "none")) for name in item.names]
    meant = [values.word_of(scope.settle(name)) for name in item.names]  # an unknown one was taken for the first known
    for place, (word, name) in enumerate(zip(meant, item.names, strict=True)):
        if word in meant[:place]:
            scope.sink.report(catalogue.DuplicateItem(span=name.span, what=f"`{word}`", first="the same line"))
    draft.set(optimiser=evolve(draft.recipe.optimiser, no_decay=tuple(sorted({*words} - {"none"}))))


def _schedule(draft: Draft, item: tree.ScheduleItem, scope: Scope) -> None:
    row = row_of(item.call.name, SCHEDULES, scope)
    warmup = values.number(item.warmup, scope, "a warm-up", NOT_NEGATIVE) if item.warmup is not None else 0
    given = {} if row is None else bind_declared(item.call, scope, row.arguments, f"schedule {row.name}")
    if row is not None and not row.fault_of(given):
        draft.set(schedule=Schedule(row.name, row.settled(given), float(warmup)))


def _augment(draft: Draft, item: tree.AugmentItem, scope: Scope) -> None:
    """The steps in the order in which they are taken; what does nothing is left out."""
    stated = tuple(map(scope.called, item.steps))
    if len(stated) == 1 and stated[0].name.text == "none":
        bind(stated[0], scope, Signature())
        draft.set(augmentation=())
        return
    steps: dict[str, AugmentationStep | None] = {}
    for call in stated:
        row = row_named(call.name.text, AUGMENTATIONS, call.name.span, scope, partial(_unknown_step, call, scope))
        if row is None:
            continue
        if row.name in steps:
            scope.sink.report(catalogue.DuplicateItem(span=call.span, what=f"`{row.name}`", first="the same line"))
        steps[row.name] = _step(call, row, scope)
    order = {name: place for place, name in enumerate((*AUGMENTATIONS.names, *steps))}
    taken = sorted((step for step in steps.values() if step is not None), key=lambda step: order[step.name])
    draft.set(augmentation=tuple(taken))


def _unknown_step(call: tree.Call, scope: Scope) -> None:
    name, known = call.name.text, AUGMENTATIONS.choices()
    choices = known if name == "none" else (*known, "none")
    unknown = catalogue.UnknownChoice(span=call.name.span, name=name, what="augmentation", choices=choices)
    scope.sink.report(unknown)


def _step(call: tree.Call, row: AugmentationRow, scope: Scope) -> AugmentationStep | None:
    given = bind_given(call, scope, row.arguments)
    if row.fault_of({**row.defaults(), **given}) or any(
        given.get(one.name) == 0 for one in row.arguments if one.in_pixels
    ):
        return None
    return AugmentationStep(row.name, row.settled(given))


READERS: dict[str, Callable[[Draft, Any, Scope], None]] = {
    "batch": _batch,
    "optimiser": _optimiser,
    "no_decay": _no_decay,
    "schedule": _schedule,
    "augment": _augment,
    "label_smoothing": _label_smoothing,
    "loss": _loss,
    "norm_batch": _norm_batch,
    "clip_gradients": _clip_gradients,
    "weight_average": _weight_average,
    "precision": _precision,
    "seed": _seed,
}
