"""`swc plot`: what a run measured, as a figure."""

from __future__ import annotations

from pathlib import Path

import click

from swc.cli import console
from swc.cli.output import chosen_form, form_of, write_file

NAMES = ("curves", "similarities", "anytime", "reliability", "diversity", "interpolation", "corruptions")
SEVERAL = "anytime"  # the figure that lays several runs over each other
AGAINST = ("multiply-adds", "milliseconds")
FORMATS = ("png", "svg", "pdf")


def figure_file(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """The file of a figure; wrong usage where its ending is that of something else."""
    if value is not None and value.suffix and form_of(value, FORMATS, "") == "":
        raise click.BadParameter(f"`{value.name}` ends in none of .{', .'.join(FORMATS)}", context, parameter)
    return value


@click.command("plot")
@click.argument("name", type=click.Choice(NAMES))
@click.argument("places", metavar="[RUN]...", nargs=-1)
@click.option("--against", type=click.Choice(AGAINST), help="For anytime: the cost that scores stand against.")
@click.option("--format", "image_format", type=click.Choice(FORMATS), help="[that of the file's name, or png]")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=figure_file,
    help="Write to this file: png, svg or pdf.",
)
def command(
    name: str, places: tuple[str, ...], against: str | None, image_format: str | None, output: Path | None
) -> None:
    """Draw what a run measured, so far as it has come.

    curves: each member's training loss, and top-1 on held-out images of the members and the ensemble. similarities:
    what the recompiles went by, each pair with its standard error, and the threshold. anytime, reliability and
    diversity show what `swc eval` found: scores against cost, of several runs over each other; accuracy against
    confidence; disagreement; interpolation what `swc eval --interpolate` found, corruptions what
    `swc eval --corruptions` found.

    RUN is a run, a build folder or the name of a compiled ensemble; without it, what was compiled last.
    """
    from swc.cli.places import open_runs
    from swc.report.figures import figure_of

    if name != SEVERAL:
        _check_alone(name, places, against)
    chosen = chosen_form(image_format, output, FORMATS, FORMATS[0])
    builds = open_runs(places)
    target = output or Path(f"{f'{builds[0].spec.name}_' if len(builds) == 1 else ''}{name}.{chosen}")
    options = {"against": against} if against else {}
    write_file(target, figure_of(name, builds, chosen, **options))  # type: ignore[arg-type]
    console.say(f"wrote {target}")


def _check_alone(name: str, places: tuple[str, ...], against: str | None) -> None:
    if len(places) > 1:
        raise click.UsageError(f"{name} shows one run: name one; {SEVERAL} takes several")
    if against is not None:
        raise click.UsageError(f"--against is for {SEVERAL}")
