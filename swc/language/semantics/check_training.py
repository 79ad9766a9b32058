"""What a recipe and phases ask, against the data and the step strategy of the same ensemble.

Takes the items of an ensemble and what was read of them; gives nothing. Guarantees: every mistake is reported where it
was written.
"""

from __future__ import annotations

from collections.abc import Iterator

from swc.diagnostics import Span, catalogue
from swc.language.semantics.scope import Scope
from swc.language.semantics.steps import span_of_step
from swc.language.syntax import tree
from swc.program.datasets import DataFacts
from swc.program.steps import StepPlan
from swc.program.training import Loss, Phase, Training
from swc.program.vocabulary import OWN_LOSS_STEPS, PARTED_STEPS, UNMIXED_STEPS

Items = tuple[tree.EnsembleItem, ...]
COLOURS = (1, 3)  # channels of grey images and of coloured ones


def check_training(
    items: Items, data: DataFacts | None, step: StepPlan, training: Training | None, scope: Scope
) -> None:
    """Report what of a training does not go with the data (None: not known), the step strategy, or with itself."""
    _check_loss(items, step, training, scope)
    if training is not None:
        _check_norm_batch(items, step, training, scope)
        _check_patience(items, data, training, scope)
        _check_augmentation(items, data, step, training, scope)


def _check_loss(items: Items, step: StepPlan, training: Training | None, scope: Scope) -> None:
    """A strategy with a loss of its own asks no other."""
    loss = Loss() if training is None else training.recipe.loss
    if step.name in OWN_LOSS_STEPS and loss.name != Loss().name:
        scope.sink.report(catalogue.LossOfStep(span=span_of_step(items), step=step.name, loss=loss.name))


def _check_norm_batch(items: Items, step: StepPlan, training: Training, scope: Scope) -> None:
    """A strategy that deals images out itself shows them to BatchNorm as it deals them."""
    size = training.recipe.norm_batch
    if step.name in PARTED_STEPS and size is not None:
        scope.sink.report(catalogue.NormBatchOfStep(span=span_of_step(items), step=step.name, size=size))


def _check_patience(items: Items, data: DataFacts | None, training: Training, scope: Scope) -> None:
    """A phase that ends by its scores has some to go by, and a schedule that does not ask for its end."""
    schedule = training.recipe.schedule
    for span, phase in _patient(items, training.phases):
        if data is not None and not data.has_validation:
            scope.sink.report(catalogue.PatienceWithoutValidation(span=span, phase=phase.name))
        if phase.lr is None and schedule.row.needs_end:
            known = tuple(name for name in schedule.registry.names if not schedule.registry[name].needs_end)
            wrong = catalogue.ScheduleNeedsEnd(span=span, phase=phase.name, schedule=schedule.name, schedules=known)
            scope.sink.report(wrong)


def _check_augmentation(items: Items, data: DataFacts | None, step: StepPlan, training: Training, scope: Scope) -> None:
    """Not every loss and strategy can use labels of mixed images; some steps know grey and coloured images alone."""
    block = next(item for item in items if isinstance(item, tree.TrainBlock))
    own = (part.span for part in block.items if isinstance(part, tree.AugmentItem))
    span = next(own, block.recipe.span if block.recipe is not None else block.span)
    loss = training.recipe.loss
    for one in training.recipe.augmentation:
        if one.row.in_colour and data is not None and data.are_images and data.image_shape[0] not in COLOURS:
            channels = data.image_shape[0]
            scope.sink.report(catalogue.ChannelsNotAugmented(span=span, augmentation=one.name, channels=channels))
        if one.row.stage == "mixing" and step.name in UNMIXED_STEPS:
            wrong = catalogue.LabelsNotMixed(span=span, augmentation=one.name, what=f"`step {step.name}`")
            scope.sink.report(wrong)
        elif one.row.stage == "mixing" and not loss.row.takes_mixed:
            scope.sink.report(catalogue.LabelsNotMixed(span=span, augmentation=one.name, what=f"`loss {loss.name}`"))


def _patient(items: Items, phases: tuple[Phase, ...]) -> Iterator[tuple[Span, Phase]]:
    """The phases that patience may end, each with where it says so."""
    blocks = (item for item in items if isinstance(item, tree.TrainBlock))
    written = [part for block in blocks for part in block.items if isinstance(part, tree.PhaseItem)]
    for item, phase in zip(written, phases, strict=True):
        if item.patience is not None:
            yield item.patience.span, phase
