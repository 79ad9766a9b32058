"""What networks with several outputs have in common: `module(images, until=k)` gives outputs 0 to k and runs no more.

Such a module has the attribute `has_exits = True`; without `until` it gives all outputs.
"""

from __future__ import annotations


def num_wanted(until: int | None, outputs: int) -> int:
    """How many outputs there are up to and with number `until` (None: all); ValueError where there is no such one."""
    if until is None:
        return outputs
    if not 0 <= until < outputs:
        raise ValueError(f"there is no output {until}: they are 0 to {outputs - 1}")
    return until + 1
