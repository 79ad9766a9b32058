"""What a sweep came to: mean and standard error over the seeds, for each setting.

Takes the rows of finished cells, whichever machine measured them; gives `Summary`s, a table, JSON and CSV.
Guarantees: a cell that failed is shown as failed, one that another process trains as running; a standard error needs
two seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import mean, stdev
from typing import TYPE_CHECKING

from attrs import frozen

from swc.files.csv_text import csv_text
from swc.files.kind_codec import text_of_kind
from swc.files.kinds import FILE_KINDS
from swc.files.tables import DifferenceRow, SeedMean, SettingRow, SweepTable
from swc.show.plain import table
from swc.show.wording import decimal, per_cent, scale_text, short
from swc.sweep.columns import BANKS, BY_TASK, COSTS, HEADINGS, METRICS, OTHERS, PLAIN, SCORES, choice_in, metrics_in
from swc.sweep.pairs import PairedDifference
from swc.sweep.plan import Setting, Sweep
from swc.sweep.rows import FAILED, fields_of, header_of
from swc.sweep.runner import CellOutcome
from swc.sweep.seeds import num_seeds

if TYPE_CHECKING:
    from rich.console import RenderableType


@frozen
class Summary:
    """One setting: the seeds that ended, the values by metric (empty where none ended), and why others failed.

    `elsewhere` are seeds that another process trains, with its message; `templates_per_bank` is that of the seeds that
    ended, each other value once. A number that one of them has not got has no mean.
    """

    setting: Setting
    num_seeds: int
    values: tuple[tuple[str, SeedMean], ...]
    failed: tuple[tuple[int, str], ...]
    elsewhere: tuple[tuple[int, str], ...] = ()
    templates_per_bank: str = ""


def summaries(sweep: Sweep, done: Sequence[CellOutcome]) -> tuple[Summary, ...]:
    """One for each setting of which some cell is there, in order."""
    cells = {setting: [one for one in done if one.cell.setting == setting] for setting in sweep.settings}
    return tuple(_summary(setting, own) for setting, own in cells.items() if own)


def _summary(setting: Setting, done: Sequence[CellOutcome]) -> Summary:
    rows = [d.row for d in done if d.row is not None]
    left = [d for d in done if d.row is None]
    failed = tuple((d.cell.seed, d.reason) for d in left if not d.is_elsewhere)
    elsewhere = tuple((d.cell.seed, d.reason) for d in left if d.is_elsewhere)
    known = [name for name in (*METRICS, *OTHERS, *COSTS) if rows and all(name in row.numbers for row in rows)]
    values = tuple((name, value_of([row.numbers[name] for row in rows])) for name in known)
    banks = ", ".join(dict.fromkeys(row.templates_per_bank for row in rows if row.templates_per_bank))
    return Summary(setting, len(rows), values, failed, elsewhere, banks)


def best_of(found: Sequence[Summary]) -> Summary | None:
    """The setting with the lowest mean validation NLL, of numbers the lowest NRMSE.

    None where one that ended has none, where some have more seeds than others, or where there is no choice.
    """
    ended = [one for one in found if one.values]
    if len({one.num_seeds for one in ended}) > 1:
        return None
    choice = choice_of(ended)
    if len(ended) < 2 or any(choice not in dict(one.values) for one in ended):
        return None
    return min(ended, key=lambda one: dict(one.values)[choice].mean)


def choice_of(found: Sequence[Summary]) -> str:
    """The number by which settings are chosen."""
    return choice_in([name for one in found for name, _ in one.values])


def lowest_text(choice: str, best: Summary, mark: str) -> str:
    """Which setting is best, and by what."""
    return f"{mark} {HEADINGS[choice].removeprefix('validation ')} on the validation part: {named(best)}"


def value_of(numbers: Sequence[float]) -> SeedMean:
    """The mean of some numbers, one for each run, and its standard error."""
    return SeedMean(mean(numbers), stdev(numbers) / sqrt(len(numbers)) if len(numbers) > 1 else None)


def shown(sweep: Sweep, found: Sequence[Summary]) -> RenderableType:
    """A row for each setting; what failed or runs elsewhere stands below."""
    from rich.console import Group
    from rich.text import Text

    names = [name for name, _ in sweep.columns]
    measured, best = columns_in(sweep, found), best_of(found)
    made = table(*names, ">seeds", *(f">{heading}" for heading in headings_of(measured)))
    for one in found:
        cells = [summary_cell(one, name) + mark_of(one, name, best) for name in measured]
        ended = f"{one.num_seeds} of {num_seeds(sweep.seeds)}"
        made.add_row(*(value for _, value in one.setting), ended, *cells)
    specs = ", ".join(spec.name for spec in sweep.specs)
    title = Text(f"{sweep.name}: {specs}{scale_text(sweep.epochs_scale)}, mean and standard error", style="bold")
    left = [
        Text(f"{what}: {', '.join(f'{n} {v}' for n, v in (*one.setting, ('seed', seed)))}: {reason}")
        for one in found
        for what, seeds in (("failed", one.failed), ("running elsewhere", one.elsewhere))
        for seed, reason in seeds
    ]
    choice = choice_of(found)
    mark = "* lowest" if choice in measured else "lowest"
    chosen = [Text(lowest_text(choice, best, mark))] if best is not None else []
    return Group(title, Text(), made, *chosen, *left)


def mark_of(one: Summary, name: str, best: Summary | None) -> str:
    """What stands behind a number that the chosen setting was chosen by."""
    return " *" if one is best and name == choice_of([one]) else ""


def headings_of(names: Sequence[str]) -> list[str]:
    """What columns are called; beside those of the validation part the others say that they are of the test images."""
    if choice_in(names) not in names:
        return [HEADINGS[name] for name in names]
    test = {name: f"test {HEADINGS[name].removeprefix('ensemble ')}" for name in (*SCORES, *BY_TASK)}
    return [test.get(name, HEADINGS[name]) for name in names]


def named(one: Summary) -> str:
    """A setting in words: `ensemble shared, amount 25%`."""
    return ", ".join(f"{name} {value}" for name, value in one.setting)


def columns_in(sweep: Sweep, found: Sequence[Summary]) -> list[str]:
    """What the sweep says is shown; else what some setting has, and where none has ended, what every run has."""
    if sweep.show:
        return list(sweep.show)
    known = {name for one in found for name, _ in one.values}
    of_validation = ("validation", "chosen")
    if known:
        return [name for name in HEADINGS if name in (*known, BANKS)]
    return [name for name in HEADINGS if not (name.startswith(of_validation) or name in OTHERS)]


def summary_cell(one: Summary, name: str) -> str:
    """A mean as it stands in the table: of what is stored and done without its error."""
    if name == BANKS:
        return one.templates_per_bank
    value = dict(one.values).get(name)
    if value is None:
        return "" if one.num_seeds else "failed" if one.failed else "running"
    return short(round(value.mean)) if name in COSTS else value_text(name, value)


def value_text(name: str, value: SeedMean) -> str:
    """A mean with its error; what is a fraction of images in per cent."""
    return mean_text(value, is_share=name not in PLAIN)


def mean_text(value: SeedMean, *, is_share: bool) -> str:
    """A mean with its error, both in per cent where they are shares."""
    if not is_share:
        return decimal(value.mean) + ("" if value.error is None else f" ± {decimal(value.error)}")
    return per_cent(value.mean) + ("" if value.error is None else f" ± {decimal(100 * value.error, 2)}")


def as_json(sweep: Sweep, found: Sequence[Summary], paired: Sequence[PairedDifference] = ()) -> str:
    """All of it; values by metric."""
    rows = tuple(map(_setting_row, found))
    specs = tuple(str(spec) for spec in sweep.specs)
    seeds = tuple(sweep.seeds)
    best, pairs = best_of(found), tuple(map(difference_row, paired))
    number = found.index(best) if best is not None else None
    made = SweepTable(sweep.name, specs, len(seeds), sweep.epochs_scale, rows, seeds, pairs, number)
    return text_of_kind(FILE_KINDS["sweep"], made)


def difference_row(one: PairedDifference) -> DifferenceRow:
    """A difference as files have it."""
    known = one.mean if one.num_seeds else None
    of, against = dict(one.of), dict(one.against)
    return DifferenceRow(of, against, one.metric, one.num_seeds, known, one.half_width, one.verdict)


def _setting_row(one: Summary) -> SettingRow:
    setting, values = dict(one.setting), dict(one.values)
    return SettingRow(setting, one.num_seeds, values, one.failed, one.elsewhere, one.templates_per_bank)


def as_csv(sweep: Sweep, done: Sequence[CellOutcome]) -> str:
    """One line for each cell, with its numbers or the reason why it failed."""
    metrics = metrics_in(one.row.numbers for one in done if one.row is not None)
    lines = [(*fields_of(one.cell, one.row, metrics), one.reason) for one in done]
    return csv_text([(*header_of(sweep, metrics), FAILED), *lines])
