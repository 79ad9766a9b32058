"""The similarities that made a grouping: what holds each part together, and what comes nearest to joining it.

Takes pairs and the parts they led to, gives `Link`s. Guarantees: ties between equal similarities go to the earlier
pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from swc.program.feedback import Similarity


@frozen
class Part:
    """A group of ids after a recompile; both links are None where nothing was measured.

    `holds` is the weakest of the strongest links that connect the whole part (None too where they do not, as with
    other linkages); `nearest` the strongest similarity to an id outside it.
    """

    ids: tuple[str, ...]
    holds: Similarity | None
    nearest: Similarity | None


def parts_of(groups: Sequence[tuple[str, ...]], similarities: Iterable[Similarity]) -> tuple[Part, ...]:
    """The groups that one cluster or coefficient was cut into, each with its links."""
    falling = sorted(similarities, key=lambda pair: -pair.value)
    known = {id_ for group in groups for id_ in group}
    inside = [pair for pair in falling if pair.first in known and pair.second in known]
    return tuple(Part(group, _holding(group, inside), _nearest(set(group), inside)) for group in groups)


def close_calls(similarities: Iterable[Similarity], threshold: float) -> tuple[Similarity, ...]:
    """The pairs within two standard errors of the threshold, nearest first."""
    close = [pair for pair in similarities if abs(pair.value - threshold) <= 2 * pair.error]
    return tuple(sorted(close, key=lambda pair: abs(pair.value - threshold)))


def _holding(group: tuple[str, ...], falling: Sequence[Similarity]) -> Similarity | None:
    part = {id_: {id_} for id_ in group}
    for pair in falling:
        if pair.first not in part or pair.second not in part or part[pair.first] is part[pair.second]:
            continue
        joined = part[pair.first] | part[pair.second]
        if len(joined) == len(group):
            return pair
        part |= dict.fromkeys(joined, joined)
    return None


def _nearest(group: set[str], falling: Sequence[Similarity]) -> Similarity | None:
    return next((pair for pair in falling if (pair.first in group) != (pair.second in group)), None)
