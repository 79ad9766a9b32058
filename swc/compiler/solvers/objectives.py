"""What the k-th template of a bank is worth: the two objectives of `optimal`.

Both give falling values whose sum over all useful templates is at most s x n, the scalars the bank generates, so that
banks of the two kinds can stand in one problem.
"""

from __future__ import annotations

from itertools import accumulate
from math import fsum


def coverage(template_size: int, num_slots: int, cap: int) -> tuple[float, ...]:
    """The increments of s n (1 - (1 - K/n)^2): s (2(n - k) + 1) / n for the k-th template.

    The marginal worth of a template falls linearly with K/n, so scalars go where few templates serve many slots.
    """
    # 4 slots of 100 scalars: templates are worth 175, 125, 75 and 25, in all 400 = s n.
    size, slots = template_size, num_slots
    return tuple(size * (2 * (slots - k) + 1) / slots for k in range(1, min(cap, slots) + 1))


def profiled(template_size: int, num_slots: int, cap: int, energies: tuple[float, ...]) -> tuple[float, ...]:
    """The increments of s n (energy the best rank-K approximation keeps): the k-th energy's share, times s n.

    `energies` are the squared singular values of the bank's slot gradients, so that their first K shares are what the
    best K templates can follow of the gradient (Eckart and Young). Shares, not energies, because under normalisation
    a layer's gradient scales inversely with its weight: magnitudes of different banks cannot be compared. Weighted by
    the scalars the bank generates. No energy at all is worth nothing. ValueError where an energy is negative.
    """
    if any(not energy >= 0 for energy in energies):
        raise ValueError("energies are squared singular values; none can be negative")
    # Energies (6, 3, 1) of 2 slots of 10 scalars: two can be followed, 6 and 3 of 9: worth 13.3 and 6.7, in all 20 = s
    # n.
    most = min(cap, num_slots)
    falling = sorted(energies, reverse=True)[:num_slots]
    total = fsum(falling)
    padded = [*falling, *([0.0] * most)][:most]
    return tuple(template_size * num_slots * (energy / total if total > 0 else 0.0) for energy in padded)


def running(values: tuple[float, ...]) -> tuple[float, ...]:
    """The worth of 0, 1, 2, ... templates."""
    return tuple(accumulate(values, initial=0.0))
