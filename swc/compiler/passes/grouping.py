"""Grouping ids by the similarity of pairs: Algorithm 1 and its two alternatives.

Takes ids in a settled order and scored pairs; gives groups. Guarantees: every id is in exactly one group; groups
stand in the order of their first ids and ids inside a group in the order given, whatever the order of the pairs.
Source: paper, supplementary section 2 (Algorithm 1); `docs/explanation/method.md` on the linkages.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import takewhile

from swc.program.feedback import Similarity

Groups = tuple[tuple[str, ...], ...]
LinkageFunction = Callable[[Sequence[str], Sequence[Similarity], float], Groups]
LinksFunction = Callable[[Sequence[str], Sequence[Similarity]], Iterator[Similarity]]


def connected(ids: Sequence[str], pairs: Iterable[tuple[str, str]]) -> Groups:
    """The connected components of the graph on `ids` whose edges are `pairs` (both ends must be in `ids`)."""
    parent = {name: name for name in ids}
    for first, second in pairs:
        _join(parent, first, second)
    return collect(ids, {name: _root(parent, name) for name in ids})


def _root(parent: dict[str, str], name: str) -> str:
    while parent[name] != name:
        # Path halving: every step skips a link, so that later walks are short; the root stays the same.
        parent[name] = parent[parent[name]]
        name = parent[name]
    return name


def _join(parent: dict[str, str], first: str, second: str) -> bool:
    one, other = _root(parent, first), _root(parent, second)
    parent[other] = one
    return one != other


def collect(ids: Sequence[str], group_of: Mapping[str, str]) -> Groups:
    """The groups of a map from id to group, in the order of `ids`."""
    groups: dict[str, list[str]] = {}
    for name in ids:
        groups.setdefault(group_of[name], []).append(name)
    return tuple(tuple(group) for group in groups.values())


def union(ids: Sequence[str], similarities: Sequence[Similarity], threshold: float) -> Groups:
    """Algorithm 1: every pair more similar than `threshold` joins the groups of its two ids.

    The order of the pairs cannot matter, since a union once made is never undone: the groups are the connected
    components of the pairs above the threshold.
    """
    # a-b at 0.5 and b-c at 0.3 above 0.2 make one group (a, b, c), even if a-c was measured at -1.
    return connected(ids, ((pair.first, pair.second) for pair in similarities if pair.value > threshold))


def union_links(ids: Sequence[str], similarities: Sequence[Similarity]) -> Iterator[Similarity]:
    """The pairs by which `union` joins two groups as its threshold falls, by falling similarity.

    Equal pairs come in the order of their ids; every threshold's groups are those that a beginning of the links makes.
    """
    # a-b at 0.9, b-c at 0.8, a-c at 0.7 and c-d at 0.1: a-c is no link, since a and c are together by then.
    parent = {name: name for name in ids}
    return (pair for pair in falling(ids, similarities) if _join(parent, pair.first, pair.second))


def release(ids: Sequence[str], similarities: Sequence[Similarity], threshold: float) -> Groups:
    """The queue of the authors' release: by falling similarity, the second id of a pair moves to the first's group.

    Only that one id moves, and a later pair may move it again, so the groups depend on the order of the pairs.
    """
    # b-c at 0.5, then a-b at 0.4: c joins the group named b, then b alone joins a's. The groups are (a, b) and (c).
    group_of = {name: name for name in ids}
    for pair in falling(ids, similarities):
        if pair.value > threshold:
            group_of[pair.second] = group_of[pair.first]
    return collect(ids, group_of)


def falling(ids: Sequence[str], similarities: Sequence[Similarity]) -> tuple[Similarity, ...]:
    """The pairs by falling similarity; equal ones in the order of their ids."""
    place = {name: number for number, name in enumerate(ids)}
    return tuple(sorted(similarities, key=lambda pair: (-pair.value, place[pair.first], place[pair.second])))


def average(ids: Sequence[str], similarities: Sequence[Similarity], threshold: float) -> Groups:
    """Average linkage: join the two groups with the greatest mean similarity for as long as that is above `threshold`.

    The mean is over the measured pairs between the groups; groups without one are never joined.
    """
    links = takewhile(lambda link: link.value > threshold, average_links(ids, similarities))
    return connected(ids, ((link.first, link.second) for link in links))


def average_links(ids: Sequence[str], similarities: Sequence[Similarity]) -> Iterator[Similarity]:
    """The joins of average linkage, in order: groups by their first ids, the mean similarity, the mean error.

    Equal ones come in the order of the ids. The mean of the pairs' standard errors is a bound: the standard deviation
    of a mean is at most the mean of the standard deviations, however the pairs are correlated.
    """
    place = {name: number for number, name in enumerate(ids)}
    links = _links(place, similarities)
    queue = [(-total / count, a, b) for a in links for b, (total, _, count) in links[a].items() if a < b]
    heapify(queue)
    while queue:
        score, a, b = heappop(queue)
        if _is_current(links, score, a, b):
            _, errors, count = links[a][b]
            yield Similarity(ids[a], ids[b], -score, errors / count)
            _absorb(links, queue, a, b)


_Links = dict[int, dict[int, tuple[float, float, int]]]  # sum of similarities, sum of errors, number of pairs


def _links(place: Mapping[str, int], similarities: Sequence[Similarity]) -> _Links:
    links: _Links = {number: {} for number in place.values()}
    for pair in similarities:
        a, b = place[pair.first], place[pair.second]
        links[a][b] = links[b][a] = (pair.value, pair.error, 1)
    return links


def _is_current(links: _Links, score: float, a: int, b: int) -> bool:
    # A join leaves outdated entries in the queue; they are skipped here when their turn comes. The same sum and count
    # give the same float, so that `==` is exact.
    total, _, count = links.get(a, {}).get(b, (0.0, 0.0, 0))
    return count > 0 and -total / count == score


def _absorb(links: _Links, queue: list[tuple[float, int, int]], a: int, b: int) -> None:
    for other, (total, errors, count) in links.pop(b).items():
        del links[other][b]
        if other == a:
            continue
        # The mean over the joined pairs is the sum of both sums over both counts: no pair is looked at again.
        old_total, old_errors, old_count = links[a].get(other, (0.0, 0.0, 0))
        merged = (old_total + total, old_errors + errors, old_count + count)
        links[a][other] = links[other][a] = merged
        heappush(queue, (-merged[0] / merged[2], min(a, other), max(a, other)))


LINKAGES: dict[str, LinkageFunction] = {"union": union, "average": average, "release": release}
LINKS: dict[str, LinksFunction] = {"union": union_links, "average": average_links}  # those whose groups nest


def sizes_over_threshold(
    similarities: Sequence[Similarity], thresholds: Sequence[float]
) -> tuple[tuple[float, tuple[int, ...]], ...]:
    """The sizes of Algorithm 1's groups, falling, at each threshold (thresholds rising).

    Only ids that occur in a pair are counted. One pass over the pairs serves all thresholds: as they fall, groups only
    grow, whatever the order of the pairs between two of them.
    """
    rising = sorted(thresholds)
    parent = {name: name for pair in similarities for name in (pair.first, pair.second)}
    size = dict.fromkeys(parent, 1)
    rows: list[tuple[float, tuple[int, ...]]] = []
    for threshold, pairs in zip(reversed(rising), reversed(_between(similarities, rising)), strict=True):
        # The pairs above a higher threshold are joined already: they are above this one too.
        for pair in pairs:
            _merge_sizes(parent, size, pair)
        rows.append((threshold, tuple(sorted(size.values(), reverse=True))))
    return tuple(reversed(rows))


def _between(similarities: Sequence[Similarity], rising: Sequence[float]) -> list[list[Similarity]]:
    """For each threshold the pairs above it that are above no higher one."""
    found: list[list[Similarity]] = [[] for _ in rising]
    for pair in similarities:
        passed = bisect_left(rising, pair.value)  # as many as are below the value
        if passed:
            found[passed - 1].append(pair)
    return found


def _merge_sizes(parent: dict[str, str], size: dict[str, int], pair: Similarity) -> None:
    kept, gone = _root(parent, pair.first), _root(parent, pair.second)
    if kept != gone:
        parent[gone] = kept
        size[kept] += size.pop(gone)
