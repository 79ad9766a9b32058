"""Diagnostics for a name in `python(...)` that stands for something which must not be called.

Takes what `find_factory` raised, gives a diagnostic without a span, or None where it is about something else.
"""

from __future__ import annotations

from swc.diagnostics import Diagnostic
from swc.diagnostics.catalogue.trust import FactoryElsewhere, NotAFactory, StandardLibraryFactory
from swc.language.semantics.own_code import is_factory_name, is_standard
from swc_runtime.models import ElsewhereError, NotAFactoryError, StandardLibraryError


def refusal_of(error: Exception, name: str) -> Diagnostic | None:
    """The diagnostic for a factory that was refused."""
    match error:
        case StandardLibraryError():
            return StandardLibraryFactory(name=name)
        case NotAFactoryError():
            return NotAFactory(name=name, found=error.found)
        case ElsewhereError():
            own = f"{error.home}:{error.path}"
            can_be_named = is_factory_name(own) and not is_standard(own)
            return FactoryElsewhere(name=name, home=error.home, factory=own if can_be_named else None)
    return None
