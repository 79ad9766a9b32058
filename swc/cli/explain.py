"""`swc explain [CODE]`: what a diagnostic means, or the list of all.

Takes a code, prints the docstring of its class, which is the explanation.
"""

from __future__ import annotations

from inspect import cleandoc

import click

from swc.cli import console
from swc.diagnostics.diagnostic import Diagnostic, DiagnosticError


@click.command(name="explain")
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Explain the diagnostic CODE (say SW101), or list all codes."""
    console.give(explanation(code) if code else listing())


def listing() -> str:
    """One line for each code: the code, the severity, the first sentence of its explanation."""
    from swc.diagnostics.codes import CATALOGUE

    return "\n".join(f"{code}  {found.severity.value:<7}  {summary_of(found)}" for code, found in CATALOGUE.items())


def explanation(code: str) -> str:
    """The code, its severity and the whole explanation; raises `DiagnosticError` (SW620) for an unknown code."""
    from swc.diagnostics.catalogue.files import UnknownCode
    from swc.diagnostics.codes import CATALOGUE
    from swc.diagnostics.suggest import closest

    found = CATALOGUE.get(_normal(code))
    if found is None:
        raise DiagnosticError(UnknownCode(asked=code, suggestion=closest(_normal(code), CATALOGUE)))
    return f"{found.code} ({found.severity.value})\n\n{cleandoc(found.__doc__ or '')}"


def _normal(code: str) -> str:
    """`sw7`, `7` and `SW007` are one code."""
    digits = code.upper().removeprefix("SW")
    return f"SW{int(digits):03d}" if digits.isdecimal() and len(digits) <= len("SW000") else code.upper()


def summary_of(found: type[Diagnostic]) -> str:
    """The first sentence of an explanation, on one line."""
    first = cleandoc(found.__doc__ or "").split("\n\n")[0]
    return " ".join(first.split())
