"""A registry: the rows of one kind by name, and behind them the plug-ins that are installed.

Takes a name, gives its row. Guarantees: a name of ours is never looked for among the plug-ins, so none can replace it,
and a spec that names only ours reads no plug-in; a plug-in that cannot be read is a `DiagnosticError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import methodcaller
from typing import Any, Generic, TypeVar

from attrs import frozen

from swc.registry.offers import PlugIn
from swc.registry.row import RegistryRow

R = TypeVar("R", bound=RegistryRow)


@frozen
class Registry(Generic[R]):
    """The rows of one `kind` (say "optimiser"), each of the class `row`; `group` is that of the entry points.

    It can be asked `name in registry` and `registry[name]`, which sees plug-ins too; `rows` and `names` are ours alone.
    """

    kind: str
    group: str
    row: type[R]
    rows: tuple[R, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Our own names, in the order of the rows."""
        return tuple(row.name for row in self.rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __getitem__(self, name: str) -> R:
        found = self.find(name)
        if found is None:
            raise KeyError(name)
        return found

    def find(self, name: str) -> R | None:
        """The row of a name, ours or a plug-in's; None where there is none.

        DiagnosticError where a plug-in offers the name and cannot be read, or several do.
        """
        own = next((row for row in self.rows if row.name == name), None)
        if own is not None:
            return own
        from swc.registry.plugins import row_of

        return row_of(self, name)

    def origin(self, name: str) -> PlugIn | None:
        """The plug-in that a name comes from; None for a name of ours, or of nobody."""
        if name in self.names:
            return None
        from swc.registry.plugins import origin_of

        return origin_of(self, name)

    def choices(self) -> tuple[str, ...]:
        """All names that can be chosen now, those of plug-ins behind ours; for messages, as it looks at all of them."""
        from swc.registry.plugins import names_in

        return (*self.names, *(name for name in names_in(self.group) if name not in self.names))

    def load(self, name: str) -> Any:
        """The implementation of a name, imported now; DiagnosticError where that of a plug-in cannot be."""
        row = self[name]
        if name in self.names:
            return row.load()
        from swc.registry.plugins import loaded

        return loaded(self, row)

    def call(self, name: str, *given: Any, **values: Any) -> Any:
        """What the implementation of a name gives; DiagnosticError for whatever that of a plug-in raises.

        A plug-in's implementation must bear the arguments that its row declares, in their ranges.
        """
        return self._called(name, self.load(name), *given, **values)

    def call_method(self, name: str, method: str, *given: Any) -> Any:
        """What a method of the implementation of a name gives; DiagnosticError as of `call`."""
        return self._called(name, methodcaller(method, *given), self.load(name))

    def _called(self, name: str, act: Callable[..., Any], *given: Any, **values: Any) -> Any:
        if name in self.names:
            return act(*given, **values)
        from swc.registry.plugins import called

        return called(self, name, act, *given, **values)

    def wrong_result(self, name: str, reason: str) -> Exception:
        """What to raise where an implementation gives something else than its row class says."""
        if name in self.names:
            return ValueError(f"the {self.kind} `{name}` {reason}")
        from swc.registry.plugins import broken

        return broken(self, name, reason)
