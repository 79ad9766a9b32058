"""Looking, when a spec is compiled, whether the function that `data python(...)` names can be called.

Takes a spec while its code can be imported; reports to a sink. Guarantees: the function's module is imported, and the
function is not called: its images are asked for when a run begins.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

from swc.diagnostics import DiagnosticError, Sink, Span
from swc.diagnostics.catalogue.data import DataFunctionFailed
from swc.program.spec import Spec


def check_data_code(spec: Spec, sink: Sink) -> None:
    """Report a function that is not there, or is none."""
    try:
        if spec.data.code is not None:
            _look_for(spec.data.code.name, spec.data_span)
    except DiagnosticError as error:
        sink.report(error.diagnostics[0])


def _look_for(name: str, span: Span | None) -> None:
    from swc_runtime.models import find_factory

    try:
        with redirect_stdout(sys.stderr):  # the output stream belongs to the command's result
            find_factory(name)
    except (Exception, SystemExit) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        told = f"{type(error).__name__}: {first}"
        raise DiagnosticError(DataFunctionFailed(span=span, name=name, error=told)) from error
