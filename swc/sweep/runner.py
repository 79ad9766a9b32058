"""Running the cells of a sweep: each a run folder of its own, trained by a process of its own.

Takes a `Sweep`; gives what became of every cell. Guarantees: a cell that is done is not run again, one that was stopped
goes on; a cell that fails does not stop the others; when the sweep is interrupted or killed its processes are stopped.
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
from swc.files.checksums import is_there
from swc.files.run import RunResults
from swc.folders.store import RUN, is_same, read_spec, write_origin, write_revision, write_spec
from swc.language.semantics.origin import origin_of
from swc.running.results import RESULTS, read_results
from swc.sweep.plan import Cell, Sweep
from swc.sweep.preflight import scaled
from swc.system.processes import child_command, end, tied

ELSEWHERE = f"error[{RunBusy.code}]"


@frozen
class CellOutcome:
    """A cell with what it came to (`results.json`), or why it failed or was left to another process."""

    cell: Cell
    results: RunResults | None
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


def run_sweep(
    sweep: Sweep,
    folder: Path,
    jobs: int,
    options: Sequence[str],
    tell: Callable[[CellOutcome], None],
    announce: AnnounceCode = unannounced,
) -> tuple[CellOutcome, ...]:
    """Run all cells, `jobs` at a time, and tell of each when it ends; `options` go to every `swc train`.

    `announce` is called with the members' code before it runs.
    """
    processes = Processes()
    prepared = [_prepared(sweep, cell, folder / cell.name, announce) for cell in sweep.cells]

    def run(one: CellOutcome | Compiled, cell: Cell) -> CellOutcome:
        done = one if isinstance(one, CellOutcome) else _train(sweep, cell, one, folder / cell.name, processes, options)
        if not processes.are_stopped.is_set():
            tell(done)
        return done

    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(run, *pair) for pair in zip(prepared, sweep.cells, strict=True)]
        try:
            return tuple(future.result() for future in waiting)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.stop()
            raise


def _prepared(sweep: Sweep, cell: Cell, folder: Path, announce: AnnounceCode) -> CellOutcome | Compiled:
    """What is to be trained, its folder made; or the cell, where it is done already or cannot be compiled."""
    try:
        compiled = _compiled(sweep, cell, announce)
        if found := finished(folder, compiled, sweep.epochs_scale):
            return CellOutcome(cell, found)
        write_origin(folder, origin_of(*sweep.spec_of(cell.setting), swept=True))
        write_spec(folder, compiled)
        write_revision(folder, compiled)
    except DiagnosticError as error:
        return CellOutcome(cell, None, error.diagnostics[0].message())
    return compiled


def _train(
    sweep: Sweep, cell: Cell, compiled: Compiled, folder: Path, processes: Processes, options: Sequence[str]
) -> CellOutcome:
    scale = ("--epochs-scale", str(sweep.epochs_scale))
    log = folder / "train.log"
    status = processes.run([*child_command(), "train", str(folder), *scale, *options], log)
    found = None if status else finished(folder, compiled, sweep.epochs_scale)
    return CellOutcome(cell, found, "" if found else _last_words(log) or f"it ended with {status}")


def _compiled(sweep: Sweep, cell: Cell, announce: AnnounceCode) -> Compiled:
    found = compile_file(*sweep.spec_of(cell.setting), announce)
    return found if found.spec.training is None else compile_spec(found.spec.seeded(cell.seed), found.tables)


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
