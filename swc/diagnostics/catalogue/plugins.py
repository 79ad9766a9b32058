"""Diagnostics of plug-ins: SW170 to SW179.

Guarantees: `PLUGINS` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic, Severity


@frozen(kw_only=True)
class BrokenPlugIn(Diagnostic):
    """An installed package offers a name that the spec uses, but what it offers cannot be read.

    Packages offer optimisers, families and the like through entry points. The entry point must lead to a row of the
    right class, under its own name, and the row to an implementation that can be imported. The message says what went
    wrong first. Ask the package's authors, or install a version that goes with this one of swc.
    """

    code: ClassVar[str] = "SW170"
    kind: str
    name: str
    distribution: str
    version: str
    reason: str

    def message(self) -> str:
        return (
            f"the {self.kind} `{self.name}` of the plug-in {self.distribution} {self.version} is broken: {self.reason}"
        )

    def help(self) -> str:
        return f"install another version of {self.distribution}, or name another {self.kind}"


@frozen(kw_only=True)
class AmbiguousPlugIn(Diagnostic):
    """Two installed packages offer the same name, and nothing says which one is meant.

    A run must mean the same wherever it is opened, so none of them is preferred. Keep the one that is meant, and
    uninstall the others.
    """

    code: ClassVar[str] = "SW171"
    kind: str
    name: str
    distributions: tuple[str, ...]

    def message(self) -> str:
        return f"the {self.kind} `{self.name}` is offered by several plug-ins: {', '.join(self.distributions)}"

    def help(self) -> str:
        return "uninstall all of them but one"


@frozen(kw_only=True)
class MissingPlugIn(Diagnostic):
    """A build or a run was made with a plug-in that is not installed here.

    What it names is not part of swc: the file says which package it came from, and in which version. Install that
    package beside swc, and open the folder again.
    """

    code: ClassVar[str] = "SW172"
    kind: str
    name: str
    distribution: str
    version: str
    origin: str = ""

    def message(self) -> str:
        """What is missing."""
        where = f"`{self.origin}` needs " if self.origin else ""
        return f"{where}the {self.kind} `{self.name}` of the plug-in {self.distribution}, which is not installed here"

    def help(self) -> str:
        """What to install."""
        return f"pip install {self.distribution}=={self.version}"


@frozen(kw_only=True)
class OtherPlugIn(Diagnostic):
    """A build or a run was made with another version of a plug-in than the one that is installed here.

    What a name means is the package's affair: another version may compute otherwise under the same name, so that a run
    which goes on may not end as it would have. Nothing else is checked. To be sure, install the version that was noted.
    """

    code: ClassVar[str] = "SW173"
    severity: ClassVar[Severity] = Severity.WARNING
    kind: str
    name: str
    noted: str
    installed: str
    requirement: str

    def message(self) -> str:
        """Both packages with their versions."""
        return (
            f"the {self.kind} `{self.name}` was that of the plug-in {self.noted}; here it is that of {self.installed}"
        )

    def help(self) -> str:
        """How to have the one that was noted."""
        return f"pip install {self.requirement}"


PLUGINS: tuple[type[Diagnostic], ...] = (BrokenPlugIn, AmbiguousPlugIn, MissingPlugIn, OtherPlugIn)
