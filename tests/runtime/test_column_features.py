"""Features that exported members make of raw columns: those of training, for gaps, new values and ties."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from attrs import frozen
from scipy.special import ndtri
from swc.export.column_files import features_module

from swc_runtime.data.columns import raw_inputs
from swc_runtime.data.preparation import InputColumns, Preparation, fitted
from swc_runtime.export.features import normal_scores

DRAW = np.random.default_rng(0)
NUMBERS = np.stack(
    [
        DRAW.lognormal(sigma=2, size=900) * 1e4,
        DRAW.integers(0, 4, 900).astype(float),  # many equal quantiles
        np.where(DRAW.random(900) < 0.7, 0.0, DRAW.normal(size=900)),
        np.full(900, 7.0),
    ],
    axis=1,
)
TEXTS = np.array([["a", "x"], ["b", "y"], ["a", ""], ["c", "x"]] * 225, dtype=object)
EXTREMES = np.array([[1e12, -1.0, 1e9, 7.0], [-1e12, 9.0, -1e9, 8.0], [np.nan] * 4])


def preparation(scheme: str, encoding: str) -> Preparation:
    return fitted(InputColumns(NUMBERS, TEXTS), ("a", "b", "c", "d"), ("e", "f"), scheme, encoding)


def asked() -> tuple[np.ndarray, np.ndarray]:
    """Numbers on, between and beyond the training rows', and codes of all values, new ones too."""
    numbers = np.concatenate([NUMBERS[:60], NUMBERS[:60] * 1.01, EXTREMES])
    return numbers, DRAW.integers(0, 4, (len(numbers), 2))


@pytest.mark.parametrize("encoding", ["one_hot", "ordinal"])
@pytest.mark.parametrize("scheme", ["quantile", "noisy_quantile", "standard", "none"])
def test_features_are_those_of_training(scheme: str, encoding: str) -> None:
    made, (numbers, codes) = preparation(scheme, encoding), asked()
    found = features_module(made)(torch.from_numpy(numbers), torch.from_numpy(codes))
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), made.features_of(numbers, codes), rtol=1e-6, atol=1e-6)


def test_numbers_are_compared_where_there_is_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    module, (numbers, codes) = features_module(preparation("noisy_quantile", "one_hot")), asked()
    given = torch.from_numpy(numbers), torch.from_numpy(codes)
    searched = module(*given)
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    assert torch.equal(module(*given), searched)


def test_a_code_below_zero_is_a_new_value() -> None:
    numbers = torch.from_numpy(NUMBERS[:1])
    for encoding, expected in (("one_hot", [0, 0, 0, 1, 0, 0]), ("ordinal", [3, 0])):
        found = features_module(preparation("none", encoding))(numbers, torch.tensor([[-1, 0]]))
        assert found[0, 4:].tolist() == expected


def test_columns_of_one_kind_alone_make_features() -> None:
    for numbers, texts in ((NUMBERS, TEXTS[:, :0]), (NUMBERS[:, :0], TEXTS)):
        names = tuple("abcd"[: numbers.shape[1]]), tuple("ef"[: texts.shape[1]])
        made = fitted(InputColumns(numbers, texts), *names, "quantile", "one_hot")
        raw, codes = made.drawn(5)
        found = features_module(made)(torch.from_numpy(raw), torch.from_numpy(codes))
        np.testing.assert_allclose(found.numpy(), made.features_of(raw, codes), rtol=0, atol=1e-6)


def test_rows_that_are_made_up_have_gaps_and_new_values() -> None:
    numbers, codes = preparation("quantile", "one_hot").drawn(40)
    assert np.isnan(numbers).any() and (codes == 3).any()


def test_normal_scores_are_scipys() -> None:
    places = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 4001), [2e-7, 1 - 2e-7]])
    np.testing.assert_allclose(normal_scores(torch.from_numpy(places)).numpy(), ndtri(places), rtol=1e-13, atol=1e-14)
    ends = normal_scores(torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist()
    assert ends == pytest.approx([ndtri(1e-7 - np.spacing(1)), ndtri(1 - (1e-7 - np.spacing(1)))], abs=1e-12)


# --- columns as arrays ------------------------------------------------------------------------------------------------

SAID = {
    "numbers": ["age", "pay"],
    "categories": [
        {"column": "town", "values": ["", "a", "b"]},
        {"column": "rank", "values": ["1.0", "2.0"]},
        {"column": "new", "values": ["False", "True"]},
    ],
}


@frozen
class NAType:
    """Stands for pandas' missing value, which is known by its name."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "preparation.json").write_text(json.dumps(SAID), encoding="utf-8")
    return tmp_path


def test_columns_become_numbers_and_codes(folder: Path) -> None:
    columns = {
        "new": [True, np.bool_(False), "True", None],
        "town": ["a", None, "?", "z"],
        "age": [1, "2.5", "", None],
        "pay": np.array([1e3, np.nan, 3, 4]),
        "rank": [1, 2.0, np.int64(2), NAType()],
        "other": [0],
    }
    numbers, codes = raw_inputs(columns, folder)
    np.testing.assert_array_equal(numbers, [[1, 1e3], [2.5, np.nan], [np.nan, 3], [np.nan, 4]])
    assert codes.tolist() == [[1, 0, 1], [0, 1, 0], [0, 1, 1], [3, 2, 2]]
    assert numbers.dtype == np.float64 and codes.dtype == np.int64


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"pay": ["a lot"]}, ValueError, "`pay` is a column of numbers, and 'a lot' is none"),
        ({"pay": [1, 2]}, ValueError, "`pay` has 2 rows, and the first column 1"),
        ({"pay": None}, KeyError, "pay"),
    ],
)
def test_columns_that_do_not_fit_are_told_by_name(
    folder: Path, change: dict[str, list[object] | None], error: type[Exception], said: str
) -> None:
    given = {"age": [1], "pay": [1], "town": ["a"], "rank": [1], "new": [True]} | change
    with pytest.raises(error, match=said):
        raw_inputs({name: values for name, values in given.items() if values is not None}, folder)
