"""`swc plot`: what a run measured, as a figure."""

from __future__ import annotations

from pathlib import Path

import click

from swc.cli import console
from swc.cli.output import write_file

NAMES = ("curves", "similarities", "anytime", "reliability", "diversity", "interpolation", "corruptions")
FORMATS = ("png", "svg", "pdf")


@click.command("plot")
@click.argument("name", type=click.Choice(NAMES))
@click.argument("place", metavar="[RUN]", required=False)
@click.option("--format", "image_format", type=click.Choice(FORMATS), help="[that of the file's name, or png]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def command(name: str, place: str | None, image_format: str | None, output: Path | None) -> None:
    """Draw what a run measured, so far as it has come.

    curves: each member's training loss, and top-1 on held-out images of the members and the ensemble. similarities:
    what the recompiles went by, each pair with its standard error, and the threshold. anytime, reliability and
    diversity show what `swc eval` found: scores against cost, accuracy against confidence, disagreement;
    interpolation what `swc eval --interpolate` found, corruptions what `swc eval --corruptions` found.

    RUN is a run, a build folder or the name of a compiled ensemble; without it, what was compiled last.
    """
    from swc.cli.places import open_place
    from swc.report.figures import figure_of

    build = open_place(place, {})
    chosen = image_format or _format_of(output)
    target = output or Path(f"{build.spec.name}_{name}.{chosen}")
    write_file(target, figure_of(name, build, chosen))  # type: ignore[arg-type]
    console.say(f"wrote {target}")


def _format_of(output: Path | None) -> str:
    ending = output.suffix.removeprefix(".").lower() if output else ""
    return ending if ending in FORMATS else "png"
