"""What is done to the columns of a table: equal to scikit-learn, fitted on what is given, whole for any value."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, QuantileTransformer, StandardScaler

from swc_runtime.data.preparation import InputColumns, fitted

DRAW = np.random.default_rng(0)
NUMBERS = np.stack(
    [
        DRAW.normal(size=900),
        DRAW.lognormal(sigma=2, size=900),
        DRAW.integers(0, 4, 900).astype(float),  # many equal quantiles
        np.where(DRAW.random(900) < 0.7, 0.0, DRAW.normal(size=900)),
    ],
    axis=1,
)
OTHERS = np.concatenate([NUMBERS[:50] * 1.1, NUMBERS[:50], np.full((1, 4), 1e9), np.full((1, 4), -1e9)])
TEXTS = np.array([["a", "x"], ["b", "y"], ["a", ""], ["c", "x"]] * 225, dtype=object)


def columns(numbers: np.ndarray, texts: np.ndarray = TEXTS) -> InputColumns:
    return InputColumns(numbers, np.resize(texts, (len(numbers), 2)))


def test_quantiles_are_those_of_scikit_learn() -> None:
    found = fitted(columns(NUMBERS), ("a", "b", "c", "d"), ("e", "f"), "quantile", "ordinal")
    theirs = QuantileTransformer(n_quantiles=30, output_distribution="normal", subsample=None).fit(NUMBERS)
    np.testing.assert_allclose(found.arrays["quantiles"], theirs.quantiles_, rtol=0, atol=1e-6)
    for numbers in (NUMBERS, OTHERS):
        np.testing.assert_allclose(found.scaled(numbers), theirs.transform(numbers), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rows", [2, 3, 9, 10, 11])
def test_few_rows_have_as_many_quantiles_as_rows(rows: int) -> None:
    few = NUMBERS[:rows, :2]
    found = fitted(InputColumns(few, np.empty((rows, 0), dtype=object)), ("a", "b"), (), "quantile", "ordinal")
    theirs = QuantileTransformer(n_quantiles=min(rows, 10), output_distribution="normal", subsample=None).fit(few)
    np.testing.assert_allclose(found.scaled(NUMBERS[:, :2]), theirs.transform(NUMBERS[:, :2]), rtol=0, atol=1e-6)


def test_noisy_quantiles_are_those_of_tabm() -> None:
    found = fitted(columns(NUMBERS), ("a", "b", "c", "d"), ("e", "f"), "noisy_quantile", "ordinal")
    noisy = NUMBERS + np.random.default_rng(0).normal(0.0, 1e-5, NUMBERS.shape)
    theirs = QuantileTransformer(n_quantiles=30, output_distribution="normal", subsample=10**9).fit(noisy)
    np.testing.assert_allclose(found.scaled(OTHERS), theirs.transform(OTHERS), rtol=0, atol=1e-6)


def test_standard_scores_are_those_of_scikit_learn() -> None:
    found = fitted(columns(NUMBERS), ("a", "b", "c", "d"), ("e", "f"), "standard", "ordinal")
    theirs = StandardScaler().fit(NUMBERS)
    np.testing.assert_allclose(found.scaled(OTHERS), theirs.transform(OTHERS), rtol=1e-6, atol=1e-6)


def test_categories_are_coded_as_by_scikit_learn() -> None:
    one_hot, ordinal = (
        fitted(columns(NUMBERS), ("a", "b", "c", "d"), ("e", "f"), "none", encoding)
        for encoding in ("one_hot", "ordinal")
    )
    given = columns(NUMBERS)
    assert one_hot.num_features == 4 + 3 + 3 and ordinal.num_features == 4 + 2
    theirs = OneHotEncoder(sparse_output=False).fit_transform(given.texts)
    assert one_hot.features(given)[:, 4:].tolist() == theirs.tolist()
    assert ordinal.features(given)[:, 4:].tolist() == OrdinalEncoder().fit_transform(given.texts).tolist()
    assert one_hot.features(given)[:, :4].tolist() == NUMBERS.astype(np.float32).tolist()


def test_a_value_that_no_training_row_has_is_all_zero_or_the_number_after_the_last() -> None:
    new = InputColumns(NUMBERS[:1], np.array([["d", "x"]], dtype=object))
    one_hot, ordinal = (
        fitted(columns(NUMBERS), ("a", "b", "c", "d"), ("e", "f"), "none", encoding)
        for encoding in ("one_hot", "ordinal")
    )
    assert one_hot.features(new)[0, 4:].tolist() == [0, 0, 0, 0, 1, 0]
    assert ordinal.features(new)[0, 4:].tolist() == [3, 1]


@pytest.mark.parametrize("scheme", ["quantile", "noisy_quantile", "standard", "none"])
def test_a_missing_number_is_the_median_and_one_value_is_zero(scheme: str) -> None:
    gaps = NUMBERS.copy()
    gaps[::3, 0], gaps[:, 1], gaps[:, 2] = np.nan, np.nan, 7.0
    found = fitted(columns(gaps), ("a", "b", "c", "d"), ("e", "f"), scheme, "ordinal")
    scaled = found.scaled(np.array([[np.nan, np.nan, 7.0, 0.0], [np.nanmedian(gaps[:, 0]), 1.0, 7.0, 0.0]]))
    assert np.isfinite(scaled).all() and scaled[0, 0] == scaled[1, 0]
    if scheme != "none":
        assert scaled[:, 2].tolist() == [0, 0]
        assert scaled[0, 1] == 0


def test_a_digest_tells_of_every_part() -> None:
    first, second = (
        fitted(columns(one), ("a", "b", "c", "d"), ("e", "f"), "quantile", "ordinal") for one in (NUMBERS, NUMBERS[1:])
    )
    assert first.digest() != second.digest()
    assert first.digest() == fitted(columns(NUMBERS), ("a", "b", "c", "d"), ("e", "f"), "quantile", "ordinal").digest()
