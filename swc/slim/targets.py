"""How many multiply-adds a slimmed network may take, as the command line says it.

Takes texts like `50%` or `12M`; gives `Target`s. Guarantees: each is named once; a name can stand in a spec.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.slimming import UnreadableTarget

SCALES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_TARGET = re.compile(r"(\d+(?:\.\d+)?)([kMG%]?)")


@frozen
class Target:
    """A limit of multiply-adds: a part of what the widest member takes, or a number of its own."""

    text: str
    value: float
    is_part: bool

    def limit(self, whole: int) -> int:
        """The multiply-adds at most, where the widest member takes `whole`."""
        return int(self.value * whole) if self.is_part else int(self.value)

    @property
    def member(self) -> str:
        """The name of the member that keeps within it: `slim_50`, `slim_12M`."""
        return "slim_" + self.text.removesuffix("%").replace(".", "_")


def read_targets(texts: Sequence[str]) -> tuple[Target, ...]:
    """The targets in their order, doubled ones once; DiagnosticError for what is none."""
    return tuple(_read(text) for text in dict.fromkeys(texts))


def _read(text: str) -> Target:
    found = _TARGET.fullmatch(text)
    if found is None or not float(found[1]) or (found[2] == "%" and float(found[1]) > 100):
        raise DiagnosticError(UnreadableTarget(found=text))
    number, unit = float(found[1]), found[2]
    return Target(text, number / 100, True) if unit == "%" else Target(text, number * SCALES[unit], False)
