"""Did you mean: the known name nearest to a misspelt one.

Takes a name and the candidates, gives one of them or None. Guarantees: the same answer for the same set of candidates.
"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 100  # characters of a name that is compared: the time grows with their square
MOST = 1_000  # candidates that are compared


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `name`, letter case aside, or None where none is alike enough to be meant."""
    from difflib import get_close_matches  # needed only once something is wrong

    known = {candidate for candidate in candidates if len(candidate) <= LONGEST}
    if len(name) > LONGEST or len(known) > MOST:
        return None
    by_folded = {candidate.casefold(): candidate for candidate in sorted(known, reverse=True)}
    found = get_close_matches(name.casefold(), sorted(by_folded), n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None
