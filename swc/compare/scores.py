"""What the runs of an ensemble came to: means and standard errors, and the points of a figure.

Takes a system; gives `SystemScores`. Guarantees: runs are put together only where they were trained as long and scored
on the same images in the same way; a seed counts once; what one of them did not measure has no mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from attrs import frozen

from swc.compare.systems import System
from swc.diagnostics import Sink
from swc.diagnostics.catalogue.comparing import SameSeed
from swc.files.disk import load
from swc.files.kinds import FILE_KINDS
from swc.files.run import RunResults
from swc.files.scores import ScoredPart
from swc.files.tables import SeedMean
from swc.program.spec import Spec
from swc.program.stages import stages
from swc.registry.tasks import TASKS, TaskRow
from swc.report.anytime import Line, Point, points_of
from swc.report.scores import ScoredRun, scored_of
from swc.running.results import read_results
from swc.show.wording import scale_text
from swc.sweep.rows import measured
from swc.sweep.summary import value_of


def metrics_of(task: TaskRow) -> tuple[str, ...]:
    """The numbers of a run of some task, in the order of tables and files."""
    names = [row.name for row in task.tabled]
    return (*names, "diversity", member_metric(task), "parameters", "milliseconds")


def member_metric(task: TaskRow) -> str:
    """What the mean over the members of a task's best score is called."""
    return f"mean_member_{task.best}"


@frozen
class RunKind:
    """What must be alike for scores of several runs to have a mean; `stage` is how far they were trained."""

    epochs_scale: float
    stage: str
    num_images: int
    num_calibration: int
    part: ScoredPart = ""
    task: str = "classification"


@frozen
class RunScores:
    """One run: its seed, numbers by metric (None: not measured), and the points of subsets (none: no `swc eval`)."""

    folder: Path
    seed: int
    kind: RunKind
    numbers: dict[str, float | None]
    points: tuple[Point, ...]
    calibration: str = ""


@frozen
class SystemScores:
    """Runs of one kind: the seeds, and the values by metric; `name` is the system's, marked with how it was trained.

    `numbers` are those of each seed.
    """

    name: str
    kind: RunKind
    seeds: tuple[int, ...]
    num_evaluated: int
    values: dict[str, SeedMean | None]
    line: Line | None
    numbers: tuple[dict[str, float | None], ...] = ()


def scores_of(system: System, sink: Sink) -> tuple[SystemScores, ...]:
    """The scores of a system's runs, one for each kind; none where nothing was trained to its end or evaluated.

    Of runs of one seed the first that was evaluated counts; the others are reported to the sink.
    """
    found = [run for run in map(_found, system.runs) if run is not None]
    kinds = dict.fromkeys(run.kind for run in found)
    ends = {run.kind: _end(run.folder) for run in found}
    counted = {kind: _by_seed(system.name, [run for run in found if run.kind == kind], sink) for kind in kinds}
    return tuple(_together(system.name, kind, ends[kind], runs) for kind, runs in counted.items())


def _by_seed(name: str, found: Sequence[RunScores], sink: Sink) -> list[RunScores]:
    counted: dict[int, RunScores] = {}
    for run in sorted(found, key=lambda run: not run.points):
        if run.seed in counted:
            sink.report(SameSeed(name=name, seed=run.seed, place=str(run.folder)))
        counted.setdefault(run.seed, run)
    return [counted[seed] for seed in sorted(counted)]


def _found(folder: Path) -> RunScores | None:
    """What `swc eval` wrote of a run; where there is none, or training went on, what `swc train` wrote at its end."""
    spec = _spec(folder)
    task = spec.task.row
    scored, results = scored_of(folder), read_results(folder)
    if spec.training is None or (scored is None and results is None):
        return None
    seed, end = spec.training.recipe.seed, _end(folder)
    if scored is not None and (results is None or scored.stage == end):
        # noise is fitted on other images by `swc train` too: only temperatures make other scores of the same run
        counts = (scored.num_images, scored.num_calibration if scored.has_temperatures else 0)
        kind = RunKind(scored.epochs_scale, scored.stage, *counts, scored.part, task.name)
        points = points_of(scored.predictors, task)
        return RunScores(folder, seed, kind, _evaluated(scored, task), points, scored.calibration)
    assert results is not None
    kind = RunKind(results.epochs_scale, end, results.together.num_images, 0, results.part, task.name)
    return RunScores(folder, seed, kind, _trained(results, task), ())


def _spec(folder: Path) -> Spec:
    path = folder / "spec.json"
    found: Spec = load(FILE_KINDS["spec"], path)
    return found


def _end(folder: Path) -> str:
    """How far a run has come when it is finished, in the words of `swc eval`."""
    training = _spec(folder).training
    assert training is not None, "runs are trained"
    return stages(training)[-1].end


def _trained(results: RunResults, task: TaskRow) -> dict[str, float | None]:
    numbers = measured(results)
    return {name: numbers.get(name) for name in metrics_of(task)} | {"parameters": float(results.counts.stored)}


def _evaluated(scored: ScoredRun, task: TaskRow) -> dict[str, float | None]:
    whole = scored.predictors[-1]
    return {
        **{row.name: whole.scores[row.name] for row in task.tabled},
        "diversity": scored.mean_diversity,
        member_metric(task): scored.mean_top1,
        "parameters": float(whole.parameters),
        "milliseconds": whole.milliseconds,
    }


def _together(name: str, kind: RunKind, end: str, found: Sequence[RunScores]) -> SystemScores:
    label = _label(name, kind, end, found)
    evaluated = [run for run in found if run.points]
    points = _mean_points([run.points for run in evaluated])
    line = Line(label, str(evaluated[0].folder), points) if evaluated else None
    seeds, numbers = tuple(run.seed for run in found), tuple(run.numbers for run in found)
    values = {metric: _value([each[metric] for each in numbers]) for metric in metrics_of(TASKS[kind.task])}
    return SystemScores(label, kind, seeds, len(evaluated), values, line, numbers)


def _label(name: str, kind: RunKind, end: str, found: Sequence[RunScores]) -> str:
    said = tuple(dict.fromkeys(run.calibration for run in found))
    calibrated = said[0] if len(said) == 1 else ", at fitted temperatures, of some runs partly at T = 1"
    unfinished = f", after {kind.stage}" if kind.stage != end else ""
    return f"{name}{scale_text(kind.epochs_scale)}{unfinished}{calibrated}"


def _value(numbers: Sequence[float | None]) -> SeedMean | None:
    known = [number for number in numbers if number is not None]
    return value_of(known) if len(known) == len(numbers) else None


def _mean_points(runs: Sequence[tuple[Point, ...]]) -> tuple[Point, ...]:
    """The same subset of every run as one point; runs of one spec have the same subsets in the same order."""
    return tuple(_mean_point(same) for same in zip(*runs, strict=True))


def _mean_point(same: Sequence[Point]) -> Point:
    scores = {name: _value([point.scores[name] for point in same]) for name in same[0].scores}
    return Point(
        {name: _mean([point.costs[name] for point in same]) for name in same[0].costs},
        {name: None if value is None else value.mean for name, value in scores.items()},
        {name: None if value is None else value.error for name, value in scores.items()},
    )


def _mean(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return fmean(known) if len(known) == len(numbers) else None
