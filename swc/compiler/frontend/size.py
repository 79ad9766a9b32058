"""How large a module may become while it is built.

Guarantees: a module that grows beyond the limits is refused at the parameter that goes beyond them, so that a spec of
a few characters cannot fill the memory. Imports torch, so it is itself imported late.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.limits import TooManyParameters
from swc.program.limits import SCALARS, TENSORS


@contextmanager
def bounded_size() -> Iterator[None]:
    """Count the parameters that modules register inside; DiagnosticError where they are too many."""
    num_tensors = num_scalars = 0

    def count(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal num_tensors, num_scalars
        if parameter is None or isinstance(parameter, nn.UninitializedParameter):
            return
        num_tensors += 1
        num_scalars += parameter.numel()
        if num_scalars > SCALARS:
            raise DiagnosticError(TooManyParameters(what="this member has", most=SCALARS))
        if num_tensors > TENSORS:
            raise DiagnosticError(TooManyParameters(what="this member has", most=TENSORS, unit="parameter tensors"))

    handle = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()
