"""A row of a registry: what something that a spec can name is called, what it takes, and where its code is.

Guarantees: plain frozen data; reading a row imports nothing; only `RegistryRow.load` imports the implementation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from operator import attrgetter
from typing import Any, Literal

from attrs import frozen

from swc.registry.ranges import Range

ArgumentValue = int | float | str | bool | tuple[Any, ...]  # of an argument; a tuple holds the numbers of a list
Type = Literal[
    "whole number",
    "number",
    "numbers",
    "whole numbers",
    "shapes",
    "words",
    "texts",
    "portion or text",
    "text",
    "yes or no",
]
NAME = re.compile(r"[^\W\d]\w*")
_SPOKEN = {
    "number": "",
    "text": "a text",
    "texts": "a text or a list of texts",
    "portion or text": "a number, per cent or a text",
}
IMPLEMENTATION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


@frozen
class ArgumentRow:
    """A named argument: its type in the language's words, its range, and its default (None: it must be given).

    A number lies between `least` and `most`, or strictly between `above` and `below`; `among` are the only values there
    are, `words` the only texts; with `every` the values go from `least` to `most` in such steps. `numbers` and `whole
    numbers` are lists, each number in the range: `length` of them (None: any), and with `rises` each larger than the
    one before. `shapes` is a list of whole numbers or a list of such lists, kept as a tuple of shapes; `words` is one
    of the `words` or a list of them, `texts` a text or a list of them, kept as tuples. A `portion or text` is a number,
    per cent or a text, kept as a text. An argument that counts epochs (`in_epochs`) is scaled with
    `--epochs-scale`; one in pixels (`in_pixels`) is below the side of an image. `what` is what messages call the value
    ("": the argument's and the row's name). An argument whose default is the empty text is left out where it is not
    given.
    """

    name: str
    type: Type
    least: float | None = None
    most: float | None = None
    default: ArgumentValue | None = None
    among: tuple[int, ...] = ()
    every: int | None = None
    words: tuple[str, ...] = ()
    above: float | None = None
    below: float | None = None
    length: int | None = None
    rises: bool = False
    in_epochs: bool = False
    in_pixels: bool = False
    what: str = ""

    @property
    def range(self) -> Range:
        """What a number may be."""
        return Range(self.least, self.most, self.above, self.below, self.among, self.every)

    def described(self) -> str:
        """What a value is, in words: `at least 0 and below 1`, `yes or no`, `2 numbers, each above 0`."""
        if self.words:
            listed = " or ".join(f'"{word}"' for word in self.words)
            return f"{listed}, or a list of these" if self.type == "words" else listed
        if self.type == "shapes":
            return f"a list of whole numbers, or of such lists, each {self.range}"
        if self.type in ("numbers", "whole numbers"):
            rising = ", each larger than the one before" if self.rises else ""
            return f"{self.length or 'a list of'} {self.type}, each {self.range}{rising}"
        plain = _SPOKEN.get(self.type, self.type)
        return ", ".join(word for word in (plain, str(self.range)) if word)

    def fault(self) -> str:
        """What is wrong with the declaration, in words; "" where nothing is."""
        if NAME.fullmatch(self.name) is None:
            return f"the argument {self.name!r} has no plain name"
        if self.default in (None, "") or (self.is_of_type(self.default) and self._is_in_range(self.default)):
            return ""
        return f"the default {self.default!r} of `{self.name}` is no {self.type} in its range"

    def is_of_type(self, value: ArgumentValue | None) -> bool:
        """Whether a value is what the type says, in any range."""
        match self.type, value:
            case ("yes or no", bool()) | ("text" | "portion or text", str()):
                return True
            case "numbers" | "whole numbers" | "shapes" | "words" | "texts", tuple():
                return self.length in (None, len(value)) and all(map(self._is_item, value))
            case "whole number", int():
                return _is_number(value)
            case "number", _:
                return _is_number(value)
        return False

    def _is_item(self, value: object) -> bool:
        """Whether a value may stand in the list that the argument is."""
        match self.type:
            case "shapes":
                return _is_shape(value)
            case "words" | "texts":
                return isinstance(value, str)
            case "numbers" | "whole numbers":
                return _is_number(value) and (self.type == "numbers" or isinstance(value, int))
        return False

    def _is_in_range(self, value: ArgumentValue | None) -> bool:
        match value:
            case bool():
                return True
            case str():
                return not self.words or value in self.words
            case tuple() if self.words:
                return set(value) <= set(self.words)
            case tuple() | int() | float():
                return all(map(self.range.holds, _numbers_in((value,))))
        return False


def _is_shape(value: object) -> bool:
    is_list = isinstance(value, tuple) and bool(value)
    return is_list and all(isinstance(size, int) and _is_number(size) for size in value)  # type: ignore[attr-defined]


def _numbers_in(value: tuple[Any, ...]) -> Iterator[float]:
    """The numbers of a list, and of the lists in it."""
    for item in value:
        yield from _numbers_in(item) if isinstance(item, tuple) else (item,)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown_value(value: ArgumentValue) -> str:
    """A value as one writes it, in the fewest digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return f"[{', '.join(map(shown_value, value))}]"
    return value if isinstance(value, str) else f"{value:g}"


@frozen(kw_only=True)
class Condition:
    """What binds two arguments: where `when` is yes, the number `argument` must be above `above`."""

    when: str
    argument: str
    above: float

    def is_met(self, values: Mapping[str, ArgumentValue]) -> bool:
        """Whether values by name keep to it."""
        number = values[self.argument]
        return not values[self.when] or (isinstance(number, int | float) and number > self.above)


@frozen(kw_only=True)
class RegistryRow:
    """One thing of a kind, by its name in the language.

    `words` says in a line what it is, for the docs and for `swc show`. `implementation` is "package.module:attribute";
    what the attribute is, the kind's own row class says.
    """

    name: str
    words: str
    implementation: str
    arguments: tuple[ArgumentRow, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def load(self) -> Any:
        """The implementation, imported now; ImportError or AttributeError where it is not there."""
        module, _, attribute = self.implementation.partition(":")
        return attrgetter(attribute)(import_module(module))

    def fault_of(self, values: Mapping[str, ArgumentValue]) -> str:
        """What is wrong with values for all arguments, in words; "" where nothing is. Ranges are the spec's affair."""
        declared = {one.name: one for one in self.arguments}
        unknown = next((name for name in values if name not in declared), None)
        if unknown is not None:
            return f"`{self.name}` takes no `{unknown}`"
        missing = next((one.name for one in self.arguments if one.name not in values and one.default != ""), None)
        if missing is not None:
            return f"`{self.name}` has no `{missing}`"
        wrong = next((name for name, value in values.items() if not declared[name].is_of_type(value)), None)
        return "" if wrong is None else f"`{wrong}` of `{self.name}` is no {declared[wrong].type}"

    def settled(self, values: Mapping[str, ArgumentValue]) -> tuple[tuple[str, ArgumentValue], ...]:
        """Values over the defaults, sorted by name, as plain data keeps them; whole numbers become floats."""
        numbers = {one.name for one in self.arguments if one.type == "number"}
        return tuple(
            (name, float(value) if name in numbers else value)  # type: ignore[arg-type]
            for name, value in sorted({**self.defaults(), **values}.items())
        )

    def defaults(self) -> dict[str, ArgumentValue]:
        """The defaults of all arguments that have one, by name."""
        return {one.name: one.default for one in self.arguments if one.default not in (None, "")}

    def fault(self) -> str:
        """What is wrong with the row, in words; "" where nothing is. Rows of plug-ins are held to it when read."""
        return next((said for said in self.faults() if said), "")

    def faults(self) -> Iterator[str]:
        """Each check of `fault` in turn; a kind's own row class adds to them."""
        yield "" if NAME.fullmatch(self.name) else f"{self.name!r} is no plain name"
        yield "" if self.words.strip() else "its `words` are empty"
        yield (
            ""
            if IMPLEMENTATION.fullmatch(self.implementation)
            else (f"its implementation {self.implementation!r} is not of the form `package.module:attribute`")
        )
        yield from (one.fault() for one in self.arguments)
        names = [one.name for one in self.arguments]
        yield "" if len(set(names)) == len(names) else "it declares an argument twice"
