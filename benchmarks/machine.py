"""What a measurement was made on: the lines that stand above every table.

Takes nothing; gives lines of text. Guarantees: no name or path of the machine itself.
"""

from __future__ import annotations

import os
import platform
from importlib.metadata import version

from swc import __version__
from swc.running.machine import cpu_name

LIBRARIES = ("torch", "numpy", "scipy", "lark")


def machine_lines() -> list[str]:
    """The processor, its vector instructions and cores, a GPU where there is one, and the versions of what works."""
    libraries = ", ".join([*(f"{name} {version(name)}" for name in LIBRARIES), f"swc {__version__}"])
    return [
        f"{cpu_name()}, {_num_cores()} cores, {_vectors()}{_gpu()}",
        f"Python {platform.python_version()}, {libraries}",
    ]


def _vectors() -> str:
    """Processors of one name differ in these, and by a factor of three in speed."""
    from torch.backends.cpu import get_cpu_capability

    from swc_runtime.precision import cpu_has_bfloat16

    return f"{get_cpu_capability()}{', bfloat16' if cpu_has_bfloat16() else ''}"


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpu() -> str:
    import torch

    return f"; {torch.cuda.get_device_name(0)}" if torch.cuda.is_available() else ""
