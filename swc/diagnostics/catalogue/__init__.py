"""The catalogue of diagnostics: one class per code, in modules by area.

Takes a class's name as an attribute, gives the class. Guarantees: an area is imported when a class of it is asked for
and not before: most specs have no mistake, and seventy classes take a fifth of the time of `swc check`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swc.diagnostics.catalogue.actions import *  # noqa: F403
    from swc.diagnostics.catalogue.arguments import *  # noqa: F403
    from swc.diagnostics.catalogue.data import *  # noqa: F403
    from swc.diagnostics.catalogue.given_weights import *  # noqa: F403
    from swc.diagnostics.catalogue.limits import *  # noqa: F403
    from swc.diagnostics.catalogue.names import *  # noqa: F403
    from swc.diagnostics.catalogue.recipes import *  # noqa: F403
    from swc.diagnostics.catalogue.steps import *  # noqa: F403
    from swc.diagnostics.catalogue.structure import *  # noqa: F403
    from swc.diagnostics.catalogue.syntax_errors import *  # noqa: F403
    from swc.diagnostics.catalogue.tasks import *  # noqa: F403
    from swc.diagnostics.catalogue.trust import *  # noqa: F403
    from swc.diagnostics.catalogue.unused import *  # noqa: F403
    from swc.diagnostics.catalogue.values import *  # noqa: F403

# what reading a spec can come upon; other stages name the module they need
AREAS = (
    "syntax_errors",
    "names",
    "steps",
    "structure",
    "values",
    "unused",
    "limits",
    "arguments",
    "trust",
    "data",
    "actions",
    "recipes",
    "tasks",
    "given_weights",
)


def __getattr__(name: str) -> object:
    """Find a class in its area."""
    if name[:1].isupper():
        for area in AREAS:
            module = import_module(f"{__name__}.{area}")
            if hasattr(module, name):
                return getattr(module, name)
    raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
