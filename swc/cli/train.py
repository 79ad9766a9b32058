"""`swc train`: train the compiled ensemble, or go on where it was; ends with a table of scores."""

from __future__ import annotations

from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import evolve

from swc.cli import console

if TYPE_CHECKING:
    from swc.diagnostics import Sink
    from swc.run import Options, Run
    from swc_runtime.metrics import Evaluation


def _number(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if isnan(value):  # click's ranges let "nan" through
        raise click.BadParameter("nan is no number", context, parameter)
    return value


@click.command("train")
@click.argument("place", metavar="[BUILD]", required=False)
@click.option("--run", type=click.Path(file_okay=False, path_type=Path), help="The run's folder [BUILD/run].")
@click.option("--fresh", is_flag=True, help="Set the run that is there aside, and begin a new one.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The folder that holds the data sets.")
@click.option("--offline", is_flag=True, help="Never download.")
@click.option(
    "--epochs-scale",
    type=click.FloatRange(0.001, 1000),
    callback=_number,
    default=1.0,
    help="Scale all epochs, for a trial.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--kernels",
    type=click.Choice(("auto", "torch", "cupy")),
    default="auto",
    show_default=True,
    help="What composes the weights; auto measures, and keeps what a run was begun with.",
)
@click.option("--threads", type=click.IntRange(0), default=0, help="CPU threads; 0 leaves it to torch.")
@click.option(
    "--checkpoint-every",
    type=click.FloatRange(0, 1e9),
    callback=_number,
    default=300.0,
    show_default=True,
    help="Seconds between checkpoints within an epoch; there is one after each.",
)
@click.option("--score-every", type=click.IntRange(0), default=0, help="Epochs between scores; 0: at ends of stages.")
def command(place: str | None, **given: object) -> None:
    """Train what was compiled last, or BUILD: a build folder, a run's folder or the name of a compiled ensemble.

    A run that was stopped, in whatever way, goes on where it was.
    """
    from swc.run import Options

    with console.reporting() as sink:
        _train(place, Options(**given), sink)  # type: ignore[arg-type]


def _train(place: str | None, options: Options, sink: Sink) -> None:
    from swc.run import open_run
    from swc.store import open_build

    build = open_build(place, prefer_run=False)
    run = open_run(build, options, sink, console.say)
    console.report(sink.diagnostics)
    sink.diagnostics.clear()
    found = _trained(run)
    _conclude(run, found)


def _trained(run: Run) -> Evaluation:
    from swc.cli.progress import progress_for
    from swc.session import train
    from swc_runtime.data import num_batches

    images = len(run.dataset.train)
    with progress_for(run.training, num_batches(images, run.recipe.batch), images) as shown:
        return train(evolve(run, progress=shown))


def _conclude(run: Run, found: Evaluation) -> None:
    from swc.cli.rendering import give
    from swc.results import results_of, results_shown, write_results

    results = results_of(run, found)
    write_results(run.folder, results)
    give(results_shown(results))
    console.say(f"the run is in {run.folder}; next: swc show")
