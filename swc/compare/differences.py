"""What the runs of one ensemble have over those of another with the same seeds.

Takes the scores of systems; gives `PairedDifference`s. Guarantees: a difference is of two runs of one seed, scored on
the same images, whose epochs have the same scale; fewer than two such pairs say nothing and give none.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from statistics import fmean

from swc.compare.scores import SystemScores
from swc.registry.tasks import TASKS
from swc.sweep.pairs import PairedDifference, half_width
from swc.sweep.plan import Setting

FEWEST = 2  # seeds that an interval needs


def differences_from_first(systems: Sequence[Sequence[SystemScores]]) -> tuple[PairedDifference, ...]:
    """Each other system less the first, by the two scores that its task pairs; of each the runs that are alike."""
    if not systems:
        return ()
    first, *others = systems
    pairs = [(one, against) for system in others for one in system for against in first if _are_alike(one, against)]
    return tuple(
        _difference(one, against, metric)
        for one, against in pairs
        for metric in TASKS[one.kind.task].paired
        if len(set(one.seeds) & set(against.seeds)) >= FEWEST
    )


def _are_alike(one: SystemScores, other: SystemScores) -> bool:
    """Whether runs were scored on the same images and trained for as many of their epochs."""
    kinds = [(k.task, k.epochs_scale, k.num_images, k.num_calibration, k.part) for k in (one.kind, other.kind)]
    return kinds[0] == kinds[1]


def _difference(one: SystemScores, against: SystemScores, metric: str) -> PairedDifference:
    values = [dict(zip(each.seeds, each.numbers, strict=True)) for each in (one, against)]
    seeds = [seed for seed in one.seeds if seed in values[1]]
    found = [(values[0][seed][metric], values[1][seed][metric]) for seed in seeds]
    known = [first - second for first, second in found if first is not None and second is not None]
    mean = fmean(known) if known else nan
    return PairedDifference(_named(one), _named(against), metric, len(known), mean, half_width(known))


def _named(one: SystemScores) -> Setting:
    return (("ensemble", one.name),)
