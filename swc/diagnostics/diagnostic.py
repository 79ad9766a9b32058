"""What a diagnostic is, and the two ways to hand one over: collected in a `Sink`, or raised.

Guarantees: a diagnostic carries a code, a severity, one lower-case message, and the way out only in `help`.
"""

from __future__ import annotations

from enum import Enum
from typing import ClassVar

from attrs import Factory, define, field, frozen

from swc.diagnostics.span import Span

SHOWN = 100  # mistakes that are printed; of any more, only their number


class Severity(Enum):
    """How much a diagnostic matters: an error stops the command, a warning or a note does not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@frozen(kw_only=True)
class Diagnostic:
    """One mistake or warning, as its author reads it; the subclasses are the catalogue, one class for each code.

    A subclass sets `code` and, where it is not an error, `severity`; its docstring is what `swc explain CODE` prints.
    """

    code: ClassVar[str]
    severity: ClassVar[Severity] = Severity.ERROR

    span: Span | None = None

    def message(self) -> str:
        """What is wrong: one line of lower-case text, names in backticks."""
        raise NotImplementedError

    def summary(self) -> str:
        """Code and message in one line."""
        return f"{self.code}: {self.message()}"

    def help(self) -> str | None:
        """What to do about it, or None where nothing general can be said."""
        return None

    def notes(self) -> tuple[str, ...]:
        """Further facts, a line each: the layers that force it, the values seen."""
        return ()


class DiagnosticError(Exception):
    """Raised once with everything that was collected."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        self.diagnostics = diagnostics
        super().__init__()

    def __str__(self) -> str:
        shown = "; ".join(d.summary() for d in self.diagnostics[:SHOWN])
        more = len(self.diagnostics) - SHOWN
        return f"{shown}; and {more:,} more" if more > 0 else shown


_Key = tuple[str, Span | None, str]


@define
class Sink:
    """Collects diagnostics over a stage, so that several mistakes are reported at once."""

    diagnostics: list[Diagnostic] = field(default=Factory(list))
    # By code, place and message: a hash of all it holds would read lists of names that many have in common.
    _seen: dict[_Key, list[Diagnostic]] = field(factory=dict, init=False, repr=False, eq=False)

    def report(self, diagnostic: Diagnostic) -> None:
        """Remember a diagnostic; the same one twice counts once."""
        alike = self._seen.setdefault((diagnostic.code, diagnostic.span, diagnostic.message()), [])
        if diagnostic not in alike:
            alike.append(diagnostic)
            self.diagnostics.append(diagnostic)

    def clear(self) -> None:
        """Forget everything: it has been printed."""
        self._seen.clear()
        self.diagnostics.clear()

    @property
    def has_errors(self) -> bool:
        """Whether anything that was collected stops the command."""
        return any(d.severity is Severity.ERROR for d in self.diagnostics)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that stop the command, in the order they were found."""
        return tuple(d for d in self.diagnostics if d.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """Warnings and notes, in the order they were found."""
        return tuple(d for d in self.diagnostics if d.severity is not Severity.ERROR)

    def raise_errors(self) -> None:
        """Raise `DiagnosticError` with everything collected if any of it is an error."""
        if self.has_errors:
            raise DiagnosticError(*self.diagnostics)
