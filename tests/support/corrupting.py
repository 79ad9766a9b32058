"""Corrupted test images, made by the command."""

from __future__ import annotations

from support.runs import Place


def corrupt(place: Place, data: str, *arguments: str) -> int:
    """`swc data corrupt` in one process; gives the exit status."""
    return place.swc("data", "corrupt", data, "--jobs", "1", *arguments)
