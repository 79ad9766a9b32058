"""Diagnostics: spans, the classes of the catalogue, and their rendering."""

from swc.diagnostics.diagnostic import Diagnostic, DiagnosticError, Severity, Sink
from swc.diagnostics.span import Span

__all__ = ["Diagnostic", "DiagnosticError", "Severity", "Sink", "Span"]
