"""What goes together with the inputs that the data give: members' networks, and what a recipe does to images.

Takes the items of an ensemble and what was read of them; reports to the scope's sink. Guarantees: nothing is built or
opened; where only the opened data tell what members take, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import evolve

from swc.diagnostics import catalogue
from swc.language.semantics.scope import Scope
from swc.language.syntax import tree
from swc.program.datasets import DataFacts
from swc.program.input_faults import fault_of_augmentation, fault_of_source
from swc.program.spec import Member
from swc.program.training import AugmentationStep, Training

Items = tuple[tree.EnsembleItem, ...]


def check_inputs(items: Items, data: DataFacts, members: tuple[Member, ...], scope: Scope) -> None:
    """Every member's network must be for the inputs that the data give; told once for each source."""
    if scope.sink.errors or not any(isinstance(item, tree.DataItem) for item in items):
        return  # other facts may stand in for those that were meant
    for source, member in {member.source: member for member in reversed(members)}.items():
        wrong = fault_of_source(source, data)
        if wrong is not None:
            scope.sink.report(evolve(wrong, span=member.span))


def check_augmentation(items: Items, data: DataFacts, training: Training | None, scope: Scope) -> None:
    """There must be images where there is augmentation, and what it cuts and pads must leave something of them."""
    if training is None:
        return
    side, augmentation = min(data.image_shape[1:]), training.recipe.augmentation
    train = next(item for item in items if isinstance(item, tree.TrainBlock))
    own = (item.span for item in train.items if isinstance(item, tree.AugmentItem))
    span = next(own, train.recipe.span if train.recipe is not None else train.span)
    wrong = fault_of_augmentation(augmentation, data)
    if wrong is not None:
        scope.sink.report(evolve(wrong, span=span))
    for what, size in _pixels(augmentation) if data.are_images else ():
        if size >= side:
            wanted = f"below the {side} pixels of an image"
            scope.sink.report(catalogue.OutOfRange(span=span, what=what, wanted=wanted, found=str(size)))


def _pixels(steps: tuple[AugmentationStep, ...]) -> Iterator[tuple[str, int]]:
    """What steps of augmentation cut and pad, with what it is called."""
    for step in steps:
        for one in step.row.arguments:
            if one.in_pixels:
                yield f"`{one.name}` of `{step.name}`", int(step.number(one.name))
