"""Groups of processes, found in /proc."""

from __future__ import annotations

import time
from pathlib import Path


def members(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, own = (folder / "stat").read_text("utf-8").rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(own) == group and state != "Z":
            found.append(int(folder.name))
    return sorted(found)


def is_left_alone(group: int) -> bool:
    """Whether all processes of a group end within some seconds."""
    deadline = time.monotonic() + 60
    while members(group) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not members(group)
