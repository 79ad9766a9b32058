"""Running the cells of a sweep: each a run folder of its own, trained by a process of its own.

Takes a `Sweep`; gives what became of every cell. Guarantees: a cell that is done, or has a row in the sweep's table, is
not run again, one that was stopped goes on; a row is in the table before its cell is told of; a cell that fails does
not stop the others; when the sweep is interrupted or killed its processes are stopped.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Lock

from attrs import field, frozen

from swc.compiler.driver import Compiled, compile_file, compile_spec
from swc.compiler.frontend.read import AnnounceCode, unannounced
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import RunBusy
from swc.evaluate.planned import planned_multiply_adds
from swc.files.checksums import is_there
from swc.files.run import RunResults
from swc.folders.store import RUN, is_same, read_spec, write_origin, write_revision, write_spec
from swc.language.semantics.origin import origin_of
from swc.running.results import RESULTS, read_results
from swc.sweep.plan import Cell, Setting, Sweep
from swc.sweep.preflight import cell_hash, scaled
from swc.sweep.row_table import RowTable
from swc.sweep.rows import CellRow, row_of
from swc.system.processes import child_command, end, tied

ELSEWHERE = f"error[{RunBusy.code}]"


@frozen
class CellOutcome:
    """A cell with what it came to, or why it failed or was left to another process."""

    cell: Cell
    row: CellRow | None
    reason: str = ""

    @property
    def is_elsewhere(self) -> bool:
        """Whether another process trains it just now."""
        return self.reason.startswith(ELSEWHERE)


@frozen(eq=False)
class Processes:
    """What runs now, so that it can be stopped."""

    running: set[subprocess.Popen[bytes]] = field(factory=set)
    lock: Lock = field(factory=Lock)
    are_stopped: Event = field(factory=Event)

    def run(self, command: Sequence[str], log: Path) -> int:
        """Run a command with its output in a file; gives its exit status. Its input ends when this process does."""
        with log.open("ab") as stream:
            with self.lock:
                if self.are_stopped.is_set():
                    return -signal.SIGTERM
                process = tied(command, stdout=stream, stderr=subprocess.STDOUT)
                self.running.add(process)
            with process:
                return process.wait()

    def stop(self) -> None:
        """Ask all to end, and begin no other; none is left."""
        with self.lock:
            self.are_stopped.set()
        end(self.running)


@frozen(eq=False)
class MultiplyAdds:
    """The multiply-adds of settings, each counted once: the seed changes nothing."""

    known: dict[Setting, int | None] = field(factory=dict)
    lock: Lock = field(factory=Lock)

    def of(self, cell: Cell, compiled: Compiled) -> int | None:
        """Those of a cell's setting; None where a member's are not known."""
        with self.lock:
            if cell.setting not in self.known:
                self.known[cell.setting] = planned_multiply_adds(compiled.program, compiled.tables)
            return self.known[cell.setting]


@frozen(eq=False)
class Work:
    """What all cells of a sweep have in common while they run; `options` go to every `swc train`."""

    sweep: Sweep
    folder: Path
    options: Sequence[str]
    announce: AnnounceCode
    table: RowTable | None
    processes: Processes = field(factory=Processes)
    multiply_adds: MultiplyAdds = field(factory=MultiplyAdds)


def run_sweep(
    sweep: Sweep,
    folder: Path,
    jobs: int,
    options: Sequence[str],
    tell: Callable[[CellOutcome], None],
    announce: AnnounceCode = unannounced,
) -> tuple[CellOutcome, ...]:
    """Run all cells, `jobs` at a time, and tell of each when it ends; gives them in the order of tables.

    `options` go to every `swc train`; `announce` is called with the members' code before it runs. Of cells whose rows
    are in the sweep's table nothing is told.
    """
    table = None if sweep.table is None else RowTable(sweep.table, sweep)
    work = Work(sweep, folder, options, announce, table)
    rows = {} if table is None else table.rows()
    prepared = {cell: _prepared(work, cell) for cell in sweep.running_order if cell not in rows}

    def run(cell: Cell) -> CellOutcome:
        one = prepared[cell]
        done = one if isinstance(one, CellOutcome) else _train(work, cell, one)
        if done.row is not None and table is not None:
            table.add(done.row)
        if not work.processes.are_stopped.is_set():
            tell(done)
        return done

    with ThreadPoolExecutor(jobs) as pool:
        waiting = {cell: pool.submit(run, cell) for cell in prepared}
        try:
            ended = {cell: future.result() for cell, future in waiting.items()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            work.processes.stop()
            raise
    return tuple(ended[cell] if cell in ended else CellOutcome(cell, rows[cell]) for cell in sweep.cells)


def _prepared(work: Work, cell: Cell) -> CellOutcome | Compiled:
    """What is to be trained, its folder made; or the cell, where it is done already or cannot be compiled."""
    folder = work.folder / cell.name
    try:
        compiled = _compiled(work.sweep, cell, work.announce)
        if found := _row(work, cell, compiled):
            return CellOutcome(cell, found)
        write_origin(folder, origin_of(*work.sweep.spec_of(cell.setting), swept=True))
        write_spec(folder, compiled)
        write_revision(folder, compiled)
    except DiagnosticError as error:
        return CellOutcome(cell, None, error.diagnostics[0].message())
    return compiled


def _train(work: Work, cell: Cell, compiled: Compiled) -> CellOutcome:
    folder = work.folder / cell.name
    scale = ("--epochs-scale", str(work.sweep.epochs_scale))
    log = folder / "train.log"
    status = work.processes.run([*child_command(), "train", str(folder), *scale, *work.options], log)
    try:
        found = None if status else _row(work, cell, compiled)
    except DiagnosticError as error:
        return CellOutcome(cell, None, error.diagnostics[0].message())
    return CellOutcome(cell, found, "" if found else _last_words(log) or f"it ended with {status}")


def _compiled(sweep: Sweep, cell: Cell, announce: AnnounceCode) -> Compiled:
    found = compile_file(*sweep.spec_of(cell.setting), announce)
    return found if found.spec.training is None else compile_spec(found.spec.seeded(cell.seed), found.tables)


def _row(work: Work, cell: Cell, compiled: Compiled) -> CellRow | None:
    """The row of a cell; None where its run has not ended. DiagnosticError where a file of it is damaged."""
    scale = work.sweep.epochs_scale
    results = finished(work.folder / cell.name, compiled, scale)
    if results is None:
        return None
    spec_hash = cell_hash(compiled.spec, cell.seed, scale)
    return row_of(cell, spec_hash, work.folder / cell.name / RUN, results, work.multiply_adds.of(cell, compiled))


def finished(folder: Path, compiled: Compiled, scale: float) -> RunResults | None:
    """What a cell's run came to; None where it has not ended, or is the run of another spec.

    DiagnosticError where its file is damaged.
    """
    run = folder / RUN
    if compiled.spec.training is None or not is_there(run / RESULTS) or not is_there(run / "spec.json"):
        return None
    begun, _ = read_spec(run)
    return read_results(run) if is_same(begun, scaled(compiled.spec, scale)) else None


def _last_words(log: Path) -> str:
    """The error that a process ended with, as it printed it."""
    lines = log.read_text("utf-8", errors="replace").splitlines()
    errors = [line for line in lines if line.startswith(("error", "swc: "))]
    return errors[-1] if errors else next((line for line in reversed(lines) if line.strip()), "")


def threads_each(jobs: int) -> int:
    """The CPU threads of each of several processes."""
    return max(1, (os.cpu_count() or 1) // jobs)
