"""Diagnostics of `swc sweep` (SW67x, SW72x).

Guarantees: `SWEEPS` lists every class of this module.
"""

from __future__ import annotations

import re
from typing import ClassVar

from attrs import frozen

from swc.diagnostics.diagnostic import Diagnostic
from swc.diagnostics.numbers import in_full

EXAMPLES = {  # of each key of a sweep file
    "spec": '`spec = "../multi_width.sw"`, then `[vary]` and lines such as `beta = [0.1, 0.9]`',
    "vary": "`[vary]` and below it a line such as `beta = [0.1, 0.9]` for each param",
    "ensemble": '`ensemble = ["shared", "narrow"]`, each name once',
    "ensembles": '`[ensembles]` and below it a line such as `"shared.sw" = ["wide", "narrow"]` for each spec',
    "epochs_scale": "`epochs_scale = 0.1` for a tenth of the epochs",
    "seeds": '`seeds = 3` for 0 to 2, or `seeds = "10-19"`',
    "by_seed": "`by_seed = true` or `false`",
    "table": '`table = "rows.csv"`',
    "storage": '`storage = ["float32", "int8", "int4"]`, each once at most',
    "rows_from": '`rows_from = ["other.csv"]`',
    "show": '`show = ["top1", "nll", "stored"]`, each once at most',
    "compare": '`[[compare]]`, `of = {ensemble = "shared"}` and `against = {ensemble = "narrow"}`',
    "figure": '`[figure]`, `across = "stored"`, `[figure.lines]` and lines such as `"shared" = ["small", "large"]`',
}


@frozen(kw_only=True)
class NotASweep(Diagnostic):
    """A sweep file cannot be read, or lacks something.

    A sweep file is TOML. `spec` names a spec, from the file's own folder; under `[vary]` stands, for each param, a list
    of values. `ensemble`, `seeds`, `by_seed`, `epochs_scale`, `table`, `storage` and `rows_from` may stand beside
    `spec`; `[ensembles]`, with a list of names for each spec, may stand in place of `spec` and `ensemble`.
    """

    code: ClassVar[str] = "SW670"
    path: str
    reason: str

    def message(self) -> str:
        return f"`{self.path}` is not a sweep: {self.reason}"

    def help(self) -> str:
        named = (EXAMPLES[name] for name in re.findall(r"`(\w+)`", self.reason) if name in EXAMPLES)
        return f"write {next(named, EXAMPLES['spec'])}"


@frozen(kw_only=True)
class CellsFailed(Diagnostic):
    """Some runs of a sweep failed.

    The others are done, and the table shows which failed and why. What went wrong in a run is in the `train.log` of its
    folder, or in `eval-int8.log` or `eval-int4.log` where its weights were rounded; of what the sweep itself has found,
    such as a damaged file, the errors above say what to do, one of each kind. Where a sweep stores a run in several
    ways, rows are counted. The same command again runs only what is not done.
    """

    code: ClassVar[str] = "SW671"
    failed: int
    in_logs: int
    cells: int
    folder: str
    noun: str = "runs"

    def message(self) -> str:
        return f"{self.failed} of {self.cells} {self.noun} failed"

    def help(self) -> str:
        names = "`train.log`" if self.noun == "runs" else "`train.log` and `eval-*.log`"
        logs = f"see {names} below {self.folder}" if self.in_logs else ""
        errors = "mend what the errors above tell" if self.in_logs < self.failed else ""
        return f"{', and '.join(filter(None, (logs, errors)))}; the same command runs only what is not done"


@frozen(kw_only=True)
class SweepOfAnotherScale(Diagnostic):
    """The folder holds runs of this sweep whose epochs were scaled differently.

    A trial with `--epochs-scale 0.05` and the sweep in full are two sweeps: a run goes on only as it was begun, and
    numbers of both in one table would mean nothing. Nothing was changed. Give the scale the runs were begun with to go
    on with them, or `-o FOLDER` to keep the other sweep in a folder of its own.
    """

    code: ClassVar[str] = "SW720"
    folder: str
    was: float
    now: float

    def message(self) -> str:
        was, now = in_full(self.was), in_full(self.now)
        return f"the sweep in `{self.folder}` was begun with its epochs scaled by {was}, not {now}"

    def help(self) -> str:
        scale = in_full(self.was)
        return f"go on with it with `--epochs-scale {scale}`, or use `-o FOLDER` to begin another beside it"


@frozen(kw_only=True)
class SweepOfAnotherSpec(Diagnostic):
    """The folder holds a run of the same name that was begun with another spec.

    The spec was changed since, or another spec or ensemble was swept into this folder with the same values. A run goes
    on only as it was begun. Nothing was changed. Use `-o FOLDER` to sweep in a folder of its own; or undo the change;
    or remove the runs that are not wanted any more.
    """

    code: ClassVar[str] = "SW721"
    folder: str
    cell: str

    def message(self) -> str:
        return f"the run `{self.cell}` in `{self.folder}` was begun with another spec"

    def help(self) -> str:
        return "use `-o FOLDER` to sweep in another folder, undo what was changed in the spec, or remove the old runs"


@frozen(kw_only=True)
class CellsElsewhere(Diagnostic):
    """Some runs of a sweep are trained by another process just now, so this sweep left them alone.

    The table says which, with the number of the process: another `swc sweep` of the same folder, or a `swc train` of
    one of its runs. They have not failed. When they have ended the same command puts them into the table.
    """

    code: ClassVar[str] = "SW722"
    elsewhere: int
    cells: int
    noun: str = "runs"

    def message(self) -> str:
        return f"{self.elsewhere} of {self.cells} {self.noun} are trained by another process"

    def help(self) -> str:
        return "wait for it or stop it; then the same command puts them into the table"


@frozen(kw_only=True)
class RowOfAnotherSpec(Diagnostic):
    """A table that the sweep goes on or takes rows from has a row of the same values and seed, of another spec.

    Each row keeps a hash of the spec that it was measured with, its seed and `--epochs-scale` among it. This one is not
    that of the sweep as it is now: the spec was changed since, the epochs are scaled differently, or the table is that
    of another sweep. Numbers of both in one table would mean nothing. Nothing was changed or run. Undo the change, name
    another table, or move this one away to measure everything again. With `--no-rows-from` a trial with scaled epochs
    takes no rows from other tables.
    """

    code: ClassVar[str] = "SW723"
    path: str
    cell: str

    def message(self) -> str:
        return f"the row `{self.cell}` of `{self.path}` was measured with another spec"

    def help(self) -> str:
        return "undo what was changed in the spec or the scale, name another table, or move this one away"


@frozen(kw_only=True)
class DamagedRows(Diagnostic):
    """A table that a sweep goes on or takes rows from cannot be read, or the former has the columns of another sweep.

    It is CSV: in the first line the names of what varies, `seed`, the metrics and `spec_hash`, then a line for each
    run that has ended. Such a line is written by `swc sweep` alone. Copy the table again from where it came, take away
    the line, whose run is then run again, or name another table. Rows of a sweep that had other columns are taken by
    `rows_from` in a sweep file.
    """

    code: ClassVar[str] = "SW724"
    path: str
    line: int
    reason: str

    def message(self) -> str:
        return f"line {self.line} of `{self.path}` is no row of this sweep: {self.reason}"

    def help(self) -> str:
        if self.line == 1:  # without which no other line can be read
            return (
                "copy the table again from where it came, or name another one; `rows_from` takes rows of other sweeps"
            )
        return "copy the table again from where it came, take the line away, or name another table"


SWEEPS = (
    NotASweep,
    CellsFailed,
    SweepOfAnotherScale,
    SweepOfAnotherSpec,
    CellsElsewhere,
    RowOfAnotherSpec,
    DamagedRows,
)
