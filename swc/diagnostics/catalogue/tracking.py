"""Diagnostics of trackers of experiments (SW59x).

Guarantees: `TRACKING` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic
from swc.diagnostics.installing import extra_words


@frozen(kw_only=True)
class TrackerNotInstalled(Diagnostic):
    """A run is to be tracked by a package that is not installed.

    `swc train --mlflow ADDRESS` writes the run into MLflow, whose client is an extra of this project, because nothing
    else needs it. Nothing was trained yet, and nothing was written.
    """

    code: ClassVar[str] = "SW590"
    package: str
    extra: str

    def message(self) -> str:
        return f"the run is to be tracked by `{self.package}`, which is not installed"

    def help(self) -> str:
        return f"install the extra `{self.extra}`: {extra_words(self.extra)}"


@frozen(kw_only=True)
class TrackerFailed(Diagnostic):
    """The tracker of a run refused what it was told.

    A server may be out of reach, a place that cannot be written, or a version that does not do what the address asks
    for; the message says what the tracker said. The run ends, so that nothing goes missing in its record without a
    word; it has lost nothing that was saved, and goes on with the same command, with this tracker or without one.
    """

    code: ClassVar[str] = "SW591"
    tracker: str
    where: str
    reason: str

    def message(self) -> str:
        return f"{self.tracker} at `{self.where}` failed: {self.reason}"

    def help(self) -> str:
        return "see to the tracker and train again, which goes on where the run was, or leave the option out"


TRACKING = (TrackerNotInstalled, TrackerFailed)
