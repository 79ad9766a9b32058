"""Diagnostics of `swc report` (SW690 to SW694).

Guarantees: `REPORTS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class PortTaken(Diagnostic):
    """`swc report --serve` cannot listen on the port it was given.

    Another program listens there, perhaps another `swc report --serve`, or the system keeps the port to itself, as it
    does with those below 1024. Without `--port` any free one is taken, and the address is said.
    """

    code: ClassVar[str] = "SW690"
    port: int
    reason: str

    def message(self) -> str:
        return f"cannot listen on port {self.port}: {self.reason}"

    def help(self) -> str:
        return "leave `--port` away to take any free port, or name another"


@frozen(kw_only=True)
class SameRunTwice(Diagnostic):
    """`swc report` or `swc plot` was given one run twice, perhaps under two names.

    A build folder, the name of its ensemble and its run folder all stand for the same run, once it was trained. Its
    curves would lie over themselves. Name each run once; a sweep has many: `build/sweeps/NAME/*/run`.
    """

    code: ClassVar[str] = "SW691"
    place: str

    def message(self) -> str:
        return f"the run `{self.place}` is named twice"

    def help(self) -> str:
        return "name each run once"


REPORTS = (PortTaken, SameRunTwice)
