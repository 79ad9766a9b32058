"""What plug-ins are asked for, and where one was found: the data between a registry and the plug-ins behind it."""

from __future__ import annotations

from typing import Protocol, TypeVar

from attrs import frozen

from swc.registry.row import RegistryRow

Row_co = TypeVar("Row_co", bound=RegistryRow, covariant=True)


@frozen
class PlugIn:
    """Where a name of a spec comes from that is not ours: an installed distribution, by name and version."""

    kind: str
    name: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} comes from the plug-in {self.distribution} {self.version}"


class RowRequest(Protocol[Row_co]):
    """Rows of one `kind`, each of the class `row`, offered in the entry points of `group`."""

    @property
    def kind(self) -> str:
        """The kind in words, say "optimiser"."""
        ...

    @property
    def group(self) -> str:
        """The entry points, say "swc.optimisers"."""
        ...

    @property
    def row(self) -> type[Row_co]:
        """The class that a row must be of."""
        ...
