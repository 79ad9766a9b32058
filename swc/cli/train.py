"""`swc train`: train the compiled ensemble, or go on where it was; ends with a table of scores."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from swc.cli import consent, console
from swc.program.limits import SCALES

if TYPE_CHECKING:
    from swc.diagnostics import Sink
    from swc.loops.tracking import Tracker
    from swc.running.options import Options
    from swc.running.run import Run
    from swc_runtime.evaluate.metrics import FinalScores


@click.command("train")
@click.argument("place", metavar="[BUILD]", required=False)
@click.option("--run", type=click.Path(file_okay=False, path_type=Path), help="The run's folder [BUILD/run].")
@click.option("--fresh", is_flag=True, help="Set the run that is there aside, and begin a new one.")
@click.option("--new-metrics", is_flag=True, help="Set damaged metrics aside, and go on without their numbers.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The folder that holds the data sets.")
@click.option("--offline", is_flag=True, help="Never download.")
@click.option(
    "--epochs-scale",
    type=click.FloatRange(*SCALES),
    callback=console.number,
    help="Scale all epochs, for a trial [1, or what a run was begun with].",
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
@click.option("--nproc", type=click.IntRange(1), default=1, help="Processes that train together, on this machine.")
@click.option(
    "--placement",
    type=click.Choice(["images", "members"]),
    default="images",
    show_default=True,
    help="What several processes share: the images of each batch, or the members.",
)
@click.option("--sync-norms", is_flag=True, help="BatchNorm sees the images of all processes.")
@click.option(
    "--checkpoint-every",
    type=click.FloatRange(0, 1e9),
    callback=console.number,
    default=300.0,
    show_default=True,
    help="Seconds between checkpoints within an epoch; there is one after each.",
)
@click.option("--score-every", type=click.IntRange(0), default=0, help="Epochs between scores; 0: at ends of stages.")
@click.option("--workers", type=click.IntRange(0), help="Processes that read examples from disk [none].")
@click.option("--mlflow", metavar="ADDRESS", help="Write the run into MLflow too: a server's URL, or file:FOLDER.")
@consent.option
def command(place: str | None, nproc: int, trust: bool, mlflow: str | None, **given: object) -> None:
    """Train what was compiled last, or BUILD: a build folder, a run's folder or the name of a compiled ensemble.

    A run that was stopped, in whatever way, goes on where it was. With `--nproc`, or under torchrun, several processes
    share each batch.
    """
    from swc.cli import launch
    from swc.running.options import Options

    if given["sync_norms"] and given["placement"] == "members":
        raise click.UsageError("with --placement members every member sees whole batches: leave --sync-norms away")
    if nproc > 1:
        _together(nproc, place, trust)
        return

    with console.reporting() as sink, launch.among_others():
        _train(place, Options(**given), sink, trust, mlflow)  # type: ignore[arg-type]


def _together(nproc: int, place: str | None, is_trusted: bool) -> None:
    """Start the processes, which inherit the consent that is asked for here, once."""
    from swc.cli import launch
    from swc.diagnostics import Sink
    from swc.folders.store import open_build

    sink = Sink()
    with consent.asked(open_build(place, prefer_run=False), is_trusted, sink):
        console.report(sink.diagnostics)
        launch.together(nproc, click.get_current_context().find_root().obj)


def _train(place: str | None, options: Options, sink: Sink, is_trusted: bool, mlflow: str | None) -> None:
    from swc.folders.store import open_build
    from swc.running.loop import train
    from swc.running.run import open_run
    from swc_runtime.ranks.ranks import ranks_announced

    is_first = ranks_announced()[0] == 0
    build = open_build(place, prefer_run=False)
    tracker = _tracker(mlflow) if mlflow and is_first else None  # that it can be reached comes first
    with consent.asked(build, is_trusted, sink, is_first=is_first):
        run = open_run(build, options, sink, console.say if is_first else _say_nothing)
        console.report(sink.diagnostics)
        sink.clear()
        final = _train_shown(run, tracker) if is_first else train(run)
    if is_first:
        _conclude(run, final)


def _say_nothing(line: str) -> None:
    """The first of several processes says it."""


def _train_shown(run: Run, tracker: Tracker | None) -> FinalScores:
    from swc.cli.progress import progress_for
    from swc.loops.tracking import tracked
    from swc.running.loop import train
    from swc_runtime.data import num_batches

    images = len(run.dataset.train)
    with ExitStack() as stack:
        trackers = [stack.enter_context(tracked(run, tracker))] if tracker else []
        steps = num_batches(images, run.recipe.batch)
        progress = stack.enter_context(progress_for(run.training, steps, images, data=run.spec.data))
        return train(run, progress, *trackers)


def _tracker(address: str) -> Tracker:
    from swc.loops.mlflow import MlflowTracker

    return MlflowTracker(address)


def _conclude(run: Run, final: FinalScores) -> None:
    from swc.cli.rendering import give
    from swc.running.results import results_of, results_shown

    give(results_shown(results_of(run, final), run.spec.data.example))
    console.say(f"the run is in {run.folder}; next: swc show")
