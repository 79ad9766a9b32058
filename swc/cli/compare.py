"""`swc compare`: ensembles beside each other, before training and after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from swc.cli import console
from swc.cli.output import chosen_form, deliver, form_of, write_file
from swc.cli.plot import AGAINST, FORMATS, figure_file

if TYPE_CHECKING:
    from swc.compare.comparison import Comparison
    from swc.diagnostics import Sink


FORMS = ("text", "json", "csv")


def _named_figure(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and not value.suffix:
        raise click.BadParameter(f"`{value.name}` ends in none of .{', .'.join(FORMATS)}", context, parameter)
    return figure_file(context, parameter, value)


@click.command("compare")
@click.argument("places", metavar="SPEC|RUN...", nargs=-1, required=True)
@click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="Give a param of the .sw specs a value.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The folder of a table or of arrays.")
@click.option("--format", "form", type=click.Choice(FORMS), help="[that of the file's name, or text]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.option(
    "--plot",
    "target",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_named_figure,
    help="Draw scores against cost of what was evaluated: png, svg or pdf.",
)
@click.option("--against", type=click.Choice(AGAINST), help="With --plot: the cost. [multiply-adds]")
def command(
    places: tuple[str, ...],
    settings: tuple[str, ...],
    data: Path | None,
    form: str | None,
    output: Path | None,
    target: Path | None,
    against: str | None,
) -> None:
    """Compare ensembles: what they store, share and cost before training, and what their runs came to.

    SPEC is a .sw file (all ensembles of it) or FILE.sw:ENSEMBLE; its runs are those below the nearest build/, sweeps
    too. RUN is a run, a build folder, the name of a compiled ensemble or the folder of a sweep. Runs of one spec that
    differ in the seed stand in one row, with mean and standard error.
    """
    from swc.cli.places import is_spec

    if against is not None and target is None:
        raise click.UsageError("--against is for --plot")
    if (settings or data) and not any(is_spec(place) for place in places):
        raise click.UsageError("--set and --data are for .sw specs: what is compiled is as it was compiled")
    chosen = chosen_form(form, output, FORMS, "text")
    overrides = console.overrides(settings)
    with console.reporting() as sink:
        from swc.cli.places import open_compared
        from swc.compare.comparison import comparison_of

        found = comparison_of(open_compared(places, overrides, data), Path.cwd(), sink)
        _give(found, chosen, output)
        if target is not None:
            _draw(found, target, against or AGAINST[0], sink)


def _give(found: Comparison, form: str, output: Path | None) -> None:
    from swc.cli.rendering import give
    from swc.compare.record import as_csv, as_json
    from swc.compare.tables import comparison_shown
    from swc.show.plain import plain

    if form == "text" and output is None:
        give(comparison_shown(found))
        return
    text = plain(comparison_shown(found)) if form == "text" else as_csv(found) if form == "csv" else as_json(found)
    deliver(text, output)


def _draw(found: Comparison, target: Path, against: str, sink: Sink) -> None:
    from swc.compare.comparison import anytime_of
    from swc.show.images import house_style, image_of

    with house_style():
        drawn = image_of(anytime_of(found, against, sink), form_of(target, FORMATS, FORMATS[0]))  # type: ignore[arg-type]
    write_file(target, drawn)
    console.say(f"wrote {target}")
