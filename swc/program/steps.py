"""How the members of an ensemble run together on a mini-batch: plain data, by the name of a step strategy."""

from __future__ import annotations

from attrs import frozen

from swc.program.model_source import Scalar


@frozen
class StepPlan:
    """A step strategy and its arguments, sorted by name; all those that the vocabulary declares are there."""

    name: str = "independent"
    arguments: tuple[tuple[str, Scalar], ...] = (("average", False),)

    def __getitem__(self, name: str) -> Scalar:
        """The value of an argument; KeyError where there is none of this name."""
        return dict(self.arguments)[name]

    @property
    def has_own_batches(self) -> bool:
        """Whether every network goes through the training images in an order of its own."""
        return dict(self.arguments).get("batches") == "own"

    def __str__(self) -> str:
        inner = ", ".join(f"{name}: {_text(value)}" for name, value in self.arguments)
        return f"{self.name}({inner})" if inner else self.name


def _text(value: Scalar) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
