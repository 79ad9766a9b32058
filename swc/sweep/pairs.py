"""Paired differences: what one setting has over another with the same seeds.

Takes the rows of finished cells; gives `PairedDifference`s. Guarantees: a difference is of two cells of one seed; seeds
that only one of the two has measured count nothing, and the number of those that count is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan, sqrt
from statistics import mean, stdev
from typing import Literal

from attrs import frozen

from swc.sweep.columns import paired_of
from swc.sweep.plan import Cell, Setting, SettingPair, Sweep
from swc.sweep.rows import CellRow

CONFIDENCE = 0.95
Verdict = Literal["above", "below", "not told apart", "one seed", "not measured"]


@frozen
class PairedDifference:
    """The mean over seeds of a metric of `of` less that of `against`, and half the width of its 95% t-interval.

    The half width is None of fewer than two seeds. `verdict` says where the interval lies beside 0; "above" is higher
    accuracy, but worse NLL.
    """

    of: Setting
    against: Setting
    metric: str
    num_seeds: int
    mean: float
    half_width: float | None

    @property
    def verdict(self) -> Verdict:
        """In a word."""
        if self.half_width is None:
            return "one seed" if self.num_seeds else "not measured"
        if abs(self.mean) > self.half_width:
            return "above" if self.mean > 0 else "below"
        return "not told apart"


def differences(sweep: Sweep, rows: Mapping[Cell, CellRow]) -> tuple[PairedDifference, ...]:
    """One for each comparison that the sweep asks for, each pair of settings it means, and each metric."""
    pairs = [settings for pair in sweep.compare for settings in _settings(sweep, pair)]
    metrics = paired_of({name for row in rows.values() for name in row.numbers})
    return tuple(_difference(sweep, rows, of, against, metric) for of, against in pairs for metric in metrics)


def _settings(sweep: Sweep, pair: SettingPair) -> list[tuple[Setting, Setting]]:
    """The pairs of settings that a comparison means: what it does not name is alike in both.

    With two ensembles and two budgets, shared against narrow is shared against narrow at each of the budgets.
    """
    other = dict(pair.against)
    return [
        (setting, tuple((name, other.get(name, value)) for name, value in setting))
        for setting in sweep.settings
        if set(pair.of) <= set(setting)
    ]


def _difference(
    sweep: Sweep, rows: Mapping[Cell, CellRow], of: Setting, against: Setting, metric: str
) -> PairedDifference:
    found: list[float] = []
    for seed in sweep.seeds:
        first, second = rows.get(Cell(of, seed)), rows.get(Cell(against, seed))
        if first is not None and second is not None and metric in first.numbers and metric in second.numbers:
            found.append(first.numbers[metric] - second.numbers[metric])
    return PairedDifference(of, against, metric, len(found), mean(found) if found else nan, half_width(found))


def half_width(numbers: Sequence[float]) -> float | None:
    """Half the width of the 95% interval of a mean by Student's t; None of fewer than two numbers.

    Of 1, 2, 3 the standard error is 1 / sqrt(3) and t at two degrees of freedom 4.303: 2.484.
    """
    from scipy.stats import t

    if len(numbers) < 2:
        return None
    quantile = float(t.ppf((1 + CONFIDENCE) / 2, len(numbers) - 1))
    return quantile * stdev(numbers) / sqrt(len(numbers))
