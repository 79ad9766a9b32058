"""What code the members and the data of a spec name: factories, and the user's own modules that they import.

Takes a `Spec`, gives `Code`. Guarantees: it is found by reading files, nothing is run; equal code has equal digests,
wherever it lies, and any other byte of a module, another argument or another module has another digest.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from functools import cached_property
from hashlib import sha256
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Literal
from warnings import catch_warnings

from attrs import define, field

from swc.diagnostics import DiagnosticError, Span
from swc.diagnostics.catalogue import trust as catalogue
from swc.diagnostics.catalogue.values import MalformedFactory
from swc.language.semantics.own_code import is_factory_name, is_standard, top_of
from swc.program.model_source import ModelSource
from swc.program.spec import Spec
from swc.trust.finding import Folders, Module, installed, is_library, linked_modules, module_names, own_modules

Home = Literal["own", "installed", "missing"]
OURS = ("swc", "swc_runtime")
COMPUTED = "*"
IMPORTING = ("import_module", "__import__")


@define(frozen=True, slots=False)  # slots would leave no room for what is computed once
class Code:
    """The code of a spec's `python(...)` members and data.

    `homes` says for the outermost module of each factory whose it is; `modules` are all of the user's own that can be
    imported; `linked` are the packages among what else is imported that lie outside of Python's libraries, each with a
    hash of all its modules; `hidden` are own files that are not taken, because something installed has their name.
    """

    sources: tuple[ModelSource, ...]
    folders: Folders
    homes: tuple[tuple[str, Home], ...]
    modules: tuple[Module, ...] = field(repr=False)
    linked: tuple[tuple[str, str], ...] = ()
    hidden: tuple[Path, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Sixty-four characters that stand for all of it."""
        said = {
            "sources": [[source.name, source.arguments] for source in self.sources],
            "homes": self.homes,
            "modules": [_facts(module) for module in self.modules],
            "linked": self.linked,
        }
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @property
    def hashes(self) -> dict[str, str]:
        """The SHA-256 of each module by its name: of its file, or of all modules of a package that is linked."""
        return {module.name: sha256(module.data).hexdigest() for module in self.modules} | dict(self.linked)

    @property
    def factories(self) -> tuple[str, ...]:
        """The names of the factories, each once."""
        return tuple(dict.fromkeys(source.name for source in self.sources))

    @property
    def missing(self) -> tuple[str, ...]:
        """Modules that a factory is said to be in, and that are nowhere."""
        return tuple(top for top, home in self.homes if home == "missing")

    def home_of(self, factory: str) -> Home:
        """Whose code a factory is."""
        return dict(self.homes)[top_of(factory)]

    def file_of(self, factory: str) -> Path | None:
        """The file that holds a factory of the user's own."""
        wanted = factory.partition(":")[0]
        return next((module.file for module in self.modules if module.name == wanted), None)


def _facts(module: Module) -> tuple[str, bool, str]:
    return (module.name, module.is_package, sha256(module.data).hexdigest())


def folders_of(spec: Spec) -> Folders:
    """Where the own modules that a spec names are looked for: beside the spec, then in the current folder."""
    return tuple(dict.fromkeys(folder for _, span in _named(spec) for folder in _folders(span)))


def _named(spec: Spec) -> tuple[tuple[ModelSource, Span | None], ...]:
    """The `python(...)` sources of members and data, as often as they are named, with their places."""
    own = [(member.source, member.span) for member in spec.members if member.source.kind == "python"]
    return (*own, *(((spec.data.code, spec.data_span),) if spec.data.code is not None else ()))


def _folders(span: Span | None) -> Folders:
    here = Path.cwd().resolve()
    beside = here if span is None else Path(span.file).resolve().parent
    return tuple(folder for folder in (beside, here) if not is_library(folder))


def code_of(spec: Spec) -> Code:
    """The code that a spec's members and data name; raises DiagnosticError for a factory that cannot be one."""
    for source, span in _named(spec):
        _check_name(source.name, span)
    return _followed(sources_of(spec), folders_of(spec))


def sources_of(spec: Spec) -> tuple[ModelSource, ...]:
    """The `python(...)` sources of a spec's members and its data, each once."""
    return tuple(dict.fromkeys(source for source, _ in _named(spec)))


def _check_name(name: str, span: Span | None) -> None:
    if not is_factory_name(name):
        raise DiagnosticError(MalformedFactory(span=span, found=name))
    if is_standard(name):
        raise DiagnosticError(catalogue.StandardLibraryFactory(span=span, name=name))


def _followed(sources: tuple[ModelSource, ...], folders: Folders) -> Code:
    found = _Found(folders)
    homes = tuple((top, found.home(top)) for top in dict.fromkeys(top_of(source.name) for source in sources))
    clashes = [file for top, file in found.hidden if top in dict(homes)]
    if clashes:
        raise DiagnosticError(*(catalogue.FactoryHidden(file=shown(file, folders)) for file in clashes))
    found.follow()
    modules = sorted(found.modules.values(), key=lambda module: module.name)
    linked = tuple(sorted(found.linked.items()))
    return Code(sources, folders, homes, tuple(modules), linked, tuple(file for _, file in found.hidden))


@define
class _Found:
    """Own modules as they are come upon, and the names that were looked for."""

    folders: Folders
    modules: dict[str, Module] = field(factory=dict)
    linked: dict[str, str] = field(factory=dict)
    hidden: list[tuple[str, Path]] = field(factory=list)
    seen: dict[str, Home] = field(factory=dict)
    waiting: list[Module] = field(factory=list)

    def home(self, top: str) -> Home:
        """Whose a module is; one of the user's own is remembered with all that lies below it."""
        if top not in self.seen:
            self.seen[top] = self._looked_for(top)
        return self.seen[top]

    def _looked_for(self, top: str) -> Home:
        if top in OURS:
            return "installed"
        own = own_modules(top, self.folders)
        taken = None if is_standard(top) else installed(top, self.folders)
        is_same = bool(own) and taken is not None and taken.origin == str(own[0].file)  # an editable installation
        if not is_same and (is_standard(top) or (taken is not None and taken.loader is not None)):  # not just a folder
            self.hidden += [(top, own[0].file)] if own and not own[0].is_folder else []
            self._link(top, taken)
            return "installed"
        if not own:
            return "missing" if taken is None else "installed"
        self.modules |= {module.name: module for module in own}
        self.waiting += own
        return "own"

    def _link(self, top: str, found: ModuleSpec | None) -> None:
        modules = linked_modules(top, found) if found is not None else ()
        if modules:
            self.linked[top] = sha256(json.dumps([_facts(module) for module in modules]).encode()).hexdigest()

    def follow(self) -> None:
        """Find what own modules import, what those import, and so on."""
        while self.waiting:
            module = self.waiting.pop()
            imported = imported_by(module)
            for top in sorted(imported - {COMPUTED}):
                self.home(top)
            if COMPUTED in imported and "." not in module.name:  # of a package all is known
                self._take_all(module.file.parent)

    def _take_all(self, folder: Path) -> None:
        """Take every module of a folder: one of them may be the one whose name is computed."""
        told = list(self.hidden)
        for name in module_names(folder):
            self.home(name)
        self.hidden = told  # nobody said that a file with the name of a library is meant


def imported_by(module: Module) -> frozenset[str]:
    """The outermost modules that a module of the user's own imports anywhere in its text, also within functions.

    `COMPUTED` stands for one whose name is only known when the code runs. Relative imports stay in its package, which
    was read as a whole. Text that is not Python imports nothing.
    """
    if not module.is_source:
        return frozenset()
    try:
        with catch_warnings(action="ignore"):  # importing it gives them
            parsed = ast.parse(module.data)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # importing it will tell
        return frozenset()
    return frozenset(top_of(name) for node in ast.walk(parsed) for name in _names(node))


def _names(node: ast.AST) -> Iterable[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(name), level=0):
            return [name]
        case ast.Call(args=[ast.Constant(value=str(name)), *_]) if _called(node.func) in IMPORTING:
            return [name]
        case ast.Call() if _called(node.func) in IMPORTING:
            return [COMPUTED]
    return ()


def _called(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def described(code: Code, *, whole: bool = False) -> tuple[str, ...]:
    """What would be imported and called, factory by factory: `nets.py: small`; with `whole` the whole way there."""
    folders = () if whole else code.folders
    there = (source for source in code.sources if code.home_of(source.name) != "missing")
    return tuple(dict.fromkeys(_described(code, source, folders) for source in there))


def _described(code: Code, source: ModelSource, folders: Folders) -> str:
    module, _, path = source.name.partition(":")
    file = code.file_of(source.name)
    if file is not None or code.home_of(source.name) == "own":  # of a package without this module
        return f"{shown(file, folders) if file else module}: {path}"
    given = ", ".join(f"{key}: {value!r}" for key, value in source.given().items())
    return f"{module}: {path}({given}), {'linked' if top_of(module) in dict(code.linked) else 'installed'}"


def shown(file: Path, folders: Folders = ()) -> str:
    """A file as seen from the first of the folders, or in full; characters that no terminal shows are escaped."""
    near = folders[0] if folders else None
    text = file.relative_to(near).as_posix() if near and file.is_relative_to(near) else str(file)
    return text if text.isprintable() else repr(text)
