"""`swc export`: members with their weights written out, free of this project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from swc.cli import consent, console
from swc.cli.choices import metavar, name_in, paragraph
from swc.registry.exporters import EXPORTERS

if TYPE_CHECKING:
    from swc.program.datasets import DataFacts

HELP = f"""Write the members of a run as plain files, with their weights generated once.

{paragraph(EXPORTERS)} A model card stands beside them. RUN is a run, a build folder or the name of a compiled ensemble;
without it, what was compiled last.
"""


@click.command("export", help=HELP)
@click.argument("place", metavar="[RUN]", required=False)
@click.option(
    "--format", "form", metavar=metavar(EXPORTERS), callback=name_in(EXPORTERS), default="torch", show_default=True
)
@click.option("--members", metavar="NAME,...", help="Write these members alone [all].")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="The folder [ENSEMBLE_FORMAT].")
@click.option("--average", is_flag=True, help="Write the average of the weights that the run has kept.")
@consent.option
def command(place: str | None, form: str, members: str | None, output: Path | None, average: bool, trust: bool) -> None:
    """Write members in a format of `swc.registry.exporters`."""
    from swc.cli.places import open_place
    from swc.export.export import export_build
    from swc.program.plug_ins import report_other_plug_ins

    wanted = () if members is None else tuple(name.strip() for name in members.split(","))
    if members is not None and not all(wanted):
        raise click.UsageError("--members has an empty name: leave it out for all members")
    with console.reporting() as sink:
        build = open_place(place, {})
        report_other_plug_ins(build.spec.plug_ins, sink)
        with consent.asked(build, trust, sink):
            folder = output or Path(f"{build.spec.name}_{form}")
            found = export_build(build, form, wanted, folder, sink, average=average)
    console.say(f"wrote {found.folder}: {', '.join(found.files)}")
    if not found.has_classes:
        console.say(_without_names(build.spec.data))
    console.say(f"every member was read back: its outputs differ by {found.difference:.1g} at most")


def _without_names(data: DataFacts) -> str:
    """Why no names of classes are written. Those of folders are recorded in training, but for runs of old versions."""
    from swc.program.datasets import has_class_folders

    if has_class_folders(data):
        return "the names of the classes are not known: `swc train` on the finished run records them"
    return "the data give the classes no names: outputs are numbered as the labels are"
