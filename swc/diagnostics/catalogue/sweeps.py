"""Diagnostics of `swc sweep` (SW67x).

Guarantees: `SWEEPS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class NotASweep(Diagnostic):
    """A sweep file cannot be read, or lacks something.

    A sweep file is TOML. `spec` names a spec, from the file's own folder; under `[vary]` stands, for each param, a list
    of values. `seeds`, `epochs_scale` and `ensemble` may stand beside `spec`.
    """

    code: ClassVar[str] = "SW670"
    path: str
    reason: str

    def message(self) -> str:
        """Which file, and what is wrong with it."""
        return f"`{self.path}` is no sweep: {self.reason}"

    def help(self) -> str:
        """What it looks like."""
        return 'write `spec = "../multi_width.sw"`, then `[vary]` and lines such as `beta = [0.1, 0.9]`'


@frozen(kw_only=True)
class CellsFailed(Diagnostic):
    """Some runs of a sweep failed.

    The others are done, and the table shows which failed and why. Each has a `train.log` in its folder. The same
    command again runs only what is not done.
    """

    code: ClassVar[str] = "SW671"
    failed: int
    cells: int
    folder: str

    def message(self) -> str:
        """How many."""
        return f"{self.failed} of {self.cells} runs failed"

    def help(self) -> str:
        """Where to look, and how to go on."""
        return f"see `train.log` below {self.folder}; the same command runs only what is not done"


SWEEPS = (NotASweep, CellsFailed)
