"""Running the cells of a sweep: each run a folder of its own, trained and then scored by processes of its own.

Takes a `Sweep`; gives what became of every cell. Guarantees: a run that is done, or whose cells all have rows in a
table, is not run again, one that was stopped goes on; a row is in the table before its cell is told of, or that it is
not is told too; a cell that fails does not stop the others, nor those of the same run that are stored otherwise, nor
does a table that cannot be written; when the sweep is interrupted or killed its processes are stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock

from attrs import evolve, field, frozen

from swc.compiler.driver import Compiled, compile_file
from swc.compiler.frontend.read import AnnounceCode, unannounced
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.training import RunBusy
from swc.evaluate.planned import planned_multiply_adds
from swc.files.checksums import is_there
from swc.files.run import RunResults
from swc.folders.store import RUN, is_same, read_spec, write_beginning
from swc.language.semantics.origin import origin_of
from swc.program.inputs import InputFacts
from swc.program.spec import Spec
from swc.running.results import RESULTS, read_results
from swc.sweep.cell_specs import Specs, cell_hash, checked_specs, scaled
from swc.sweep.children import ChildOptions, Ended, Processes
from swc.sweep.known_rows import known_rows
from swc.sweep.plan import Cell, Setting, Sweep
from swc.sweep.rounded import NotScoredError, RoundedRun
from swc.sweep.row_table import RowTable
from swc.sweep.rows import CellRow, row_of
from swc.system.processes import child_command

ELSEWHERE = f"error[{RunBusy.code}]"


@frozen
class CellOutcome:
    """A cell with what it came to, or why it failed or was left to another process.

    `reason` says why in a line; `faults` are what this process has found, and not the run's, which its log tells. With
    a row they say why the table has not got it.
    """

    cell: Cell
    row: CellRow | None
    reason: str = ""
    faults: tuple[Diagnostic, ...] = ()

    @property
    def is_elsewhere(self) -> bool:
        """Whether another process trains it just now."""
        return self.reason.startswith(ELSEWHERE)


@frozen
class PreparedRun:
    """A run that is to be trained, compiled with its seed."""

    run: Cell
    compiled: Compiled


@frozen(eq=False)
class MultiplyAdds:
    """The multiply-adds of settings, each counted once: the seed changes no more than how many inputs there are."""

    known: dict[tuple[Setting, tuple[InputFacts, ...]], int | None] = field(factory=dict)
    lock: Lock = field(factory=Lock)

    def of(self, run: Cell, compiled: Compiled) -> int | None:
        """Those of a run's setting; None where a member's are not known."""
        key = run.setting, compiled.spec.data.inputs
        with self.lock:
            if key not in self.known:
                self.known[key] = planned_multiply_adds(compiled.program, compiled.tables)
            return self.known[key]


@frozen(eq=False)
class Work:
    """What all cells of a sweep have in common while they run."""

    sweep: Sweep
    folder: Path
    children: ChildOptions
    announce: AnnounceCode
    table: RowTable | None
    specs: Specs
    data: Path | None = None
    processes: Processes = field(factory=Processes)
    multiply_adds: MultiplyAdds = field(factory=MultiplyAdds)


def run_sweep(
    sweep: Sweep,
    folder: Path,
    children: ChildOptions,
    tell: Callable[[CellOutcome], None],
    announce: AnnounceCode = unannounced,
    data: Path | None = None,
) -> tuple[CellOutcome, ...]:
    """Run all cells and tell of each when it ends; gives them in the order of tables.

    `announce` is called with the members' code before it runs, `data` is the folder of data that was named. Of cells
    whose rows are in a table nothing is told.
    """
    table = None if sweep.table is None else RowTable(sweep.table, sweep)
    work = Work(sweep, folder, children, announce, table, checked_specs(sweep), data)
    rows = _rows_kept(sweep, table)
    left = {run: [cell for cell in cells if cell not in rows] for run, cells in sweep.runs.items()}
    prepared = {run: _prepared(work, run) for run, cells in left.items() if cells}
    with ThreadPoolExecutor(children.jobs) as pool:
        waiting = [pool.submit(_run, work, one, left[run], tell) for run, one in prepared.items()]
        try:
            ended = {done.cell: done for future in waiting for done in future.result()}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            work.processes.stop()
            raise
    if table is not None and not table.settle():
        ended = {cell: done if done.row is None else evolve(done, faults=()) for cell, done in ended.items()}
    return tuple(ended[cell] if cell in ended else CellOutcome(cell, rows[cell]) for cell in sweep.cells)


def _rows_kept(sweep: Sweep, table: RowTable | None) -> dict[Cell, CellRow]:
    """The rows that are there; the sweep's table gets those of other tables."""
    rows = known_rows(sweep)
    if table is not None:
        own = table.rows()
        if new := [row for cell, row in rows.items() if cell not in own]:
            table.add(*new)
    return rows


def _run(
    work: Work, one: CellOutcome | PreparedRun, cells: Sequence[Cell], tell: Callable[[CellOutcome], None]
) -> list[CellOutcome]:
    """Train a run unless it has ended or cannot be, and make its cells; each is kept and told as soon as it is made."""
    trained = _train(work, one) if isinstance(one, PreparedRun) else one
    ended: list[CellOutcome] = []
    for cell in cells:
        done = _in_table(work, _stored(work, trained, cell))
        if not work.processes.are_stopped.is_set():
            tell(done)
        ended.append(done)
    return ended


def _in_table(work: Work, done: CellOutcome) -> CellOutcome:
    """The cell with its row in the table, or with why it is not there: it waits for the next."""
    if done.row is None or work.table is None:
        return done
    try:
        work.table.add(done.row)
    except DiagnosticError as error:
        return evolve(done, faults=error.diagnostics)
    return done


def _failed(cell: Cell, error: DiagnosticError) -> CellOutcome:
    return CellOutcome(cell, None, error.diagnostics[0].message(), error.diagnostics)


def _prepared(work: Work, run: Cell) -> CellOutcome | PreparedRun:
    """What is to be trained, its folder made; or the run, where it is done already or cannot be compiled."""
    folder = work.folder / run.name
    try:
        compiled = _compiled(work, run)
        if found := _row(work, run, compiled):
            return CellOutcome(run, found)
        write_beginning(folder, compiled, origin_of(*work.sweep.spec_of(run.setting), swept=True))
    except DiagnosticError as error:
        return _failed(run, error)
    return PreparedRun(run, compiled)


def _train(work: Work, one: PreparedRun) -> CellOutcome:
    """The run with its row in float32, or why it failed."""
    folder = work.folder / one.run.name
    options = ("--epochs-scale", str(work.sweep.epochs_scale), *work.children.shared)
    log = folder / "train.log"
    command = [*child_command(), "train", str(folder), *options, "--threads", str(work.children.threads)]
    ended = work.processes.run(command, log)
    try:
        found = None if ended.status else _row(work, one.run, one.compiled)
    except DiagnosticError as error:
        return _failed(one.run, error)
    return CellOutcome(one.run, found, "" if found else ended.why("it"))


def _stored(work: Work, trained: CellOutcome, cell: Cell) -> CellOutcome:
    """What a cell came to, from its run: scored again where its weights are stored in few bits."""
    row, storage = trained.row, work.sweep.storage_of(cell)
    if row is None:
        return evolve(trained, cell=cell)
    if storage == "float32":
        return CellOutcome(cell, evolve(row, cell=cell))
    rounded = RoundedRun(work.folder / trained.cell.name, storage)
    try:
        return CellOutcome(cell, rounded.row(row, cell, partial(_evaluate, work)))
    except NotScoredError as error:
        return CellOutcome(cell, None, str(error))
    except DiagnosticError as error:
        return _failed(cell, error)


def _evaluate(work: Work, arguments: Sequence[str], log: Path) -> Ended:
    """Run `swc eval`, which takes its threads from the environment."""
    threads = {"OMP_NUM_THREADS": str(work.children.threads)}
    return work.processes.run([*child_command(), "eval", *arguments, *work.children.shared], log, threads)


def _compiled(work: Work, run: Cell) -> Compiled:
    """The run with its seed from the beginning: it draws the rows that tell how many inputs a table has."""
    return compile_file(*work.sweep.spec_of(run.setting), work.announce, work.data, run.seed)


def _row(work: Work, run: Cell, compiled: Compiled) -> CellRow | None:
    """The row of a run in float32; None where it has not ended. DiagnosticError where a file of it is damaged."""
    scale = work.sweep.epochs_scale
    results = finished(work.folder / run.name, compiled.spec, scale)
    if results is None:
        return None
    spec_hash = cell_hash(work.specs[run.setting], run.seed, scale)  # as it was written, without what a file tells
    return row_of(run, spec_hash, work.folder / run.name / RUN, results, work.multiply_adds.of(run, compiled))


def finished(folder: Path, spec: Spec, scale: float) -> RunResults | None:
    """What a run came to; None where it has not ended, or is the run of another spec.

    Of a spec as it was written, what a file tells is taken from the run. DiagnosticError where its file is damaged.
    """
    run = folder / RUN
    if spec.training is None or not is_there(run / RESULTS) or not is_there(run / "spec.json"):
        return None
    begun, _ = read_spec(run)
    told = evolve(spec, data=spec.data.told_by(begun.data))
    return read_results(run) if is_same(begun, scaled(told, scale)) else None
