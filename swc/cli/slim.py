"""`swc slim`: channel numbers for a trained slimmable network, as a spec."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from swc.cli import consent, console

if TYPE_CHECKING:
    from swc.slim.slim import Slimming

POLICIES = ("none", "slices")


@click.command("slim")
@click.argument("place", metavar="[RUN]", required=False)
@click.option(
    "--flops",
    metavar="PART|NUMBER",
    multiple=True,
    required=True,
    help="Multiply-adds at most: 50% of the widest member, or 12M. Give several for several members.",
)
@click.option("--share", "policy", type=click.Choice(POLICIES), default="none", show_default=True)
@click.option("--images", type=click.IntRange(2), default=1024, show_default=True, help="Training images to look at.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The spec [ENSEMBLE_slim.sw].")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The folder that holds the data sets.")
@click.option("--offline", is_flag=True, help="Never download.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@consent.option
def command(place: str | None, policy: str, output: Path | None, trust: bool, **given: object) -> None:
    """Search how many channels each layer of a slimmable network needs (AutoSlim), and write a spec of what is found.

    The widest member is cut an eighth of a layer at a time, always where the loss on training images rises least for
    the multiply-adds that are saved. The members of the spec are to be trained from scratch; --share says whether they
    share slices. RUN is a run with `share conv as slices`, its build folder or the name of its ensemble; without it,
    what was compiled last.
    """
    from swc.cli.output import check_writable, write_file
    from swc.cli.places import open_place
    from swc.program.plug_ins import report_other_plug_ins
    from swc.slim.slim import SlimRequest, slim_build
    from swc.slim.spec_text import spec_text

    with console.reporting() as sink:
        build = open_place(place, {})
        report_other_plug_ins(build.spec.plug_ins, sink)
        target = output or Path(f"{build.spec.name}_slim.sw")
        check_writable(target)
        with consent.asked_for_data(build, trust, sink):
            found = slim_build(build, SlimRequest(**given), sink, console.say)  # type: ignore[arg-type]
    write_file(target, spec_text(found, policy).encode())
    _tell(found)  # after it is written: nobody may read on
    console.say(f"wrote {target}")


def _tell(found: Slimming) -> None:
    from swc.show.wording import decimal, exact, share_of

    for target, one in found.found:
        if one.numbers == found.uncut.numbers:
            console.say(f"{target.text} is no less than `{found.member.name}` takes: {target.member} is not cut at all")
    whole = found.uncut.multiply_adds
    rows = [(found.member.name, found.uncut), *((target.member, one) for target, one in found.found)]
    width = max(len(name) for name, _ in rows)
    for name, one in rows:
        numbers = " ".join(map(str, one.numbers))
        cost = f"{exact(one.multiply_adds):>{len(exact(whole))}} ({share_of(one.multiply_adds, whole):>7})"
        console.give(f"{name:<{width}}  {cost}  loss {decimal(one.loss)}  {numbers}")
