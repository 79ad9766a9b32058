"""Streams, colour and JSON for the commands: results go to the output stream, diagnostics to the error stream.

Guarantees: what files, names and errors hold reaches a terminal without its control characters (all output of the
commands goes through here or `swc.cli.rendering`); no colour where the stream is not a terminal or NO_COLOR is set
(FORCE_COLOR overrides the terminal); under `--format json` the output stream holds one JSON document and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isnan
from typing import IO, Any, Literal

import click

from swc.diagnostics.diagnostic import Diagnostic, DiagnosticError, Severity, Sink
from swc.diagnostics.printable import printable

Format = Literal["text", "json"]

# `--format text|json` for commands whose result is their diagnostics
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the output.",
)


def report(diagnostics: Sequence[Diagnostic], form: Format = "text") -> None:
    """Print diagnostics with their summary: text to the error stream, JSON (also for none) to the output stream."""
    from swc.diagnostics import render

    if form == "json":
        emit(render.render_json(diagnostics))
    elif diagnostics:
        text = render.render(diagnostics, colour=has_colour(sys.stderr))
        click.echo(text, nl=False, err=True, color=True)


def say(message: str) -> None:
    """Print a line for people to the error stream: progress, what was written where."""
    click.echo(printable(message), err=True)


def give(text: str) -> None:
    """Print a result to the output stream, with a line end."""
    emit(text + "\n")


def emit(text: str, *, exact: bool = False) -> None:
    """Print a result to the output stream as it is, but for characters that would steer a terminal.

    With `exact` these are kept where the stream is not a terminal: the text is somebody's file.
    """
    with output_named():
        click.echo(text if exact and not sys.stdout.isatty() else printable(text), nl=False)


@contextmanager
def output_named() -> Iterator[None]:
    """Inside, results are printed; an OSError gets the name of the stream, which the system leaves out."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def has_colour(stream: IO[Any]) -> bool:
    """Whether to colour what goes to a stream."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


@contextmanager
def reporting(form: Format = "text", *, strict: bool = False) -> Iterator[Sink]:
    """Collect diagnostics in the sink it yields, print them at the end, and exit with status 1 for an error.

    What a `DiagnosticError` carries is printed with them, each once. With `strict` a warning counts as an error.
    JSON is printed even when there is nothing to tell.
    """
    sink = Sink()
    try:
        yield sink
    except DiagnosticError as raised:
        for diagnostic in raised.diagnostics:
            sink.report(diagnostic)
    report(sink.diagnostics, form)
    if sink.errors or (strict and any(d.severity is Severity.WARNING for d in sink.warnings)):
        raise click.exceptions.Exit(1)


def overrides(settings: Sequence[str], option: str = "--set") -> dict[str, str]:
    """What `--set NAME=VALUE` says, by name, or an option like it; wrong usage without `=`, or for a name twice."""
    found: dict[str, str] = {}
    for setting in settings:
        name, equals, value = (part.strip() for part in setting.partition("="))
        if not (equals and name and value):
            raise click.BadParameter(f"`{setting}` is not NAME=VALUE", param_hint=option)
        if name in found:
            raise click.BadParameter(f"`{name}` is given twice", param_hint=option)
        found[name] = value
    return found


def number(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """A click callback: BadParameter for "nan", which click's ranges let through."""
    if value is not None and isnan(value):
        raise click.BadParameter("nan is not a number", context, parameter)
    return value
