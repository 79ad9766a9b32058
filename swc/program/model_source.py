"""Where a member's torch module comes from: plain data that the frontend and the runtime build alike."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

Scalar = int | float | str | bool


@frozen
class ModelSource:
    """A family of ours, a model of torchvision, or any factory `package.module:factory`.

    Arguments are sorted by name, so that equal sources compare and print equal.
    """

    kind: Literal["family", "torchvision", "python"]
    name: str
    arguments: tuple[tuple[str, Scalar], ...] = ()

    def __str__(self) -> str:
        inner = ", ".join(f"{name}: {value}" for name, value in self.arguments)
        return f"{self.name}({inner})"
