"""Finding Python modules by name, without running any of them.

Takes names and folders, gives files. Guarantees: nothing is imported; what Python takes for a name in a folder is what
is found there, and a folder is read with everything in it.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ModuleSpec, PathFinder
from pathlib import Path

from attrs import field, frozen

from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.files import FileUnreadable
from swc.diagnostics.sources import reason_of

Folders = tuple[Path, ...]
INSTALLED = frozenset({"site-packages", "dist-packages"})


@frozen
class Module:
    """A module of the user's own: its name, its file and the bytes of it.

    `is_package` says that it holds further modules; a package without an `__init__` has its folder for a file.
    """

    name: str
    file: Path
    data: bytes = field(repr=False)
    is_package: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it has no code of its own."""
        return self.is_package and self.file.name == self.name.rpartition(".")[2]

    @property
    def is_source(self) -> bool:
        """Whether it is Python text, and no compiled extension."""
        return not self.is_folder and self.file.name.endswith(tuple(SOURCE_SUFFIXES))


def installed(top: str, own: Folders) -> ModuleSpec | None:
    """Where Python finds a module when it does not look in the folders `own`; None where it does not.

    One that was imported already, by others than us, counts as found.
    """
    loaded = getattr(sys.modules.get(top), "__spec__", None)
    if loaded is not None and loaded.origin and not serves_own_code(loaded.loader):
        return loaded  # type: ignore[no-any-return]
    places = [place for place in sys.path if Path(place or ".").resolve() not in own]
    for finder in sys.meta_path:
        if finder is PathFinder:
            found = PathFinder.find_spec(top, places)
        elif serves_own_code(finder) or not hasattr(finder, "find_spec"):
            continue
        else:
            found = finder.find_spec(top, None)
        if found is not None:
            return found
    return None


def serves_own_code(found: object) -> bool:
    """Whether a finder or a loader is the one of `swc.trust.importing`."""
    return getattr(found, "serves_own_code", False)


def own_modules(top: str, folders: Folders) -> tuple[Module, ...]:
    """A module in the first of the folders that has it, with all that lies below it; () where none has it."""
    return next((found for folder in folders if (found := _taken(top, folder, top, set()))), ())


def module_names(folder: Path) -> list[str]:
    """The modules and packages that lie in a folder, by name."""
    names = _stems(folder)
    return [name for name in names if _file(folder, name) or _file(folder / name, "__init__")]


def _taken(name: str, folder: Path, stem: str, seen: set[Path]) -> tuple[Module, ...]:
    """What Python takes for `stem` in a folder: a package, a module, or a folder that holds modules."""
    inside = folder / stem
    start = _file(inside, "__init__")
    if start is not None:
        return (Module(name, start, _bytes(start), is_package=True), *_below(name, inside, seen))
    file = _file(folder, stem)
    if file is not None:
        return (Module(name, file, _bytes(file)),)
    below = tuple(_below(name, inside, seen))
    return (Module(name, inside, b"", is_package=True), *below) if below else ()


def _file(folder: Path, stem: str) -> Path | None:
    files = (folder / f"{stem}{suffix}" for suffix in (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES))
    return next((file for file in files if file.is_file()), None)


def _below(name: str, folder: Path, seen: set[Path]) -> Iterator[Module]:
    if not folder.is_dir() or folder.resolve() in seen:  # links could go round, or multiply
        return
    seen.add(folder.resolve())
    for stem in _stems(folder):
        yield from _taken(f"{name}.{stem}", folder, stem, seen)


def _stems(folder: Path) -> list[str]:
    """The names that something in a folder can be imported by."""
    try:
        with os.scandir(folder) as entries:
            stems = {entry.name.partition(".")[0] for entry in entries if _may_be_module(entry)}
    except OSError as error:
        raise DiagnosticError(FileUnreadable(path=str(folder), reason=reason_of(error))) from error
    return sorted(stem for stem in stems - {"__init__", "__pycache__"} if stem.isidentifier())


def _may_be_module(entry: os.DirEntry[str]) -> bool:
    """Folders of a hundred thousand images lie beside code: most of what is in them is not asked for any further."""
    return entry.name.endswith((*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES)) or entry.is_dir()


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DiagnosticError(FileUnreadable(path=str(file), reason=reason_of(error))) from error


def is_library(folder: Path) -> bool:
    """Whether a folder holds Python's own library or installed packages, or lies in such a one."""
    return not INSTALLED.isdisjoint(folder.parts) or any(folder.is_relative_to(place) for place in _libraries())


def linked_modules(top: str, found: ModuleSpec) -> tuple[Module, ...]:
    """What Python finds outside of its libraries: on `PYTHONPATH`, or installed to be edited; () for any other."""
    if not (found.has_location and found.origin):
        return ()
    file = Path(found.origin).resolve()
    folder = file.parent.parent if file.stem == "__init__" else file.parent
    return () if is_library(folder) else own_modules(top, (folder,))


@cache
def _libraries() -> frozenset[Path]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return frozenset(Path(sysconfig.get_path(name)).resolve() for name in names)
