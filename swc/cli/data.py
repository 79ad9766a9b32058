"""`swc data`: what is made of data sets; so far, corrupted copies of their test images."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swc.cli import consent, console
from swc.system.processes import num_cores

if TYPE_CHECKING:
    from swc.diagnostics import Sink
    from swc.program.datasets import DataFacts


@click.group("data")
def command() -> None:
    """Make something of a data set: corrupted copies of its test images."""


@command.command("corrupt")
@click.argument("dataset")
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), help="The folder [DATASET-c].")
@click.option("--types", metavar="NAME,...", help="Make these types alone [all 19].")
@click.option("--severities", metavar="N,...", default="1,2,3,4,5", show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--jobs", type=click.IntRange(1), help="Processes [as many as there are cores].")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The folder that holds the data sets.")
@click.option("--offline", is_flag=True, help="Never download.")
@consent.option
def corrupt(
    dataset: str,
    output: Path | None,
    types: str | None,
    severities: str,
    seed: int,
    jobs: int | None,
    **place: Any,
) -> None:
    """Make corrupted copies of the test images of DATASET, in the layout of CIFAR-10-C and CIFAR-100-C.

    DATASET is the name of a data set, or a spec, build or run whose images are meant. The folder is marked as
    generated. A command that was stopped goes on where it was.
    """
    from swc.corrupt.make import CorruptionRequest, check, make_arrays
    from swc.corrupt.source import SplitSource
    from swc.program.input_faults import check_images
    from swc.show.wording import several
    from swc_runtime.data import open_data

    asked = CorruptionRequest(_types(types), _severities(severities), seed, jobs or num_cores())
    with console.reporting() as sink:
        with _consented(dataset, place["trust"], sink) as facts:
            check_images(facts, "swc data corrupt")
            found = open_data(facts, place["data"], place["offline"], console.say)
        found.report(sink)
        source = SplitSource(found.test)
        check(source, asked, sink)
        if source.image_shape[2] == 1:
            console.say("grey images: types of colour are made of three equal channels, and their luma is kept")
        folder = output or Path(f"{_file_name(facts)}-c")
        with _progress() as tell:
            made = make_arrays(source, asked, folder, tell)
        there = len(asked.types) - len(made)
        console.say(f"wrote {several(len(made), 'type')} to {folder}" + (f"; {there} were there" if there else ""))


def _file_name(facts: DataFacts) -> str:
    """What a data set is called, as a name of a file: `cifar100_labels_coarse_size_8`."""
    if facts.variant:
        return re.sub(r"\W+", "_", facts.title).strip("_")
    return Path(facts.folder or facts.title).name.replace(":", "_")


@contextmanager
def _consented(dataset: str, is_trusted: bool, sink: Sink) -> Iterator[DataFacts]:
    """The facts of a data set by name, or of a spec, build or run, whose code may give the images inside."""
    from swc.cli.places import is_spec, open_place
    from swc.diagnostics import DiagnosticError
    from swc.diagnostics.catalogue.names import UnknownData
    from swc.program.datasets import DATASETS, named
    from swc.trust.code import code_of
    from swc.trust.importing import own_code

    facts = named(dataset)
    if facts is not None:
        yield facts
        return
    if not (is_spec(dataset) or Path(dataset).exists()):
        raise DiagnosticError(UnknownData(name=dataset, datasets=tuple(DATASETS)))
    build = open_place(dataset, {})
    if is_spec(dataset) and build.spec.data.code is not None:  # to name a spec is consent
        with consent.by_naming(sink) as announce, own_code(build.spec):
            announce(code_of(build.spec))
            yield build.spec.data
        return
    with consent.asked_for_data(build, is_trusted, sink):
        yield build.spec.data


def _types(given: str | None) -> tuple[str, ...]:
    from swc.corrupt.published import TYPES
    from swc.diagnostics import DiagnosticError
    from swc.diagnostics.catalogue.corrupting import UnknownCorruption
    from swc.diagnostics.suggest import closest

    if given is None:
        return TYPES
    wanted = {name.strip() for name in given.split(",")}
    for name in sorted(wanted - set(TYPES)):
        raise DiagnosticError(UnknownCorruption(name=name, suggestion=closest(name, TYPES), known=TYPES))
    return tuple(name for name in TYPES if name in wanted)


def _severities(given: str) -> tuple[int, ...]:
    wanted = {part.strip() for part in given.split(",")}
    if not wanted <= set("12345"):
        raise click.BadParameter("name some of 1, 2, 3, 4 and 5", param_hint="--severities")
    return tuple(sorted(int(part) for part in wanted))


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each type on a terminal, a line for each one elsewhere; on the error stream."""
    from rich.console import Console
    from rich.progress import Progress, TaskID

    tasks: dict[str, TaskID] = {}
    shown = Console(file=sys.stderr)
    with Progress(console=shown, disable=not shown.is_terminal) as bars:

        def tell(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done)
            if done == total and not shown.is_terminal:
                console.say(f"{name}: {total:,} images")

        yield tell
