"""Where a member's torch module comes from: plain data that the frontend and the runtime build alike."""

from __future__ import annotations

from typing import Any, Literal

from attrs import field, frozen

Scalar = int | float | str | bool
Argument = int | float | str | bool | tuple[Any, ...]  # of others' factories: also lists of such, as tuples


def _told_apart(value: Any) -> Any:
    """A value that is equal to no other kind of value: to Python `yes` is 1, and to a factory it may not be."""
    if isinstance(value, tuple):
        return tuple(map(_told_apart, value))
    return f"{value} as a choice" if isinstance(value, bool) else value


@frozen
class ModelSource:
    """A family of ours, a model of a library (`swc.registry.model_libraries`), or any factory `package.module:factory`.

    Arguments are sorted by name, so that equal sources compare and print equal.
    """

    kind: Literal["family", "timm", "torchvision", "python"]
    name: str
    arguments: tuple[tuple[str, Argument], ...] = field(default=(), eq=_told_apart)

    def __str__(self) -> str:
        inner = ", ".join(f"{name}: {_shown(value)}" for name, value in self.arguments)
        return f"{self.name}({inner})"

    def given(self) -> dict[str, Any]:
        """The arguments as a factory is given them: lists are new ones, which it may keep and change."""
        return {name: _listed(value) for name, value in self.arguments}


def _listed(value: Argument) -> Any:
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def _shown(value: Argument) -> str:
    return f"[{', '.join(map(_shown, value))}]" if isinstance(value, tuple) else str(value)
