"""A row of a registry, chosen by name, with a value for every argument: plain data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import attrs
from attrs import evolve, frozen

from swc.registry.offers import PlugIn
from swc.registry.registry import Registry
from swc.registry.row import ArgumentValue


@frozen
class Choice:
    """What a registry calls `name`, and the values of its arguments, sorted by name; all of them are there.

    A class for each kind says which `registry` that is.
    """

    registry: ClassVar[Registry[Any]]

    name: str
    arguments: tuple[tuple[str, ArgumentValue], ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """The arguments by name."""
        return dict(self.arguments)

    def number(self, name: str) -> float:
        """The value of an argument that is a number; KeyError where there is none of this name."""
        return float(self.values[name])

    def with_values(self, **values: ArgumentValue) -> Self:
        """The same with other values for some of its arguments."""
        return evolve(self, arguments=tuple(sorted({**self.values, **values}.items())))


def plug_ins_in(data: object) -> tuple[PlugIn, ...]:
    """Where the choices in some plain data come from that are not ours, each once, sorted."""
    found = (choice.registry.origin(choice.name) for choice in _choices(data))
    return tuple(sorted({origin for origin in found if origin is not None}, key=lambda one: (one.kind, one.name)))


def _choices(data: object) -> Iterator[Choice]:
    if isinstance(data, Choice):
        yield data
    elif isinstance(data, tuple):
        yield from (choice for part in data for choice in _choices(part))
    elif attrs.has(cls := type(data)):
        yield from (choice for part in attrs.fields(cls) for choice in _choices(getattr(data, part.name)))
