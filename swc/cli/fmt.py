"""`swc fmt FILE...`: specs in the one canonical form.

Takes files, rewrites those that differ, whole or not at all. Guarantees: a file with syntax errors is left as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from swc.cli import console
from swc.diagnostics.diagnostic import DiagnosticError, Sink


@click.command(name="fmt")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, allow_dash=True))
@click.option("--check", "only_check", is_flag=True, help="Change nothing; fail if a file would change.")
@console.format_option
def command(files: tuple[Path, ...], only_check: bool, form: console.Format) -> None:
    """Rewrite every FILE in the canonical form; `-` formats the input stream to the output stream."""
    if form == "json" and Path("-") in files and not only_check:
        raise click.BadParameter("with `-` the output stream holds the formatted text", param_hint="--format")
    with console.reporting(form) as sink:
        for path in files:
            _format_one(path, only_check, sink)


def _format_one(path: Path, only_check: bool, sink: Sink) -> None:
    try:
        if str(path) == "-":
            _format_stream(only_check, sink)
        else:
            _format_file(path, only_check, sink)
    except DiagnosticError as found:
        for diagnostic in found.diagnostics:
            sink.report(diagnostic)


def _format_stream(only_check: bool, sink: Sink) -> None:
    from swc.diagnostics.sources import decode
    from swc.language.syntax.printer import format_text

    text = decode(sys.stdin.buffer.read(), "<stdin>")
    formatted = format_text(text, file="<stdin>")
    if not only_check:
        console.emit(formatted, exact=True)
    elif formatted != text:
        _tell_unformatted("<stdin>", sink)


def _format_file(path: Path, only_check: bool, sink: Sink) -> None:
    from swc.cli.output import write_file
    from swc.diagnostics.sources import read_source
    from swc.language.syntax.printer import format_text

    formatted = format_text(read_source(path), file=str(path))
    if formatted.encode() == path.read_bytes():
        return
    if only_check:
        _tell_unformatted(str(path), sink)
        return
    write_file(path, formatted.encode())
    console.say(f"formatted {path}")


def _tell_unformatted(path: str, sink: Sink) -> None:
    from swc.diagnostics.catalogue.files import NotFormatted

    sink.report(NotFormatted(path=path))
