"""How runs are called beside each other.

Takes what they are and where they lie; gives a name for each. Guarantees: no two names are alike; no folder's whole
path is in them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from swc.folders.store import Build


def run_names(builds: Sequence[Build]) -> tuple[str, ...]:
    """How the runs are called: as their ensembles, with what tells folders apart where several are of one."""
    return names_of([(build.spec.name, build.folder) for build in builds])


def names_of(placed: Sequence[tuple[str, Path]]) -> tuple[str, ...]:
    """A name for each pair of an ensemble's name and its place, by which no two are alike."""
    together = Counter(name for name, _ in placed)
    paths = [(name, place.resolve().parts) for name, place in placed]
    named: list[str] = []
    for name, own in paths:
        others = [parts for other, parts in paths if other == name and parts != own]
        named.append(f"{name} ({_telling(own, others)})" if together[name] > 1 else name)
    return _numbered(named)


def _telling(own: tuple[str, ...], others: list[tuple[str, ...]]) -> str:
    """The last part of a path that no other path has in its place, counted from the end."""
    for back in range(1, len(own) + 1):
        if all(len(other) < back or other[-back] != own[-back] for other in others):
            return own[-back]
    return Path(*own).name


def _numbered(names: list[str]) -> tuple[str, ...]:
    """Names that no two have."""
    seen: Counter[str] = Counter()
    found: list[str] = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return tuple(found)
