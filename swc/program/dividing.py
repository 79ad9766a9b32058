"""Dividing a data set into parts: the facts that follow, and what is wrong with what was asked.

Takes facts and portions, gives facts or a diagnostic. Guarantees: nothing is drawn; what can be seen before the data
are opened is seen with the same rules as afterwards.
"""

from __future__ import annotations

from attrs import evolve

from swc.diagnostics import Diagnostic
from swc.program.data_parts import DataParts, Portion
from swc.program.datasets import DATA, DataFacts

LEAST = {"numbers": 2, "labels": 1}  # examples of a part


def divided(facts: DataFacts, train: Portion | None, validation: Portion | None) -> DataFacts:
    """The facts of a data set of which so many images are drawn; the same where none are asked for."""
    if train is None and validation is None:
        return facts
    parts = DataParts(train, validation, facts.num_train, facts.num_test)
    facts = evolve(facts, parts=parts)
    is_pool, total = tests_with_others(facts), num_drawable(facts)
    num_train, num_validation = parts.counts(total) if total else _counts_written(parts)
    asked = [f"{name}: {part}" for name, part in (("train", train), ("validation", validation)) if part is not None]
    return evolve(
        facts,
        num_train=num_train,
        num_test=max(0, total - num_train - num_validation) if is_pool else facts.num_test,
        variant=", ".join(asked) if is_pool else facts.variant,
        parts=evolve(parts, num_validation=num_validation),
    )


def tests_with_others(facts: DataFacts) -> bool:
    """Whether parts are drawn from all images of a data set, so that it is tested with those that are left."""
    row = DATA.find(facts.name)
    return facts.parts is not None and facts.parts.train is not None and row is not None and row.is_pool


def num_drawable(facts: DataFacts) -> int:
    """Of how many images the parts are drawn; 0 where only the opened data tell."""
    parts = facts.parts
    assert parts is not None, "there is something to draw"
    return parts.num_train + (parts.num_test if tests_with_others(facts) else 0)


def fault_of_parts(facts: DataFacts, num_images: int) -> Diagnostic | None:
    """What is wrong with drawing the parts of `facts` from so many images (0: nobody knows yet); None: nothing."""
    from swc.diagnostics.catalogue.data_parts import PartsTooLarge, PartTooSmall  # most specs have no mistake

    # an example of each class; of numbers two, which can differ, and of labels any
    parts, classes = facts.parts, LEAST.get(facts.task.row.targets, facts.num_classes)
    if parts is None:
        return None
    num_train, num_validation = parts.counts(num_images) if num_images else _counts_written(parts)
    for part, portion, count in (("train", parts.train, num_train), ("validation", parts.validation, num_validation)):
        is_known = portion is not None and not portion.is_given and bool(num_images or portion.count)
        if is_known and count < classes:
            return PartTooSmall(name=facts.title, part=part, found=count, num_classes=classes)
    left = classes if parts.train is None or tests_with_others(facts) else 0
    drawn = num_train if parts.train is not None else 0
    if not num_images or drawn + num_validation + left <= num_images:
        return None
    return PartsTooLarge(name=facts.title, total=num_images, num_train=drawn, num_validation=num_validation, left=left)


def _counts_written(parts: DataParts) -> tuple[int, int]:
    """The numbers that a spec states, where nobody knows yet of how many images; 0 for a share."""
    return parts.train.count if parts.train is not None else 0, parts.validation.count if parts.validation else 0
