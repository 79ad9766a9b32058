"""What is done to the columns of a table before members see them, fitted on the training rows alone.

Takes columns of numbers and of texts; gives one row of features for each example. Guarantees: features depend on the
fitted arrays and the row alone; quantiles and standard scores are those of scikit-learn's `QuantileTransformer` (normal
output, all rows) and `StandardScaler`. A missing number becomes the median of the training rows, a missing text is a
value of its own.

Suffixes: N rows, R columns of numbers, K columns of categories, Q quantiles, F features.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import NDArray

from swc_runtime.data.columns import codes_of, names_of

Floats = NDArray[np.float64]
NOISE = 1e-5  # deviation of what is added to numbers before noisy quantiles are taken, as TabM does
MOST_QUANTILES, LEAST_QUANTILES, ROWS_EACH = 1_000, 10, 30
EDGE = 1e-7  # from 0 and 1, beyond which scikit-learn cuts the normal quantiles off
SHARE_OF_GAPS = 0.2  # of the rows that are made up to try exported members with


@frozen(eq=False)
class InputColumns:
    """The inputs of some rows: numbers [N, R] with nan where one is missing, and texts [N, K]."""

    numbers: Floats
    texts: NDArray[Any]

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: NDArray[np.int64]) -> InputColumns:
        """Some of the rows."""
        return InputColumns(self.numbers[rows], self.texts[rows])


@frozen(eq=False)
class Preparation:
    """Fitted columns. `numbers` and `categories` are their names in order, `values` what each category may be.

    `scheme` is `quantile`, `noisy_quantile`, `standard` or `none`; `encoding` is `one_hot` or `ordinal`. `arrays` hold
    `medians` [R], and `quantiles` [Q, R] or `means` [R] and `scales` [R].
    """

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    scheme: str
    encoding: str
    arrays: dict[str, Floats] = field(factory=dict)

    @property
    def num_features(self) -> int:
        """How many inputs a member has."""
        each = map(len, self.values) if self.encoding == "one_hot" else [1] * len(self.values)
        return len(self.numbers) + sum(each)

    def digest(self) -> str:
        """A hash of all that features depend on."""
        found = sha256(repr((self.numbers, self.categories, self.values, self.scheme, self.encoding)).encode())
        for name in sorted(self.arrays):
            found.update(name.encode() + np.ascontiguousarray(self.arrays[name]).tobytes())
        return found.hexdigest()

    def with_plain_numbers(self) -> Preparation:
        """The same with values that are numbers as they are called now: runs of before had `1.0` for `1`."""
        return evolve(self, values=tuple(tuple(names_of(each)) for each in self.values))

    def features(self, columns: InputColumns) -> NDArray[np.float32]:
        """Features float32 [N, F]: the numbers in order, then the categories."""
        return self.features_of(columns.numbers, self.codes(columns))

    def features_of(self, numbers_NR: Floats, codes_NK: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features float32 [N, F] of numbers, nan where one is missing, and the codes of categories."""
        return np.concatenate([self.scaled(numbers_NR), *self._encoded(codes_NK)], axis=1).astype(np.float32)

    def drawn(self, count: int) -> tuple[Floats, NDArray[np.int64]]:
        """Numbers and codes of rows that might be, some of them missing and new: always the same."""
        draw = np.random.default_rng(0)
        numbers = self.arrays["medians"] + self._spreads() * draw.standard_normal((count, len(self.numbers)))
        numbers[draw.random(numbers.shape) < SHARE_OF_GAPS] = np.nan
        each = [draw.integers(0, len(values) + 1, count) for values in self.values]
        return numbers, np.stack(each, axis=1) if each else np.zeros((count, 0), dtype=np.int64)

    def _spreads(self) -> Floats:
        """How far the numbers of each column [R] are from its median, about."""
        if self.scheme == "standard":
            return self.arrays["scales"]
        quantiles = self.arrays.get("quantiles")
        if quantiles is None or not self.numbers:
            return np.ones(len(self.numbers))
        spreads: Floats = (quantiles[-1] - quantiles[0]) / 2
        return spreads

    def codes(self, columns: InputColumns) -> NDArray[np.int64]:
        """The number of each category's value [N, K]; that after the last for a value that no training row has."""
        found = np.empty((len(columns), len(self.values)), dtype=np.int64)
        for place, values in enumerate(self.values):
            found[:, place] = codes_of(columns.texts[:, place], values)
        return found

    def _encoded(self, codes_NK: NDArray[np.int64]) -> list[Floats]:
        if self.encoding == "ordinal":
            return [codes_NK.astype(np.float64)]
        return [
            (codes_NK[:, place, None] == np.arange(len(values))).astype(np.float64)
            for place, values in enumerate(self.values)
        ]

    def scaled(self, numbers_NR: Floats) -> Floats:
        """Numbers without gaps, as the scheme has them."""
        whole_NR = np.where(np.isnan(numbers_NR), self.arrays["medians"], numbers_NR)
        if self.scheme == "standard":
            scaled: Floats = (whole_NR - self.arrays["means"]) / self.arrays["scales"]
            return scaled
        if self.scheme == "none":
            return whole_NR
        quantiles_QR = self.arrays["quantiles"]
        made = [normal_scores(whole_NR[:, place], quantiles_QR[:, place]) for place in range(whole_NR.shape[1])]
        return np.stack(made, axis=1) if made else whole_NR


def fitted(
    columns: InputColumns, numbers: tuple[str, ...], categories: tuple[str, ...], scheme: str, encoding: str
) -> Preparation:
    """The preparation that training rows ask for."""
    texts = columns.texts
    values = tuple(tuple(sorted(set(texts[:, place].tolist()))) for place in range(len(categories)))
    return Preparation(numbers, categories, values, scheme, encoding, _arrays(columns.numbers, scheme))


def _arrays(numbers_NR: Floats, scheme: str) -> dict[str, Floats]:
    gaps = np.isnan(numbers_NR)
    empty = gaps.all(axis=0)
    medians = np.nanmedian(np.where(empty, 0.0, numbers_NR), axis=0) if numbers_NR.size else np.zeros(gaps.shape[1])
    whole_NR = np.where(gaps, medians, numbers_NR)
    arrays = {"medians": medians}
    if scheme == "standard":
        scales = whole_NR.std(axis=0)
        return arrays | {"means": whole_NR.mean(axis=0), "scales": np.where(constant(whole_NR), 1.0, scales)}
    if scheme == "none":
        return arrays
    noise = np.random.default_rng(0).normal(0.0, NOISE, whole_NR.shape) if scheme == "noisy_quantile" else 0.0
    return arrays | {"quantiles": quantiles_of(np.where(constant(whole_NR), whole_NR, whole_NR + noise))}


def constant(numbers_NR: Floats | NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which columns [R] have one value alone, or none, beside missing ones."""
    lowest, highest = np.fmin.reduce(numbers_NR, initial=np.inf), np.fmax.reduce(numbers_NR, initial=-np.inf)
    found: NDArray[np.bool_] = ~(lowest < highest)
    return found


def quantiles_of(numbers_NR: Floats) -> Floats:
    """Evenly spaced quantiles [Q, R]: one for 30 rows, from 10 to 1,000 of them, as TabM takes them.

    Of fewer rows than ten there are as many as rows, as scikit-learn has them.
    """
    count = max(min(len(numbers_NR) // ROWS_EACH, MOST_QUANTILES), LEAST_QUANTILES)
    count = max(min(count, len(numbers_NR)), 2)
    found = np.nanpercentile(numbers_NR, np.linspace(0, 100, count), axis=0)
    rising: Floats = np.maximum.accumulate(found, axis=0)  # rounding can make a later one smaller
    return rising


def normal_scores(numbers_N: Floats, quantiles_Q: Floats) -> Floats:
    """Numbers [N] as the normal quantiles of where they lie among `quantiles_Q`; zero where there is one value alone.

    Between two quantiles the place is linear; of several equal ones it is the middle, as the mean of the interpolations
    from below and from above. A worked example: among the quantiles 0, 2, 4 the number 3 lies at 0.75, which is 0.6745.
    """
    from scipy.special import ndtri  # a third of a second, which runs on images can do without

    if quantiles_Q[0] == quantiles_Q[-1]:
        return np.zeros_like(numbers_N)
    places = np.linspace(0, 1, len(quantiles_Q))
    up = np.interp(numbers_N, quantiles_Q, places)
    down = np.interp(-numbers_N, -quantiles_Q[::-1], -places[::-1])
    middle = 0.5 * (up - down)
    middle = np.where(numbers_N + EDGE > quantiles_Q[-1], 1.0, middle)
    middle = np.where(numbers_N - EDGE < quantiles_Q[0], 0.0, middle)
    lowest = ndtri(EDGE - np.spacing(1))
    made: Floats = np.clip(ndtri(middle), lowest, ndtri(1 - (EDGE - np.spacing(1))))
    return made
