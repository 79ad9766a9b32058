"""What a spec was read from, as `origin.json` of a build or run holds it."""

from __future__ import annotations

from attrs import frozen


@frozen
class SourceFile:
    """A `.sw` file by its name; for a shipped recipe that by which one imports it."""

    name: str
    text: str


@frozen
class Origin:
    """Everything that a spec was read from: `files` begin with its own; `settings` are params by name.

    `swept` says that a sweep compiled it, which sets the seed too.
    """

    files: tuple[SourceFile, ...]
    settings: tuple[tuple[str, str], ...] = ()
    ensemble: str | None = None
    swept: bool = False

    @property
    def file(self) -> str:
        """The name of the spec's own file."""
        return self.files[0].name
