"""The learning rate as a pure function of the place in a phase.

Takes a recipe, a phase and a place; gives a rate. Guarantees: nothing is remembered, so a resumed run has the same
rates as an undisturbed one.
"""

from __future__ import annotations

from math import cos, pi

from swc.program.training import Phase, Recipe, Schedule

ROUNDING = 1e-9  # epochs: scaled milestones such as 30 * 0.1 stand for the whole number beside them


def learning_rate(recipe: Recipe, phase: Phase, epoch: int, step: int, steps_per_epoch: int) -> float:
    """The rate of optimiser step `step` in `epoch`, both counted from 0, epochs within the phase.

    A phase with its own rate keeps it; the others follow the recipe's schedule. Source: paper, supplementary
    section 1.
    """
    if phase.lr is not None:
        return phase.lr
    if not 0 <= step < steps_per_epoch:
        raise ValueError(f"step {step} is not in an epoch of {steps_per_epoch} steps")
    schedule = recipe.schedule
    rising = _warmup(schedule, epoch * steps_per_epoch + step, steps_per_epoch)
    if rising < 1.0:
        return recipe.optimiser.lr * rising
    return recipe.optimiser.lr * _factor(schedule, epoch + step / steps_per_epoch, phase.epochs)


def _warmup(schedule: Schedule, steps_done: int, steps_per_epoch: int) -> float:
    steps = schedule.warmup * steps_per_epoch
    return min(1.0, (steps_done + 1) / steps) if steps > 0 else 1.0


def _factor(schedule: Schedule, place: float, epochs: int) -> float:
    match schedule.kind:
        case "constant":
            return 1.0
        case "steps":
            passed = sum(place + ROUNDING >= milestone for milestone in schedule.milestones)
            return float(schedule.factor**passed)
        case "cosine":
            length = epochs - schedule.warmup
            return 0.5 * (1.0 + cos(pi * (place - schedule.warmup) / length)) if length > 0 else 1.0
