"""Names of a registry as the value of an option, and in a command's help.

Takes a registry; gives what click wants. Guarantees: plug-ins are looked at only where a name is none of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from swc.diagnostics import DiagnosticError
from swc.registry.registry import Registry

Check = Callable[[click.Context, click.Parameter, str], str]


def metavar(registry: Registry[Any]) -> str:
    """Our own names, as click shows choices."""
    return f"[{'|'.join(registry.names)}]"


def name_in(registry: Registry[Any]) -> Check:
    """A callback that takes the registry's names; a usage error for any other, and for a broken plug-in's."""

    def check(context: click.Context, parameter: click.Parameter, value: str) -> str:
        try:
            if value in registry:
                return value
        except DiagnosticError as error:
            raise click.BadParameter(error.diagnostics[0].summary(), context, parameter) from error
        known = ", ".join(map(repr, registry.choices()))
        raise click.BadParameter(f"{value!r} is not one of {known}.", context, parameter)

    return check


def paragraph(registry: Registry[Any]) -> str:
    """Every name of ours with its words, a sentence each."""
    return " ".join(f"{row.name}: {row.words}." for row in registry.rows)
