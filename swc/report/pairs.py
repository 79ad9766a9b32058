"""The similarities of a recompile as the page draws them: a histogram with its errors, and pairs by rank.

Takes a `Recompile`; gives `PairFacts`. Guarantees: the counts are those of all pairs; of very many pairs only every
`step`th is listed, by rank, and `step` says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from swc.program.feedback import ClusterCut
from swc.report.measurements import Recompile
from swc.report.similarities import BINS, bin_errors

MOST_LISTED = 2000  # points that a browser draws at once


@frozen
class PairFacts:
    """`edges` has one more entry than `counts` and `spreads`; `close` lie within two standard errors of the threshold.

    `limit` is the threshold in words; `links` tells the links on both sides of the cut of a split by number. A listed
    pair is (rank, first, second, similarity, standard error); `silent` had no gradient and have none.
    """

    title: str
    threshold: float
    limit: str
    links: tuple[str, ...]
    num_pairs: int
    above: int
    close: int
    silent: tuple[str, ...]
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    spreads: tuple[float, ...]
    step: int
    listed: tuple[tuple[int, str, str, float, float], ...]


def pairs_of(recompile: Recompile) -> PairFacts:
    """What the page shows of a recompile."""
    found = recompile.feedback.similarities
    values = np.array([pair.value for pair in found], dtype=float)
    errors = np.array([pair.error for pair in found], dtype=float)
    edges = np.linspace(-1, 1, BINS + 1)
    step = max(1, -(-len(found) // MOST_LISTED))
    return PairFacts(
        title=recompile.title,
        threshold=recompile.threshold,
        limit=recompile.limit,
        links=_links(recompile.cut),
        num_pairs=len(found),
        above=int((values > recompile.threshold).sum()),
        close=int((np.abs(values - recompile.threshold) <= 2 * errors).sum()),
        silent=recompile.feedback.silent,
        edges=tuple(edges.round(6).tolist()),
        counts=tuple(np.histogram(values.clip(-1, 1), edges)[0].tolist()),
        spreads=tuple(bin_errors(values, errors, edges).round(4).tolist()),
        step=step,
        listed=_listed(recompile, values, step),
    )


def _links(cut: ClusterCut | None) -> tuple[str, ...]:
    if cut is None:
        return ()
    sides = (("joined last", cut.joined), ("left apart", cut.apart))
    return tuple(f"{words} {link.first} and {link.second} at {link.text}" for words, link in sides if link is not None)


def _listed(recompile: Recompile, values: NDArray[Any], step: int) -> tuple[tuple[int, str, str, float, float], ...]:
    found = recompile.feedback.similarities
    falling = np.argsort(-values, kind="stable")
    chosen = ((rank, found[place]) for rank, place in enumerate(falling, start=1) if (rank - 1) % step == 0)
    return tuple((rank, pair.first, pair.second, pair.value, pair.error) for rank, pair in chosen)
