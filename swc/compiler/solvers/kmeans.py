"""k-means whose result depends on the points alone: the same groups with any BLAS and any number of threads.

Takes points and a number of groups, gives the group of each point. Guarantees: every sum is exact before it is rounded
once (`math.fsum`), so that no order of summation, vector unit or thread count shows; products and differences are
single IEEE operations of float64; random numbers come from numpy's Mersenne twister, whose stream is frozen.

The seeding is the greedy k-means++ of Arthur and Vassilvitskii (2007), then Lloyd iterates, as in scikit-learn, whose
matrix products differ from one BLAS to another.

Array names: P points, K centres, D coordinates.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from math import fsum, log

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
SEEDINGS = 10  # tries from different centres, of which the tightest counts
MOST_ITERATIONS = 300


def kmeans(points_PD: Array, num_groups: int, seed: int = 0) -> tuple[int, ...]:
    """The number of each point's group, from 0 on; `num_groups` is at most the number of different points.

    Four points on a line at 0, 1, 10 and 11 in two groups: centres 0.5 and 10.5, so (0, 0, 1, 1) or (1, 1, 0, 0).
    """
    generator = np.random.RandomState(seed)
    best: tuple[float, tuple[int, ...]] | None = None
    for _ in range(SEEDINGS):
        found = _lloyd(points_PD, _seeding(points_PD, num_groups, generator))
        if best is None or found[0] < best[0]:
            best = found
    assert best is not None
    return best[1]


def _seeding(points_PD: Array, num_groups: int, generator: np.random.RandomState) -> Array:
    """The first centres: each is a point that is far from those before it, the best of a few drawn at random."""
    trials = 2 + int(log(num_groups))
    chosen = [int(generator.random_sample() * len(points_PD))]
    nearest_P = _squared_distances(points_PD, points_PD[chosen])[:, 0]
    while len(chosen) < num_groups:
        # A point is drawn with a chance in proportion to its squared distance to the nearest centre.
        draws = generator.uniform(size=trials) * fsum(nearest_P)
        drawn = np.searchsorted(list(accumulate(nearest_P)), draws).clip(max=len(points_PD) - 1)
        left_PT = np.minimum(nearest_P[:, None], _squared_distances(points_PD, points_PD[drawn]))
        best = _lowest([fsum(column) for column in left_PT.T])
        chosen.append(int(drawn[best]))
        nearest_P = left_PT[:, best]
    return points_PD[chosen]


def _lloyd(points_PD: Array, centres_KD: Array) -> tuple[float, tuple[int, ...]]:
    """The sum of squared distances to the nearest centres, and those centres' numbers, once they stay the same.

    Both steps lower the sum, and there are finitely many groupings: only rounding could keep it going.
    """
    labels_P = _nearest(points_PD, centres_KD)
    for _ in range(MOST_ITERATIONS):
        centres_KD = _centres(points_PD, labels_P, centres_KD)
        before_P, labels_P = labels_P, _nearest(points_PD, centres_KD)
        if np.array_equal(before_P, labels_P):
            break
    distances_PK = _squared_distances(points_PD, centres_KD)
    spread = fsum(distances_PK[np.arange(len(points_PD)), labels_P])
    return spread, tuple(int(label) for label in labels_P)


def _nearest(points_PD: Array, centres_KD: Array) -> NDArray[np.int64]:
    """The first of the nearest centres of each point; a centre that is left without takes the point farthest off."""
    distances_PK = _squared_distances(points_PD, centres_KD)
    labels_P: NDArray[np.int64] = distances_PK.argmin(axis=1)
    for empty in sorted(set(range(len(centres_KD))) - set(labels_P.tolist())):
        own_P = distances_PK[np.arange(len(points_PD)), labels_P]
        alone_P = np.bincount(labels_P, minlength=len(centres_KD))[labels_P] == 1
        farthest = int(np.where(alone_P, -1.0, own_P).argmax())  # a point alone in its group stays there
        labels_P[farthest] = empty
        distances_PK[farthest, empty] = 0.0  # the centre moves to it
    return labels_P


def _centres(points_PD: Array, labels_P: NDArray[np.int64], before_KD: Array) -> Array:
    """The mean of each group's points."""
    groups = [points_PD[labels_P == number] for number in range(len(before_KD))]
    return np.array([[fsum(column) / len(group) for column in group.T] for group in groups])


def _squared_distances(points_PD: Array, centres_KD: Array) -> Array:
    """Squared Euclidean distances [P, K], added up coordinate by coordinate: no matrix product."""
    distances_PK = np.zeros((len(points_PD), len(centres_KD)))
    for points_P, centres_K in zip(points_PD.T, centres_KD.T, strict=True):
        difference_PK = points_P[:, None] - centres_K[None, :]
        distances_PK += difference_PK * difference_PK
    return distances_PK


def _lowest(values: Iterable[float]) -> int:
    """The place of the first of the smallest values."""
    return min(enumerate(values), key=lambda row: row[1])[0]
