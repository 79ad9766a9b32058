"""Values of what varies, as they stand in a spec.

Takes texts of the command line and values of a sweep file, gives texts. Guarantees: a value that a file holds as a
number, a truth or a list becomes what one would write in a spec.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from fractions import Fraction

NUMBER = re.compile(r"([+-]?[0-9_]*\.?[0-9]+[0-9_]*(?:e[+-]?[0-9]{1,2})?)([kMG%]?)")  # as the language writes them
FACTORS = {"k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
NamedValues = tuple[tuple[str, str], ...]  # some columns with a value each


def values_in(text: str) -> tuple[str, ...]:
    """The values that stand between commas; those inside of a list or a text part nothing."""
    found, depth, is_text = [""], 0, False
    for character in text:
        is_text ^= character == '"'
        depth += 0 if is_text else (character == "[") - (character == "]")
        if character == "," and not is_text and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return tuple(found)


def repeated(name: str, values: Sequence[str]) -> str:
    """What is wrong where a value stands twice, or nothing: one run would count as two.

    Numbers are compared as such: 50% and 50.0%, 5k and 5_000 are the same value.
    """
    seen: dict[Hashable, str] = {}
    for value in values:
        meaning = _meaning(value)
        if meaning in seen:
            other = seen[meaning]
            return f"`{name}` has the value {value} twice" + ("" if other == value else f", once written {other}")
        seen[meaning] = value
    return ""


def _meaning(text: str) -> str | tuple[Fraction, bool]:
    """What tells a value from others: a number and whether it is per cent, or the text itself."""
    found = NUMBER.fullmatch(text.strip())
    if found is None:
        return text.strip()
    digits, suffix = found.groups()
    return Fraction(digits.replace("_", "")) * FACTORS.get(suffix, 1), suffix == "%"


def numbers_of(values: Sequence[str]) -> tuple[float, ...]:
    """What values are worth as numbers, 12% as 12; none at all where some are texts, or some alone are per cent."""
    meanings = [_meaning(value) for value in values]
    numbers = [one for one in meanings if isinstance(one, tuple)]
    is_one_kind = len(numbers) == len(values) and len({is_per_cent for _, is_per_cent in numbers}) == 1
    return tuple(float(number) for number, _ in numbers) if is_one_kind else ()


def as_written(value: object) -> str:
    """A value of a sweep file as it is written in a spec; a text is one already."""
    return value if isinstance(value, str) else _inside(value)


def written_in_file(value: object) -> str:
    """A value as it stands in the sweep file, for what is said of it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case list():
            return f"[{', '.join(map(written_in_file, value))}]"
        case dict():
            return f"{{{', '.join(f'{key} = {written_in_file(one)}' for key, one in value.items())}}}"
        case _:
            return str(value)


def _inside(value: object) -> str:
    """A value as it stands in a list."""
    match value:
        case list():
            return f"[{', '.join(map(_inside, value))}]"
        case bool():
            return "yes" if value else "no"
        case str():
            return f'"{value}"'
        case _:
            return repr(value)
