"""`swc report`: runs as one page, written once or served while they train."""

from __future__ import annotations

from pathlib import Path

import click

from swc.cli import console


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
    from swc.cli.places import open_runs
    from swc.report.document import page_of
    from swc.report.gather import report_of

    write_file(output, page_of(report_of(open_runs(places))).encode())
    console.say(f"wrote {output}")


def _serve(places: tuple[str, ...], port: int) -> None:
    """Serve until the user interrupts it."""
    from swc.cli.places import open_runs
    from swc.report.serve import Follower, server_of

    follower = Follower(lambda: open_runs(places))
    follower.report()  # what cannot be opened at all is told here
    try:
        with server_of(follower, port) as server:
            console.say(f"the report is at {server.address}; Ctrl-C ends it")
            server.serve_forever()
    except KeyboardInterrupt:
        console.say("ended")
