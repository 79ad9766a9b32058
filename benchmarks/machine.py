"""The machine and the versions that a measurement was made with.

Takes nothing; gives lines for the head of a table. Guarantees: no name or path of the machine itself.
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from swc.machine import cpu_name


def machine_lines() -> list[str]:
    """The processor, how many cores of it, a GPU where there is one, and the versions of what does the work."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "scipy", "lark", "swc"))
    return [f"{cpu_name()}, {cores} cores{_gpu()}", f"Python {platform.python_version()}, {libraries}"]


def _gpu() -> str:
    import torch

    return f"; {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else ""
