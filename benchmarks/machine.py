"""What a measurement was made on: the lines that stand above every table.

Takes nothing; gives lines of text. Guarantees: no name or path of the machine itself.
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from swc.machine import cpu_name

DISTRIBUTIONS = ("torch", "numpy", "scipy", "lark", "swc")


def machine_lines() -> list[str]:
    """The processor, how many cores of it, a GPU where there is one, and the versions of what does the work."""
    libraries = ", ".join(f"{name} {version(name)}" for name in DISTRIBUTIONS)
    return [f"{cpu_name()}, {_num_cores()} cores{_gpu()}", f"Python {platform.python_version()}, {libraries}"]


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpu() -> str:
    import torch

    return f"; {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else ""
