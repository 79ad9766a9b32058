"""Whether an input is a find: `python -m fuzzing.judge TARGET FILE` in a process of its own.

Prints one line of JSON: what went wrong, or null; the seconds of CPU; the peak of memory. A find is an exception that
is not a `DiagnosticError`, more than two seconds of CPU, or more than 500 MB beyond what the process took to begin
with.
"""

from __future__ import annotations

import json
import resource
import sys
import traceback
from pathlib import Path
from time import process_time

from fuzzing.targets import TARGETS, WITH_TORCH

SECONDS = 2.0
MEGABYTES = 500


def judge(name: str, data: bytes) -> dict[str, object]:
    """What comes of an input."""
    begin = _peak() if name in WITH_TORCH else 0.0
    started = process_time()
    wrong: str | None = None
    try:
        TARGETS[name](data)
    except Exception:  # noqa: BLE001 - whatever it is, it is a find
        wrong = traceback.format_exc(limit=-30)
    seconds, megabytes = process_time() - started, _peak() - begin
    if wrong is None and seconds > SECONDS:
        wrong = f"it took {seconds:.1f} seconds of CPU"
    if wrong is None and megabytes > MEGABYTES:
        wrong = f"it took {megabytes:.0f} MB"
    return {"wrong": wrong, "seconds": round(seconds, 2), "megabytes": round(megabytes)}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def warm(name: str) -> None:
    """Import what a target needs, and make what is made once."""
    for path in sorted((Path(__file__).parent / "corpus" / name).glob("*"))[:3]:
        TARGETS[name](path.read_bytes())


if __name__ == "__main__":
    warm(sys.argv[1])
    print(json.dumps(judge(sys.argv[1], Path(sys.argv[2]).read_bytes())))
