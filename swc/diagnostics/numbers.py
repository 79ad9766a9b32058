"""How numbers are written that somebody may give again."""

from __future__ import annotations


def in_full(number: float) -> str:
    """A number with all its digits: 0.6666666, 2."""
    return repr(float(number)).removesuffix(".0")
