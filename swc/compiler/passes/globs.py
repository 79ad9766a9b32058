"""Globs over layer paths.

`*` stands for any run of characters (dots too), `?` for any one; all else, brackets included, stands for itself, so
that `m[0].block1.*` means the member `m[0]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence


def is_plain(pattern: str) -> bool:
    """Whether a pattern names one thing only."""
    return "*" not in pattern and "?" not in pattern


def matcher(patterns: Sequence[str]) -> Callable[[str], bool]:
    """A function that says whether a name matches any of the patterns; plain ones cost a look-up."""
    plain = frozenset(pattern for pattern in patterns if is_plain(pattern))
    wild = dict.fromkeys(_expression(pattern) for pattern in patterns if not is_plain(pattern))
    search = re.compile("|".join(wild)).fullmatch if wild else None
    return lambda name: name in plain or (search is not None and search(name) is not None)


def _expression(pattern: str) -> str:
    """The pattern as a regular expression that never goes back: the time is linear in pattern and name.

    Between two stars the first place that fits is as good as any later one, so it is kept (`(?>...)`).
    """
    # `a*b*c` becomes `a(?>.*?b).*c`: the first b after a is kept. If some later b fits, then this one does, since what
    # follows it only has more to choose from.
    first, *parts = [_literal(part) for part in re.sub(r"\*+", "*", pattern).split("*")]
    if not parts:
        return first
    *between, last = parts
    return first + "".join(f"(?>.*?{part})" for part in between) + f".*{last}"


def _literal(part: str) -> str:
    return "".join("." if character == "?" else re.escape(character) for character in part)
