"""`swc eval`: scores, costs, diversity, outliers and robustness of trained ensembles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from swc.cli import consent, console
from swc.diagnostics import DiagnosticError

if TYPE_CHECKING:
    from swc.diagnostics import Diagnostic, Sink
    from swc.evaluate.request import EvaluationRequest
    from swc.files.evaluation import Evaluation
    from swc.folders.store import Build

FORMATS = ("table", "json", "csv")
STORED = ("float32", "int8", "int4")
PARTS = ("test", "validation")


@click.command("eval")
@click.argument("places", metavar="[RUN]...", nargs=-1)
@click.option("--format", "form", type=click.Choice(FORMATS), help="[that of the file's name, or table]")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="The folder that holds the data sets.")
@click.option("--offline", is_flag=True, help="Never download.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--on", type=click.Choice(PARTS), default="test", show_default=True, help="The images that are scored.")
@click.option("--temperature", is_flag=True, help="Fit temperatures on a fifth of these images; score the rest.")
@click.option(
    "--ood", "outliers", metavar="NAME|FOLDER", multiple=True, help="Tell the images of this data set from the own."
)
@click.option(
    "--time-batch", type=click.IntRange(0), default=128, show_default=True, help="Images in a timed batch; 0: no times."
)
@click.option("--keep", is_flag=True, help="Keep the predictions, so that the next evaluation need not make them.")
@click.option(
    "--corruptions",
    metavar="FOLDER",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Score corrupted test images: the official arrays, or those of `swc data corrupt`.",
)
@click.option("--interpolate", is_flag=True, help="Accuracy on the line between members of one architecture.")
@click.option(
    "--stored", type=click.Choice(STORED), default="float32", show_default=True, help="Round stored weights to this."
)
@click.option("--workers", type=click.IntRange(0), help="Processes that read examples from disk [none].")
@click.option("--average", is_flag=True, help="Take the average of the weights that the run has kept.")
@consent.option
def command(places: tuple[str, ...], form: str | None, output: Path | None, trust: bool, **given: object) -> None:
    """Evaluate what was trained: each member, every subset and the ensemble on held-out images.

    RUN is a run, a build folder or the name of a compiled ensemble; without it, what was compiled last. The numbers
    are also written into the run's folder, as eval/evaluation.json and eval/evaluation.csv, on the validation part as
    eval/validation.json and eval/validation.csv; of rounded weights into eval/int8 or eval/int4, of
    averaged ones into eval/average.
    """
    from swc.cli.output import check_writable, chosen_form
    from swc.cli.places import open_place
    from swc.evaluate.merge import check_not_newer
    from swc.evaluate.request import EvaluationRequest
    from swc.running.trained import open_trained

    if given["on"] == "validation" and given["corruptions"]:
        raise click.UsageError("corrupted images are test images: leave --corruptions or --on validation away")
    chosen = chosen_form(form, output, FORMATS, "table")
    check_writable(output)
    asked = EvaluationRequest(**given)  # type: ignore[arg-type]
    with console.reporting() as sink:
        builds = [open_place(place, {}) for place in places or (None,)]
        for build in builds:
            check_not_newer(_folder(build, asked) / f"{asked.stem}.json")
        for build in builds if asked.keep else ():
            folder = _folder(build, asked)
            check_writable((folder if folder.is_dir() else build.folder) / "predictions.safetensors")
        for build in builds if len(builds) > 1 else ():
            open_trained(build)  # one without weights is found before any is measured
        found: list[Evaluation] = []
        unwritten: list[Diagnostic] = []
        for build in builds:
            found.append(_evaluated(build, asked, sink, trust, unwritten))
            unwritten += _unwritten(build, found[-1], asked)
    called = tuple(build.spec.data.example for build in builds)
    _give(tuple(found), called, chosen, output)
    if unwritten:  # reported last: what was measured is not lost with the disk that refuses it
        raise DiagnosticError(*unwritten)


def _folder(build: Build, asked: EvaluationRequest) -> Path:
    from swc.evaluate.record import evaluation_folder

    return evaluation_folder(build.folder, asked.stored, average=asked.average)


def _evaluated(
    build: Build, asked: EvaluationRequest, sink: Sink, is_trusted: bool, unwritten: list[Diagnostic]
) -> Evaluation:
    from swc.evaluate.measure import evaluate_build
    from swc.evaluate.merge import with_earlier

    with consent.asked(build, is_trusted, sink):
        measured = evaluate_build(build, asked, sink, console.say, unwritten.append)
    return with_earlier(measured, _folder(build, asked) / f"{asked.stem}.json", console.say)


def _unwritten(build: Build, found: Evaluation, asked: EvaluationRequest) -> tuple[Diagnostic, ...]:
    """Write the numbers into a folder of the run; gives what the system refused."""
    from swc.evaluate.record import as_csv, as_json
    from swc.files.checksums import write_kept

    folder, stem = _folder(build, asked), asked.stem
    try:
        write_kept(folder / f"{stem}.csv", as_csv((found,)))
        write_kept(folder / f"{stem}.json", as_json((found,)))
    except DiagnosticError as error:
        return error.diagnostics
    return ()


def _give(found: tuple[Evaluation, ...], called: tuple[str, ...], form: str, output: Path | None) -> None:
    from rich.console import Group
    from rich.text import Text

    from swc.cli.output import deliver
    from swc.cli.rendering import give
    from swc.evaluate.record import as_csv, as_json
    from swc.evaluate.tables import evaluation_shown
    from swc.show.plain import plain

    each = zip(found, called, strict=True)
    shown = Group(*[part for one, example in each for part in (evaluation_shown(one, example), Text())][:-1])
    if form == "table" and output is None:
        give(shown)
        return
    text = plain(shown) if form == "table" else as_csv(found) if form == "csv" else as_json(found)
    deliver(text, output)
