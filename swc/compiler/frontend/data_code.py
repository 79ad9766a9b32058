"""Looking, when a spec is compiled, whether the function that `data python(...)` names can be called.

Takes a spec while its code can be imported; reports to a sink. Guarantees: the function's module is imported, and its
arguments are held against those of the spec; the function is not called: its images are asked for when a run begins.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from inspect import signature
from typing import Any

from swc.diagnostics import DiagnosticError, Sink, Span
from swc.diagnostics.catalogue.data import DataFunctionFailed
from swc.diagnostics.suggest import closest
from swc.program.datasets import DATA
from swc.program.spec import Spec

OUR_OWN = ("train", "validation", *(one.name for one in DATA["python"].arguments))  # what the function is not given


def check_data_code(spec: Spec, sink: Sink) -> None:
    """Report a function that is not there, is none, or does not take the arguments of the spec."""
    try:
        if spec.data.code is not None:
            _look_for(spec.data.code.name, spec.data.given(), spec.data_span)
    except DiagnosticError as error:
        sink.report(error.diagnostics[0])


def _look_for(name: str, given: Mapping[str, Any], span: Span | None) -> None:
    from swc_runtime.models import find_factory

    try:
        with redirect_stdout(sys.stderr):  # the output stream belongs to the command's result
            signature(find_factory(name)).bind(**given)
    except (Exception, SystemExit) as error:
        first = (str(error).strip().splitlines() or [""])[0]
        told = f"{type(error).__name__}: {first}"
        near = next((found for one in given if one in told and (found := closest(one, OUR_OWN))), None)
        raise DiagnosticError(DataFunctionFailed(span=span, name=name, error=told, meant=near)) from error
