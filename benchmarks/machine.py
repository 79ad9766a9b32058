"""What a measurement was made on: the lines that stand above every table.

Takes nothing, gives lines of text. Guarantees: torch is named without being imported.
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DISTRIBUTIONS = ("torch", "swc")


def machine_lines() -> tuple[str, ...]:
    """CPU, cores, Python and the versions that matter, a line each."""
    versions = " · ".join(f"{name} {_version(name)}" for name in DISTRIBUTIONS)
    return (
        f"{cpu_name()}, {_num_cores()} cores to use",
        f"{platform.system()}, Python {platform.python_version()}",
        versions,
    )


def cpu_name() -> str:
    """The processor's own name, or the architecture where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
