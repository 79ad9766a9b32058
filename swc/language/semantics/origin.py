"""Where a spec comes from: the text of its file and of all that it imports, and what the command line set.

Takes the path of a `.sw` file, gives `Origin`. Guarantees: it holds no folder of the machine it was made on; a file
below the spec's own folder keeps its way from there, any other its name alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from swc.diagnostics import Sink
from swc.diagnostics.sources import read_source
from swc.files.origin import Origin, SourceFile
from swc.language.semantics.library import read_library
from swc.system import resources


def origin_of(path: Path, settings: Mapping[str, str], ensemble: str | None = None, *, swept: bool = False) -> Origin:
    """The origin of a file that was checked; raises DiagnosticError where it cannot be read any more."""
    text = read_source(path)
    library = read_library(text, str(path), Sink())
    imported = library.imported if library is not None else ()
    folder = path.resolve().parent
    others = (SourceFile(_name(other, folder), read_source(other)) for other in imported)
    return Origin((SourceFile(path.name, text), *others), tuple(settings.items()), ensemble, swept)


def _name(path: Path, folder: Path) -> str:
    is_below = path.is_relative_to(folder) and not path.is_relative_to(resources.recipes())
    return path.relative_to(folder).as_posix() if is_below else path.name
