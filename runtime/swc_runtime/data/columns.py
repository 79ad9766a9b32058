"""The columns of a table as the two arrays that exported members take, and what their values are called.

Takes columns by name; gives `numbers` and `codes`. Guarantees: nothing but numpy is needed; which columns there are,
and which code a value has, is read from `preparation.json` beside this file: a value's code is its place in `values`.
The same functions name and code values when members are trained.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = "preparation.json"
MISSING = ""  # the value of a category that is not there
MISSING_TEXTS = (  # what pandas reads as missing, and `?`, which is so in the tables of the UCI repository
    "",
    "?",
    "#N/A",
    "#N/A N/A",
    "#NA",
    "-1.#IND",
    "-1.#QNAN",
    "-NaN",
    "-nan",
    "1.#IND",
    "1.#QNAN",
    "<NA>",
    "N/A",
    "NA",
    "NULL",
    "NaN",
    "None",
    "n/a",
    "nan",
    "null",
)
TRUTHS = {text: str(text.lower() == "true") for text in ("True", "true", "TRUE", "False", "false", "FALSE")}
WHOLE = re.compile(r"[+-]?\d{1,300}", re.ASCII)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
MOST = 1e22  # whole floats from here on are not written in full


def raw_inputs(
    columns: Mapping[str, Iterable[Any]], folder: Path | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """`numbers` float64 [N, R], nan where one is missing, and `codes` int64 [N, K], in the order of the training file.

    `columns` is a dictionary of lists or arrays, or a data frame; columns that members do not take are left aside.
    None, nan and `MISSING_TEXTS` are missing. The code of a value that no training row has is the number of values.
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
    codes = np.array([codes_of(given[one["column"]], one["values"]) for one in categories], dtype=np.int64)
    return (
        np.ascontiguousarray(numbers.reshape(len(names), count).T),
        np.ascontiguousarray(codes.reshape(len(categories), count).T),
    )


def _number(name: str, value: Any) -> float:
    if is_missing(value) or (isinstance(value, str) and value.strip() in MISSING_TEXTS):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{name}` is a column of numbers, and {value!r} is none") from error


# --- the values of categories -----------------------------------------------------------------------------------------


def codes_of(given: Iterable[Any], values: Sequence[str]) -> list[int]:
    """The place of each value among `values`; the number of these for a value that is not among them.

    A value is looked for as it is written, and without spaces around it. Where all `values` are numbers, and no two of
    them the same, a number may be written in any way: among `1` and `2`, 2.0 and `02` have code 1, but not among `1`
    and `A2`. Among `True` and `False` `TRUE` and `true` have the code of `True`.
    """
    texts = [text_of(value) for value in given]
    codes = {value: code for code, value in enumerate(values)}
    numbers = _codes_of_numbers(codes)
    truths = codes if codes.keys() <= {"True", "False", MISSING} else {}

    def code(text: str) -> int:
        stripped = text.strip()
        known = (
            codes.get(text),
            codes.get(stripped),
            codes.get(MISSING, len(values)) if stripped in MISSING_TEXTS else None,
            numbers.get(plain_number(text)),
            truths.get(TRUTHS.get(stripped, text)),
        )
        return next((one for one in known if one is not None), len(values))

    each = {text: code(text) for text in set(texts)}
    return [each[text] for text in texts]


def _codes_of_numbers(codes: Mapping[str, int]) -> dict[str | None, int]:
    """Codes by the plain form of values, {} where one is no number or two are the same."""
    present = [value for value in codes if value != MISSING]
    plain = {plain_number(value): codes[value] for value in present}
    return plain if None not in plain and len(plain) == len(present) else {}


def names_of(texts: Sequence[str]) -> list[str]:
    """The values of a column as one name for each, "" where one is missing.

    Where all are numbers, `7`, `7.0` and `007` are `7`; where all say yes or no, `TRUE` and `true` are `True`; in any
    other column a value is called as it is written.
    """
    present = set(texts) - {MISSING}
    for name_of in (plain_number, TRUTHS.get):
        names = {text: name_of(text) for text in present}
        if None not in names.values():
            return [names.get(text) or text for text in texts]
    return list(texts)


def plain_number(text: str) -> str | None:
    """The one way to write a number, `7` for `007` and `7.0`, whatever its length; None for what is none."""
    text = text.strip()
    if WHOLE.fullmatch(text):
        return str(int(text))
    if not NUMBER.fullmatch(text) or not isfinite(number := float(text)):
        return None
    return str(int(number)) if number.is_integer() and abs(number) < MOST else repr(number)


def text_of(value: Any) -> str:
    """A value as text: a whole number without a fraction, "" for one that is missing."""
    if isinstance(value, str):
        return value
    if is_missing(value):
        return MISSING
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if isinstance(value, float | np.floating):
        return plain_number(str(value)) or str(value)
    return str(value)


def is_missing(value: Any) -> bool:
    """Whether a value is None or nan; pandas' own missing value compares with nothing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(np.isnan(value))
