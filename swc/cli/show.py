"""`swc show`: a compiled ensemble as text, as a picture, and for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from swc.cli import console
from swc.cli.output import chosen_form, write_file
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.show import LayerNeedsText

if TYPE_CHECKING:
    from swc.folders.store import Build
    from swc.show.revision import Revision

FORMATS = ("text", "json", "svg", "png", "dot", "graphml")


@click.command("show")
@click.argument("place", metavar="[PATH]", required=False)
@click.option("--phase", metavar="N|NAME", help="A revision by number, or the latest one of a phase.")
@click.option("--layer", metavar="MEMBER.PATH", help="How this one weight is composed, block by block.")
@click.option("--format", "asked", type=click.Choice(FORMATS), help="[that of the file's name, or text]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.option("--ensemble", metavar="NAME", help="Which ensemble, where a .sw spec has several.")
@click.option(
    "--set", "settings", metavar="NAME=VALUE", multiple=True, help="Give a param of a .sw spec another value."
)
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The folder of a table or of arrays.")
def show(
    place: str | None,
    phase: str | None,
    layer: str | None,
    asked: str | None,
    output: Path | None,
    ensemble: str | None,
    settings: tuple[str, ...],
    data: Path | None,
) -> None:
    """Show who shares with whom, what is stored, and how each weight is made.

    PATH is a build folder, a run, the name of a compiled ensemble or a .sw spec; without it, what was compiled last.
    """
    from swc.cli.places import is_spec, open_place

    file_format = chosen_form(asked, output, FORMATS, "text")
    if layer is not None and file_format != "text":
        raise DiagnosticError(LayerNeedsText(file_format=file_format))
    if (settings or ensemble or data) and not is_spec(place or ""):
        raise click.UsageError(
            "--set, --ensemble and --data are for a .sw spec: what is compiled is as it was compiled"
        )
    build = open_place(place, console.overrides(settings), ensemble, data)
    if file_format in ("svg", "png"):
        _write_picture(build, phase, file_format, output)
    elif file_format == "text":
        _say(build, phase, layer, output)
    else:
        _emit(_exported(build, phase, file_format), output)


def _chosen(build: Build, phase: str | None) -> Revision:
    from swc.show.choose import choose

    return choose(build.revisions, phase)


def _say(build: Build, phase: str | None, layer: str | None, output: Path | None) -> None:
    from swc.cli.rendering import give, terminal_width
    from swc.folders.store import read_machine
    from swc.show.layer import layer_view
    from swc.show.plain import WIDTH, plain
    from swc.show.text import overview

    revision = _chosen(build, phase)
    width = WIDTH if output else terminal_width()
    if layer is not None:
        said = layer_view(revision.graph, layer)
    else:
        said = overview(revision, build.spec, width, read_machine(build.folder))
    if output:
        write_file(output, plain(said).encode("utf-8"))
    else:
        give(said)


def _exported(build: Build, phase: str | None, file_format: str) -> str:
    from swc.show.exports import as_dot, as_graphml, as_json

    revision = _chosen(build, phase)
    if file_format == "json":
        return as_json(revision, build.spec)
    return as_dot(revision.graph) if file_format == "dot" else as_graphml(revision.graph)


def _write_picture(build: Build, phase: str | None, file_format: str, output: Path | None) -> None:
    """All revisions under one another, or the one asked for; without `-o` into the current folder."""
    from swc.show.picture import picture

    revisions = build.revisions if phase is None else (_chosen(build, phase),)
    target = output or Path(f"{build.spec.name}.{file_format}")
    write_file(target, picture(revisions, build.spec, cast(Literal["svg", "png"], file_format)))
    console.say(f"wrote {target}")


def _emit(text: str, output: Path | None) -> None:
    if output is None:
        console.emit(text)
    else:
        write_file(output, text.encode("utf-8"))
