"""Diagnostics of arguments that a registry's row declares: SW160 to SW169.

Guarantees: `ARGUMENTS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class WrongLength(Diagnostic):
    """A list has more or fewer values than what it is given to takes.

    Some arguments are a few numbers that belong together, as the two `betas` of `adamw`: the first is for the mean of
    the gradients, the second for that of their squares. All of them must be given, in their order.
    """

    code: ClassVar[str] = "SW160"
    what: str
    wanted: int
    found: int

    def message(self) -> str:
        return f"{self.what} takes {self.wanted} values, not {self.found}"

    def help(self) -> str:
        return f"give {self.wanted} values in brackets"


ARGUMENTS: tuple[type[Diagnostic], ...] = (WrongLength,)
