"""Diagnostics of `swc export` (SW66x).

Guarantees: `EXPORTING` lists every class of this module.
"""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic


@frozen(kw_only=True)
class NoSuchMember(Diagnostic):
    """`swc export --members` names a member that the ensemble does not have.

    Members are named as in the spec; those of an array are `m[0]`, `m[1]`, ... Several are joined by commas.
    """

    code: ClassVar[str] = "SW660"
    name: str
    ensemble: str
    known: tuple[str, ...]
    suggestion: str | None = None

    def message(self) -> str:
        """Which name."""
        return f"`{self.ensemble}` has no member `{self.name}`"

    def help(self) -> str:
        """The nearest name, or all."""
        if self.suggestion:
            return f"did you mean `{self.suggestion}`?"
        return f"its members are {', '.join(f'`{name}`' for name in self.known)}"


@frozen(kw_only=True)
class NotExportable(Diagnostic):
    """A member cannot be written in this format.

    `torch-export` follows what a module does with one batch, and refuses code whose way depends on the images. The
    formats `torch` and `safetensors` keep weights alone, and take every member. Nothing was written for this one.
    """

    code: ClassVar[str] = "SW661"
    member: str
    form: str
    reason: str

    def message(self) -> str:
        """Which member, and what the writer said."""
        return f"member `{self.member}` cannot be written as {self.form}: {self.reason}"

    def help(self) -> str:
        """The ways out."""
        return "change the member's code as it says, or use `--format torch`"


@frozen(kw_only=True)
class ExportDiffers(Diagnostic):
    """What was written does not give the outputs of the ensemble.

    Every file is read back and asked for a few images. It should give what the member gives, but for rounding. The
    file was removed. This can happen to a module that keeps numbers outside of its parameters and buffers.
    """

    code: ClassVar[str] = "SW662"
    path: str
    member: str
    difference: float

    def message(self) -> str:
        """By how much."""
        return f"`{self.path}` gives other outputs than member `{self.member}`: they differ by {self.difference:.2g}"

    def help(self) -> str:
        """What can be done."""
        return "keep everything the member computes with in parameters or buffers"


EXPORTING = (NoSuchMember, NotExportable, ExportDiffers)
