"""How much a file stands for once everything that it names is written out.

Takes counts as the checks come upon them. Guarantees: a file whose few lines stand for millions of items is refused
while they are counted, and not after they were checked.
"""

from __future__ import annotations

from attrs import define

from swc.diagnostics import Sink, Span, catalogue
from swc.program.limits import WRITTEN_OUT


@define
class Extent:
    """What may still be written out."""

    left: int = WRITTEN_OUT

    def take(self, number: int, span: Span, sink: Sink) -> None:
        """Count so many items more; DiagnosticError with all that was found where they are too many."""
        self.left -= number
        if self.left < 0:
            sink.report(catalogue.WrittenOutTooLong(span=span, most=WRITTEN_OUT))
            sink.raise_errors()
