"""How long a sweep will take, measured before it runs.

Takes a sweep and its folder; gives a `SettingCost` for each setting. Guarantees: every setting is trained for a few
batches as its runs would be, in a folder that is removed; nothing is written into a run folder or a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from swc.compiler.driver import Compiled, compile_file
from swc.compiler.frontend.read import AnnounceCode, unannounced
from swc.diagnostics import DiagnosticError, Sink
from swc.folders.store import Build, open_build, write_revision, write_spec
from swc.program.spec import Spec
from swc.program.stages import scale_epochs
from swc.show.plain import table
from swc.show.wording import decimal, exact, several
from swc.sweep.cell_specs import checked_specs
from swc.sweep.known_rows import known_rows
from swc.sweep.plan import Cell, Setting, Sweep
from swc.sweep.runner import finished

if TYPE_CHECKING:
    from rich.console import RenderableType

    from swc.running.options import Options
    from swc_runtime.training.trainer import Tally

COLUMNS = ("seconds a batch", "batches", "hours each", "left", "hours left")
WARM = 2  # batches that are not timed
TIMED = 3
LEAST_HOURS = 0.1  # from here on two decimals tell two digits


@frozen
class SettingCost:
    """What training a setting takes: the median time of a batch, and the batches of all epochs of one run.

    `num_left` is the number of its runs that have not ended; `reason` says why it cannot be trained. With `is_most`
    patience may end a phase earlier.
    """

    setting: Setting
    num_left: int
    batch_seconds: float = 0.0
    num_batches: int = 0
    reason: str = ""
    is_most: bool = False

    @property
    def run_hours(self) -> float:
        """The hours of one run; scores, measuring and compiling come on top."""
        return self.batch_seconds * self.num_batches / 3600

    @property
    def left_hours(self) -> float:
        """The hours of all its runs that have not ended, one after another; one that was stopped counts in full."""
        return self.num_left * self.run_hours


class _MeasuredError(Exception):
    """Enough batches were timed."""


def estimated(
    sweep: Sweep, folder: Path, options: Options, announce: AnnounceCode = unannounced
) -> Iterator[SettingCost]:
    """The cost of each setting in turn, its storage left out; `announce` is called with the code before it runs."""
    specs = checked_specs(sweep)
    for setting, runs in _runs_left(sweep).items():
        try:
            compiled = compile_file(*sweep.spec_of(setting), announce, options.data)
            left = [run for run in runs if not _is_done(sweep, folder, run, specs[setting])]
            yield _measured(setting, len(left), compiled, evolve(options, epochs_scale=sweep.epochs_scale))
        except DiagnosticError as error:
            yield SettingCost(setting, len(runs), reason=error.diagnostics[0].message())


def _runs_left(sweep: Sweep) -> dict[Setting, list[Cell]]:
    """By setting of the runs, in the order of tables, those of which some cell has no row."""
    rows = known_rows(sweep)
    found: dict[Setting, list[Cell]] = {setting: [] for setting in sweep.trained.settings}
    for run, cells in sweep.runs.items():
        if any(cell not in rows for cell in cells):
            found[run.setting].append(run)
    return found


def costs_shown(sweep: Sweep, found: Sequence[SettingCost], jobs: int) -> RenderableType:
    """A row for each setting, and the sum of what is left to do."""
    from rich.console import Group
    from rich.text import Text

    made = table(*(name for name, _ in sweep.trained.columns), *(f">{name}" for name in COLUMNS))
    for one in found:
        each = (decimal(one.batch_seconds, 3), exact(one.num_batches), _hours(one.run_hours))
        cells = ("cannot be trained", "", "") if one.reason else each
        made.add_row(*(value for _, value in one.setting), *cells, str(one.num_left), _hours(one.left_hours))
    hours = sum(one.left_hours for one in found)
    most = "at most " if any(one.is_most for one in found) else ""
    total = f"{most}{_hours(hours)} hours of training are left, {_hours(hours / jobs)} with {several(jobs, 'job')}"
    refused = [
        Text(": ".join(filter(None, (", ".join(f"{n} {v}" for n, v in one.setting), one.reason))))
        for one in found
        if one.reason
    ]
    return Group(made, *refused, Text(), Text(f"{total}; scores, measuring and compiling come on top"))


def _hours(hours: float) -> str:
    """Hours to a hundredth, or to two digits where that would be nothing: 0.0021 and not 0.00."""
    return decimal(hours, 2) if hours >= LEAST_HOURS or hours == 0 else f"{hours:.2g}"


def _is_done(sweep: Sweep, folder: Path, run: Cell, spec: Spec) -> bool:
    return finished(folder / run.name, spec.seeded(run.seed), sweep.epochs_scale) is not None


def _measured(setting: Setting, num_left: int, compiled: Compiled, options: Options) -> SettingCost:
    from swc_runtime.data import num_batches

    training = compiled.spec.training
    assert training is not None, "the sweep was checked"
    with TemporaryDirectory(prefix="swc-estimate-") as place:
        write_spec(Path(place), compiled)
        write_revision(Path(place), compiled)
        build = open_build(Path(place), prefer_run=False)
        seconds, images = _time_batches(build, evolve(options, run=Path(place) / "run"))
    scaled = scale_epochs(training, options.epochs_scale or 1.0)
    steps = num_batches(images, training.recipe.batch)
    is_most = any(phase.patience is not None for phase in scaled.phases)
    return SettingCost(setting, num_left, seconds, steps * sum(p.epochs for p in scaled.phases), is_most=is_most)


def _time_batches(build: Build, options: Options) -> tuple[float, int]:
    """The median seconds of a batch, and how many images there are to train on."""
    from swc.running.loop import opened, start
    from swc.running.observer import Observer
    from swc.running.run import open_run
    from swc.running.transitions import epoch_of, hosts_of
    from swc_runtime.training import trainer

    run = open_run(build, options, Sink(), lambda _: None)
    times = [perf_counter()]

    def on_step(step: int, tally: Tally) -> None:
        times.append(perf_counter())
        if len(times) > WARM + TIMED:
            raise _MeasuredError

    with opened(run):
        state, _ = start(run, Observer())
        epoch = epoch_of(run, state)
        batches = run.training_batches(epoch.phase, epoch.number, 0, hosts_of(state.ensemble))
        times[0] = perf_counter()
        with suppress(_MeasuredError):
            trainer.train_epoch(
                state.ensemble, state.optimiser, batches, run.recipe, epoch, run.machine.arithmetic, on_step=on_step
            )
    return _median_step(times), len(run.dataset.train)


def _median_step(times: Sequence[float]) -> float:
    """The median time between two batches after the first few; of a short epoch all there are."""
    steps = [after - before for before, after in pairwise(times)]
    return median(steps[WARM:] or steps)
