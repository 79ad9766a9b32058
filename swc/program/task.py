"""The task of an ensemble: what it learns to say of an example, as plain data."""

from __future__ import annotations

from typing import ClassVar, Self

from attrs import frozen

from swc.program.choice import Choice
from swc.registry.registry import Registry
from swc.registry.row import ArgumentValue
from swc.registry.tasks import TASKS, TaskRow


@frozen
class Task(Choice):
    """A row of `swc.registry.tasks` with its values."""

    registry: ClassVar[Registry[TaskRow]] = TASKS

    name: str = "classification"
    arguments: tuple[tuple[str, ArgumentValue], ...] = ()

    @classmethod
    def of(cls, name: str = "classification", **values: int) -> Self:
        """A task by name, with these values over the defaults; KeyError for a name that nothing has."""
        return cls(name, TASKS[name].settled(values))

    @property
    def row(self) -> TaskRow:
        """What is declared of it; DiagnosticError or KeyError where it is a plug-in's that cannot be read."""
        return TASKS[self.name]

    @property
    def outputs(self) -> int | None:
        """How many outputs a member has; None where the classes of the data say it."""
        return int(self.number(self.row.outputs)) if self.row.outputs else None

    @property
    def is_classification(self) -> bool:
        """Whether an example has one class."""
        return self.name == "classification"

    def check_classes(self, what: str) -> None:
        """DiagnosticError where `what`, which is about classes alone, is asked for another task."""
        if not self.is_classification:
            from swc.diagnostics import DiagnosticError
            from swc.diagnostics.catalogue.tasks import ForAnotherTask

            way = "see `swc eval`, whose tables and files have the scores of every task"
            raise DiagnosticError(ForAnotherTask(what=what, of="classification", task=self.name, way=way))

    def __str__(self) -> str:
        inner = ", ".join(f"{name}: {value}" for name, value in self.arguments)
        return f"{self.name}({inner})" if inner else self.name
