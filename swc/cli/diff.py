"""`swc diff`: what a recompile changed, and the similarities that made it."""

from __future__ import annotations

from pathlib import Path

import click

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.show import NothingInCommon


@click.command("diff")
@click.argument("first", metavar="[A]", required=False)
@click.argument("second", metavar="[B]", required=False)
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The folder of a table or of arrays.")
def diff(first: str | None, second: str | None, data: Path | None) -> None:
    """Compare two revisions, builds, specs or program.json files.

    A and B are build or run folders, .sw specs, names of compiled ensembles or program.json files; `:N` or `:PHASE`
    behind a run (or alone) picks a revision, as in `swc diff build/small/run:0 build/small/run:1` or
    `swc diff :0 :1`. With less than two, the last two revisions are compared. `--data` is for specs.
    """
    from swc.cli.places import is_spec, sides
    from swc.cli.rendering import give
    from swc.program.diff import parameters
    from swc.show.diff import diff_view, measured_between

    if data and not any(is_spec(place or "") for place in (first, second)):
        raise click.UsageError("--data is for a .sw spec: what is compiled has its table with it")
    before, after = sides(first, second, data)
    one, other = before.side.program, after.side.program
    if not parameters(one) & parameters(other):
        raise DiagnosticError(NothingInCommon(first=before.side.name, second=after.side.name))
    measured = measured_between(one, other, after.feedback or before.feedback, after.training or before.training)
    give(diff_view(before.side, after.side, measured))
