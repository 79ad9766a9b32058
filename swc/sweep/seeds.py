"""The seeds of a sweep, as they are written.

Takes a number N (the seeds 0 to N - 1), a list of seeds, or a text such as "100-109" or "0-2,100" (a text of one number
is that number); gives the seeds in the order in which they were written. Guarantees: no seed comes twice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from swc.files.converter import LARGEST
from swc.program.limits import CELLS

Seeds = Sequence[int]  # a `range` or a tuple, so that a number of seeds far beyond all limits takes no memory
PART = re.compile(r"\s*([0-9]{1,18})(?:\s*-\s*([0-9]{1,18}))?\s*")  # 7 or 100-109


def seeds_of(given: int | str | Sequence[int]) -> Seeds:
    """The seeds that were written; ValueError, with the reason, where they are none."""
    if reason := wrong_seeds(given):
        raise ValueError(reason)
    if isinstance(given, str):
        return range(int(given)) if given.strip().isdecimal() else _seeds_in(given)
    if isinstance(given, int):
        return range(given)
    return given if isinstance(given, range) else tuple(given)


def num_seeds(seeds: Seeds) -> int:
    """How many there are: `len` takes no number above 2 to the 63rd."""
    return seeds.stop - seeds.start if isinstance(seeds, range) else len(seeds)


def wrong_seeds(given: object) -> str:
    """What is wrong with seeds, or nothing."""
    if isinstance(given, str):
        return _wrong_text(given)
    if isinstance(given, int):
        return "" if given >= 1 else "`seeds` must be at least 1"
    if isinstance(given, range):
        return "" if given.stop > given.start and given.step == 1 else "`seeds` must not be empty"
    if not isinstance(given, Sequence) or not given or not all(_is_seed(one) for one in given):
        return f"`seeds` must be a number of seeds, a list of them (at most {LARGEST}) or a text such as 100-109"
    return _repeated(given)


def _is_seed(one: object) -> bool:
    return isinstance(one, int) and not isinstance(one, bool) and 0 <= one <= LARGEST


def _wrong_text(text: str) -> str:
    if text.strip().isdecimal():
        return wrong_seeds(int(text)) if PART.fullmatch(text) else "`seeds` is too large a number"
    if not all(PART.fullmatch(part) for part in text.split(",")):
        return f'`seeds` must be such as 3, 100-109 or 0,1,5, not "{text}"'
    ranges = _ranges(text)
    if not all(ranges):
        return f'`seeds` "{text}" ends before it begins'
    if len(ranges) > 1 and sum(part.stop - part.start for part in ranges) > CELLS:
        return f"`seeds` must not be more than {CELLS}"
    return _repeated(_seeds_in(text)) if len(ranges) > 1 else ""


def _repeated(seeds: Sequence[int]) -> str:
    (seed, times), *_ = Counter(seeds).most_common(1)
    return f"`seeds` has {seed} twice" if times > 1 else ""


def _seeds_in(text: str) -> Seeds:
    first, *others = _ranges(text)
    return tuple(seed for part in (first, *others) for seed in part) if others else first


def _ranges(text: str) -> list[range]:
    parts = [PART.fullmatch(part) for part in text.split(",")]
    return [range(int(part[1]), int(part[2] or part[1]) + 1) for part in parts if part]
