"""Values of what varies, as they stand in a spec.

Takes texts of the command line and values of a sweep file, gives texts. Guarantees: a value that a file holds as a
number, a truth or a list becomes what one would write in a spec.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

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
    """What is wrong where a value stands twice, or nothing: one run would count as two."""
    (twice, times), *_ = Counter(values).most_common(1) or [("", 0)]
    return f"`{name}` has the value {twice} twice" if times > 1 else ""


def as_written(value: object) -> str:
    """A value of a sweep file as it is written in a spec; a text is one already."""
    return value if isinstance(value, str) else _inside(value)


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
