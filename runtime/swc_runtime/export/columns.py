"""The columns of a table as the two arrays that exported members take.

Takes columns by name; gives `numbers` and `codes`. Guarantees: nothing but numpy is needed; which columns there are,
and which code a value has, is read from `preparation.json` beside this file: a value's code is its place in `values`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = "preparation.json"
GAPS = ("", "?")  # texts that say that a value is missing


def raw_inputs(
    columns: Mapping[str, Iterable[Any]], folder: Path | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """`numbers` float64 [N, R], nan where one is missing, and `codes` int64 [N, K], in the order of the training file.

    `columns` is a dictionary of lists or arrays, or a data frame; columns that members do not take are left aside.
    None, nan, an empty text and `?` are missing. The code of a value that no training row has is the number of values.
    A KeyError names a column that is not there, a ValueError a text where a number should be.
    """
    said = json.loads(((folder or Path(__file__).parent) / FILE).read_text("utf-8"))
    names, categories = said["numbers"], said["categories"]
    given = {name: list(columns[name]) for name in (*names, *(one["column"] for one in categories))}
    count = len(next(iter(given.values())))
    for name, values in given.items():
        if len(values) != count:
            raise ValueError(f"`{name}` has {len(values)} rows, and the first column {count}")
    numbers = np.array([[_number(name, value) for value in given[name]] for name in names], dtype=np.float64)
    codes = np.array([_codes(given[one["column"]], one["values"]) for one in categories], dtype=np.int64)
    return (
        np.ascontiguousarray(numbers.reshape(len(names), count).T),
        np.ascontiguousarray(codes.reshape(len(categories), count).T),
    )


def _number(name: str, value: Any) -> float:
    if _is_missing(value) or (isinstance(value, str) and value.strip() in GAPS):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{name}` is a column of numbers, and {value!r} is none") from error


def _codes(given: list[Any], values: list[str]) -> list[int]:
    known = {value: code for code, value in enumerate(values)}
    return [next((known[text] for text in _texts(value) if text in known), len(values)) for value in given]


def _texts(value: Any) -> tuple[str, ...]:
    """How a value may be written in `preparation.json`: a number with a fraction or without, `2` and `2.0`."""
    if _is_missing(value):
        return ("",)
    if isinstance(value, str):
        return (value, value.strip(), "") if value.strip() in GAPS else (value, value.strip())
    if isinstance(value, bool | np.bool_):
        return (str(bool(value)),)
    whole = (str(int(value)),) if float(value).is_integer() else ()
    return (str(value), str(float(value)), *whole)


def _is_missing(value: Any) -> bool:
    """Whether a value is None or nan; pandas' own missing value compares with nothing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))
