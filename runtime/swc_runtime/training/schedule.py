"""The learning rate as a pure function of the place in a phase.

Takes a recipe, a phase and a place; gives a rate. Guarantees: nothing is remembered, so a resumed run has the same
rates as an undisturbed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, inf, pi

from attrs import frozen
from swc.program.training import Phase, Recipe, Schedule
from swc.registry.schedules import SCHEDULES

ROUNDING = 1e-9  # epochs: scaled milestones such as 30 * 0.1 stand for the whole number beside them


@frozen
class PhasePlace:
    """Where in a phase of `epochs` epochs a step is: `epoch` (from 0, with a fraction), after `warmup` epochs."""

    epoch: float
    epochs: int
    warmup: float


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
    place = PhasePlace(epoch + step / steps_per_epoch, phase.epochs, schedule.warmup)
    factor = SCHEDULES.call(schedule.name, place, **schedule.values)
    if not isinstance(factor, int | float) or not 0 <= factor < inf:
        raise SCHEDULES.wrong_result(schedule.name, f"gives {factor!r}, not the factor of a learning rate")
    return recipe.optimiser.lr * factor


def _warmup(schedule: Schedule, steps_done: int, steps_per_epoch: int) -> float:
    steps = schedule.warmup * steps_per_epoch
    return min(1.0, (steps_done + 1) / steps) if steps > 0 else 1.0


def constant(place: PhasePlace) -> float:
    """The same rate throughout."""
    return 1.0


def steps(place: PhasePlace, at: Sequence[float], factor: float) -> float:
    """`factor` once for each milestone of `at` (in epochs) that was passed."""
    passed = sum(place.epoch + ROUNDING >= milestone for milestone in at)
    return float(factor**passed)


def cosine(place: PhasePlace) -> float:
    """Half a cosine, from one at the end of the warm-up to zero at the end of the phase."""
    length = place.epochs - place.warmup
    return 0.5 * (1.0 + cos(pi * (place.epoch - place.warmup) / length)) if length > 0 else 1.0
