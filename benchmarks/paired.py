"""Ratios of two things done by turns in one run, so that what else the machine does meets both alike.

Takes two functions; gives the median ratio of their times with a distribution-free interval (order statistics of the
rounds). Guarantees: the order within a round alternates; nothing is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import comb
from time import perf_counter

from attrs import frozen

CONFIDENCE = 0.95


@frozen
class Ratio:
    """`first` over `second`, both in seconds a call (medians); `low` and `high` bound the median ratio."""

    first: float
    second: float
    median: float
    low: float
    high: float
    rounds: int
    confidence: float


def paired(
    first: Callable[[], object],
    second: Callable[[], object],
    rounds: int,
    calls: int = 1,
    clock: Callable[[], float] = perf_counter,
) -> Ratio:
    """Time both `rounds` times, `calls` calls each, after one call of each; ValueError below five rounds.

    `clock` gives seconds; the default is wall time.
    """
    if rounds < 5:
        raise ValueError("an interval needs five rounds at least")
    first()
    second()
    seconds = partial(_seconds, calls=calls, clock=clock)
    times = [_round(partial(seconds, first), partial(seconds, second), swap=bool(n % 2)) for n in range(rounds)]
    ratios = sorted(a / b for a, b in times)
    rank, confidence = _rank(rounds)
    return Ratio(
        _median([a for a, _ in times]),
        _median([b for _, b in times]),
        _median(ratios),
        ratios[rank],
        ratios[rounds - 1 - rank],
        rounds,
        confidence,
    )


def _round(first: Callable[[], float], second: Callable[[], float], swap: bool) -> tuple[float, float]:
    if swap:
        b, a = second(), first()
    else:
        a, b = first(), second()
    return a, b


def _seconds(act: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    started = clock()
    for _ in range(calls):
        act()
    return (clock() - started) / calls


def _median(values: list[float]) -> float:
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _rank(rounds: int) -> tuple[int, float]:
    """How many ratios to leave out at each end for the narrowest interval that still has the confidence, and which."""
    best = (0, 1 - 2 * 0.5**rounds)
    for rank in range(1, rounds // 2):
        confidence = 1 - 2 * sum(comb(rounds, k) for k in range(rank + 1)) * 0.5**rounds
        if confidence >= CONFIDENCE:
            best = (rank, confidence)
    return best
