"""What networks with several outputs have in common: `module(images, until=k)` gives outputs 0 to k and runs no more.

Such a module has the attribute `has_exits = True`; without `until` it gives all outputs. `parts_until(k)` names the
parts that run for outputs 0 to k, by their paths: what else it holds need not be stored for these.
"""

from __future__ import annotations

from collections.abc import Collection

from torch import nn


def runs_until(module: nn.Module, path: str, until: int) -> bool:
    """Whether what lies at a path is needed for outputs 0 to `until` of a module: all is where it has no exits."""
    if not getattr(module, "has_exits", False):
        return True
    parts: Collection[str] = module.parts_until(until)  # type: ignore[operator]
    return any(path.startswith(f"{part}.") for part in parts)


def num_wanted(until: int | None, outputs: int) -> int:
    """How many outputs there are up to and with number `until` (None: all); ValueError where there is no such one."""
    if until is None:
        return outputs
    if not 0 <= until < outputs:
        raise ValueError(f"there is no output {until}: they are 0 to {outputs - 1}")
    return until + 1
