"""A row of a registry, chosen by name, with a value for every argument: plain data."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from attrs import evolve, frozen

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
