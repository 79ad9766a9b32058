"""Every subset of the members as a predictor of its own: the points of an anytime curve.

Takes the members' probabilities; gives `Scores` by subset. Guarantees: a subset predicts the mean of its members'
probabilities; subsets come by size, then in the order of the members.
Suffixes: M members, N images, C classes.
"""

from __future__ import annotations

from itertools import chain, combinations

from swc.files.scores import Scores
from torch import Tensor

from swc_runtime.evaluate.metrics import score

Subset = tuple[int, ...]


def subsets(num_members: int) -> tuple[Subset, ...]:
    """All 2^M - 1 that are not empty."""
    members = range(num_members)
    return tuple(chain.from_iterable(combinations(members, size) for size in range(1, num_members + 1)))


def together(probabilities_MNC: Tensor, subset: Subset) -> Tensor:
    """What a subset predicts [N, C], in float64: the mean softmax. Source: paper, section 4."""
    return probabilities_MNC[list(subset)].double().mean(0)


def score_subsets(probabilities_MNC: Tensor, labels_N: Tensor) -> dict[Subset, Scores]:
    """The scores of every subset. Source: supplementary, anytime inference (method, section 9)."""
    chosen = subsets(len(probabilities_MNC))
    return {subset: score(together(probabilities_MNC, subset), labels_N) for subset in chosen}
