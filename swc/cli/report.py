"""`swc report`: runs as one page, written once or served while they train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from swc.cli import console

if TYPE_CHECKING:
    from swc.store import Build


@click.command("report")
@click.argument("places", metavar="[RUN]...", nargs=-1)
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file [report.html]."
)
@click.option("--serve", is_flag=True, help="Serve the page on this machine, and follow runs that go on.")
@click.option("--port", type=click.IntRange(1, 65535), help="With --serve: listen here [any free port].")
def command(places: tuple[str, ...], output: Path | None, serve: bool, port: int | None) -> None:
    """Make one page of runs: sharing graphs, budget, similarities, curves, scores, and how to repeat them.

    The page is one file that needs no network. RUN is a run, a build folder, the name of a compiled ensemble or a .sw
    spec; without it, what was compiled last. Several runs are drawn over each other.
    """
    if serve and output is not None:
        raise click.UsageError("--serve writes no file: leave -o away")
    if port is not None and not serve:
        raise click.UsageError("--port is for --serve")
    if serve:
        _serve(places, port or 0)
    else:
        _write(places, output or Path("report.html"))


def _write(places: tuple[str, ...], output: Path) -> None:
    from swc.cli.output import write_file
    from swc.report.document import page_of
    from swc.report.gather import report_of

    write_file(output, page_of(report_of(_opened(places))).encode())
    console.say(f"wrote {output}")


def _serve(places: tuple[str, ...], port: int) -> None:
    """Serve until the user interrupts it."""
    from swc.report.serve import Follower, server_of

    follower = Follower(lambda: _opened(places))
    follower.report()  # what cannot be opened at all is told here
    try:
        with server_of(follower, port) as server:
            console.say(f"the report is at {server.address}; Ctrl-C ends it")
            server.serve_forever()
    except KeyboardInterrupt:
        console.say("ended")


def _opened(places: tuple[str, ...]) -> tuple[Build, ...]:
    """The builds of the command line; DiagnosticError where one is named twice."""
    from swc.cli.places import open_place
    from swc.diagnostics import DiagnosticError
    from swc.diagnostics.catalogue.reports import SameRunTwice

    builds = tuple(open_place(place, {}) for place in places or (None,))
    seen: set[Path] = set()
    for build in builds:
        if build.folder.resolve() in seen:
            raise DiagnosticError(SameRunTwice(place=str(build.folder)))
        seen.add(build.folder.resolve())
    return builds
