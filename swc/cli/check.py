"""`swc check FILE...`: the mistakes in specs, without building any network.

Takes files, prints their diagnostics; status 1 if there is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from swc.cli import console
from swc.diagnostics.diagnostic import Sink


@click.command(name="check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--ensemble", metavar="NAME", help="Check this ensemble alone (default: all of a file).")
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="Give a param another value; repeatable.")
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@console.format_option
def command(
    files: tuple[Path, ...], ensemble: str | None, settings: tuple[str, ...], strict: bool, form: console.Format
) -> None:
    """Check every FILE for mistakes: syntax, names, values, units and ranges."""
    overrides = console.overrides(settings)
    with console.reporting(form, strict=strict) as sink:
        for path in files:
            check_one(path, ensemble, overrides, sink)


def check_one(path: Path, ensemble: str | None, overrides: Mapping[str, str], sink: Sink) -> None:
    """Check one file, or one ensemble of it, and add what is found to the sink.

    Of a whole file the recipes and policies are checked too, whether an ensemble uses them or not.
    """
    from swc.language.semantics import check

    if ensemble is None:
        check.check_whole(path, overrides, sink)
        return
    inner = Sink()
    with check.collected(sink):
        check.check_file(path, ensemble, overrides, inner)
    for diagnostic in inner.diagnostics:
        sink.report(diagnostic)
