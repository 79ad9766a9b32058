"""What a cell of a sweep came to, as a row of a table.

Takes the run folder of a finished cell, gives a `CellRow`; rows as CSV text and back. Guarantees: a row that is written
and read again is the same; what was not measured is left out of a row and empty in CSV.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from math import isnan
from pathlib import Path
from statistics import mean, median

from attrs import evolve, frozen

from swc.compiler.ir.graph import Graph
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.sweeps import DamagedRows
from swc.files.converter import LARGEST
from swc.files.csv_text import csv_text, plain_cell
from swc.files.metric_lines import rows_of
from swc.files.metrics import EpochRow
from swc.files.run import RunResults
from swc.files.scores import Scores
from swc.folders.store import read_compiled
from swc.program.stages import stages
from swc.registry.tasks import TASKS, TaskRow
from swc.sweep.columns import BANKS, BEST, COSTS, METRICS, OTHERS, SCORES, fault_of, metrics_in
from swc.sweep.plan import SEED, STORAGE, Cell, Setting, Sweep

FLOAT_BYTES = 4  # of a scalar in float32
SPEC_HASH = "spec_hash"
COLUMNS = (*METRICS, *COSTS, BANKS, SPEC_HASH)  # behind the setting and the seed
FAILED = "failed"  # the last column of `sweep.csv`: why there is no row
NEEDED = ("top1", "nll")  # which every version has measured of classes
NUMBERS = re.compile(r"[0-9.e+]+(-[0-9.e+]+){2}")  # smallest, median, largest
HASH = re.compile("[0-9a-f]{64}")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")  # as it is written, here or by a spreadsheet
SEEDS = re.compile("[0-9]{1,19}")
LARGEST_NUMBER = 1e30  # that anything measures; beyond it a field is damaged


@frozen
class PartScores:
    """The scores on one part of the images: of the members in order, and of the ensemble."""

    members: Sequence[Scores]
    together: Scores


@frozen
class CellRow:
    """A finished cell: the fingerprint of its spec, with seed and scale, and its numbers by the names of columns.

    `stored` and `templates` are in scalars, `stored_bytes` is what the former take as the cell's storage says,
    `multiply_adds` are those of the whole ensemble for one image, `train_seconds` those of all epochs.
    `templates_per_bank` is the smallest, the median and the largest number of templates of its banks, as in `1-3-4`;
    empty without banks.
    """

    cell: Cell
    spec_hash: str
    numbers: Mapping[str, float]
    templates_per_bank: str = ""


def row_of(cell: Cell, spec_hash: str, run: Path, results: RunResults, multiply_adds: int | None) -> CellRow:
    """The row of a run from its folder, in float32; DiagnosticError where a file there is damaged."""
    costs = {
        "stored": results.counts.stored,
        "stored_bytes": FLOAT_BYTES * results.counts.stored,
        "templates": results.counts.template_scalars,
        "multiply_adds": multiply_adds,
        "train_seconds": _train_seconds(run / "metrics.jsonl"),
    }
    known = {name: number for name, number in costs.items() if number is not None}
    return CellRow(cell, spec_hash, measured(results) | known, templates_per_bank(_last_graph(run)))


def measured(results: RunResults) -> dict[str, float]:
    """The scores of one run by metric: on the test images, and on the validation part where there is one."""
    test = PartScores(results.members, results.together)
    validation = results.validation
    return scores_of(test, PartScores(validation.members, validation.together) if validation else None, results.task)


def scores_of(test: PartScores, validation: PartScores | None, task: str = "classification") -> dict[str, float]:
    """The scores by metric: of members and ensemble, and those that a validation part gives or chooses.

    The chosen member is the one with the lowest NLL on the validation part, of equals the first; its scores are those
    on the test images. Of another task its own scores stand in place of top-1, and a member is chosen by what chooses
    the best state (`TaskRow.patience`).
    """
    if task != "classification":
        return _scores_by(TASKS[task], test, validation)
    top1 = [member.top1 for member in test.members]
    whole = {name: getattr(test.together, name) for name in SCORES}
    members = {"mean_member_top1": mean(top1), "best_member_top1": max(top1)}
    if validation is None:
        return whole | members
    chosen, _ = min(zip(test.members, validation.members, strict=True), key=lambda both: both[1].nll)
    validated = {f"validation_{name}": getattr(validation.together, name) for name in SCORES}
    return validated | whole | members | {"chosen_member_top1": chosen.top1, "chosen_member_nll": chosen.nll}


def _scores_by(task: TaskRow, test: PartScores, validation: PartScores | None) -> dict[str, float]:
    """The same by the scores of a task; what is not known is left out."""
    names, best = [row.name for row in task.scores], task.chosen
    values = [member.value(best.name) for member in test.members]
    found = {name: test.together.value(name) for name in names}
    found |= {
        f"mean_member_{best.name}": mean(values),
        f"best_member_{best.name}": max(values) if best.rises else min(values),
    }
    if validation is not None:
        found |= {f"validation_{name}": validation.together.value(name) for name in names}
        by = [member.value(task.patience) for member in validation.members]
        found[f"chosen_member_{best.name}"] = values[by.index(min(by))]
    return {name: number for name, number in found.items() if not isnan(number)}


def templates_per_bank(graph: Graph) -> str:
    """The smallest, the median and the largest number of templates, over banks: 1, 1, 2, 4 give `1-1.5-4`."""
    numbers = sorted(bank.num_templates for bank in graph.banks)
    return "-".join(f"{number:g}" for number in (numbers[0], median(numbers), numbers[-1])) if numbers else ""


def _last_graph(run: Path) -> Graph:
    training = read_compiled(run, 0).spec.training
    assert training is not None, "runs are trained"
    return read_compiled(run, len(stages(training)) - 1).graph


def _train_seconds(metrics: Path) -> float | None:
    """The seconds of all epochs, those before a stop too; None where an early version did not write them."""
    found = rows_of(metrics.read_bytes(), str(metrics)) if metrics.is_file() else []
    seconds = [row.seconds for row in found if isinstance(row, EpochRow)]
    return None if not seconds or any(map(isnan, seconds)) else sum(seconds)


def header_of(sweep: Sweep, metrics: Sequence[str] = METRICS) -> tuple[str, ...]:
    """The names of the columns; `metrics` are those of scores."""
    return (*(name for name, _ in sweep.columns), SEED, *metrics, *COSTS, BANKS, SPEC_HASH)


def fields_of(cell: Cell, row: CellRow | None, metrics: Sequence[str] = METRICS) -> tuple[object, ...]:
    """The fields of a cell's line; all but the first are empty where it has not ended."""
    numbers = row.numbers if row is not None else {}
    texts = (row.templates_per_bank, row.spec_hash) if row is not None else ("", "")
    values = (value for _, value in cell.setting)
    return (*values, cell.seed, *(numbers.get(name, "") for name in (*metrics, *COSTS)), *texts)


def text_of_rows(sweep: Sweep, found: Mapping[Cell, CellRow]) -> str:
    """The rows as CSV: those of the sweep in its order, then what other cells the table has, in theirs."""
    cells = dict.fromkeys(cell for cell in (*sweep.cells, *found) if cell in found)
    metrics = metrics_in(row.numbers for row in found.values())
    return csv_text([header_of(sweep, metrics), *(fields_of(cell, found[cell], metrics) for cell in cells)])


def rows_in(text: str, origin: str, sweep: Sweep) -> dict[Cell, CellRow]:
    """The rows of a CSV text by their cells; `origin` names the file in errors.

    A table of an earlier version has fewer columns of numbers; one that was begun before the sweep named storages has
    rows in float32. DiagnosticError, with the line, where it is damaged or its columns are those of another sweep.
    """
    _, first = next(_lines(text, origin), (1, ()))
    if sweep.storage and STORAGE not in first:
        return dict(map(_in_float32, rows_in(text, origin, sweep.trained).values()))
    settings = {tuple(plain_cell(value) for _, value in setting): setting for setting in sweep.settings}
    return _rows_in(text, origin, header_of(sweep)[: len(sweep.columns) + 1], settings)


def _in_float32(row: CellRow) -> tuple[Cell, CellRow]:
    """The row of a run as that of a cell with a storage."""
    cell = evolve(row.cell, setting=(*row.cell.setting, (STORAGE, "float32")))
    return cell, evolve(row, cell=cell)


def other_rows_in(text: str, origin: str) -> tuple[CellRow, ...]:
    """The rows of a table of any sweep, with its own columns; values as they stand in the cells.

    DiagnosticError, with the line, where it is damaged.
    """
    _, header = next(_lines(text, origin), (1, ()))
    width = header.index(SEED) + 1 if SEED in header else 0
    return tuple(_rows_in(text, origin, header[:width] or (SEED,), {}).values())


def _rows_in(
    text: str, origin: str, names: Sequence[str], settings: Mapping[tuple[str, ...], Setting]
) -> dict[Cell, CellRow]:
    """The rows of a table whose first columns are these; the last of them is the seed."""
    lines = _lines(text, origin)
    _, header = next(lines, (1, ()))
    if reason := _wrong_header(names, header):
        raise DiagnosticError(DamagedRows(path=origin, line=1, reason=reason))
    found: dict[Cell, CellRow] = {}
    for line, fields in lines:
        if FAILED in header and len(fields) == len(header) and fields[header.index(FAILED)]:
            continue
        try:
            row = _row(names, header, fields, settings)
            _check_new(row.cell, found)
        except ValueError as error:
            raise DiagnosticError(DamagedRows(path=origin, line=line, reason=str(error))) from error
        found[row.cell] = row
    return found


def _lines(text: str, origin: str) -> Iterator[tuple[int, Sequence[str]]]:
    """The lines in which something stands, with their numbers: spreadsheets write empty ones as commas."""
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        yield from ((reader.line_num, fields) for fields in reader if any(fields))
    except csv.Error as error:
        raise DiagnosticError(DamagedRows(path=origin, line=reader.line_num, reason=str(error))) from error


def _wrong_header(names: Sequence[str], header: Sequence[str]) -> str:
    """What is wrong with a first line, or nothing."""
    first, others = header[: len(names)], header[len(names) :]
    if any(mark in name for name in header for mark in ";\t"):
        return "its fields are not parted by commas"
    if not header:
        return "it is empty"
    if tuple(first) != tuple(names):
        return f"its columns begin with {_listed(first)}, those of the sweep with {_listed(names)}"
    if unknown := [name for name in others if name not in (*COLUMNS, *OTHERS, FAILED)]:
        return f"`{unknown[0]}` is no column of a sweep"
    if SPEC_HASH not in others or len(set(others)) < len(others):
        return f"it needs the columns {_listed((*names, SPEC_HASH))}, each once"
    return ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing"


def _row(
    names: Sequence[str], header: Sequence[str], fields: Sequence[str], settings: Mapping[tuple[str, ...], Setting]
) -> CellRow:
    """The row that a line holds; ValueError where it holds none."""
    if len(fields) != len(header):
        raise ValueError(f"it has {len(fields)} fields, and the first line {len(header)}")
    width = len(names) - 1  # of the setting
    values, seed = tuple(fields[:width]), fields[width]
    texts = dict(zip(header[width + 1 :], fields[width + 1 :], strict=True))
    if SEEDS.fullmatch(seed) is None or int(seed) > LARGEST:
        raise ValueError(f"`{seed}` is no seed")
    if HASH.fullmatch(texts[SPEC_HASH]) is None:
        raise ValueError(f"`{texts[SPEC_HASH]}` is no hash of a spec")
    setting = settings.get(values) or tuple(zip(names, map(plain_cell, values), strict=False))
    banks = texts.get(BANKS, "")
    if banks and NUMBERS.fullmatch(banks) is None:
        raise ValueError(f"`{banks}` is no number of templates such as 1-3-4")
    needed = next(((name,) for name in BEST if name != NEEDED[0] and texts.get(name)), NEEDED)
    if missing := [name for name in needed if not texts.get(name)]:
        raise ValueError(f"it has no `{missing[0]}`")
    known, is_density = [name for name in (*METRICS, *OTHERS, *COSTS) if texts.get(name)], needed == ("rmse",)
    numbers = {name: _number(name, texts[name], is_density=is_density) for name in known}
    if "stored_bytes" not in header and "stored" in numbers and dict(setting).get(STORAGE, "float32") == "float32":
        numbers["stored_bytes"] = FLOAT_BYTES * numbers["stored"]  # an earlier version counted none
    return CellRow(Cell(setting, int(seed)), texts[SPEC_HASH], numbers, banks)


def _number(name: str, text: str, *, is_density: bool) -> float:
    if NUMBER.fullmatch(text) is None:
        raise ValueError(f"`{text}` is no number")
    number = float(text)
    if abs(number) > LARGEST_NUMBER:
        raise ValueError(f"`{text}` is no number that is measured")
    if reason := fault_of(name, number, is_density=is_density):
        raise ValueError(reason)
    return int(text) if text.isdecimal() else number


def _check_new(cell: Cell, found: Mapping[Cell, CellRow]) -> None:
    if cell in found:
        raise ValueError(f"`{cell.title}` is there twice")
