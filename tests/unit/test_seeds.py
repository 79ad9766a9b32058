"""The seeds of a sweep, as they are written."""

from __future__ import annotations

import pytest
from swc.sweep.seeds import seeds_of, wrong_seeds


@pytest.mark.parametrize(
    ("written", "seeds"),
    [
        (2, [0, 1]), ("2", [0, 1]), ("100-102", [100, 101, 102]), ("7-7", [7]), ([100, 101], [100, 101]),
        ("5,3", [5, 3]), ("0-2, 100", [0, 1, 2, 100]),
    ],
)  # fmt: skip
def test_seeds_may_be_a_number_a_list_or_a_range(written: int | str | list[int], seeds: list[int]) -> None:
    assert list(seeds_of(written)) == seeds


@pytest.mark.parametrize("written", [0, "0", "", "a", "3-1", "1,1", "0-3,2", [], [1, 1], [-1], [True], ["1"], "1" * 30])
def test_wrong_seeds_are_told(written: object) -> None:
    assert wrong_seeds(written)
    with pytest.raises(ValueError, match="seeds"):
        seeds_of(written)  # type: ignore[arg-type]
