"""A file with everything it imports: the definitions that can be named from it.

Takes a text and its place, gives a `Library`. Guarantees: each file is read once; every name of a kind has one
definition; cycles and missing files are reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TypeVar

from attrs import define, field, frozen

from swc.diagnostics import Diagnostic, DiagnosticError, Sink, catalogue
from swc.diagnostics.sources import read_source
from swc.language.semantics.extent import Extent
from swc.language.syntax.heads import WORDS
from swc.language.syntax.parser import parse_text
from swc.language.syntax.tree import (
    Amount,
    Call,
    EnsembleDefinition,
    File,
    Import,
    ParamItem,
    PolicyDefinition,
    RecipeDefinition,
    ShareBlock,
    TrainBlock,
    Value,
)
from swc.language.syntax.walk import names_in
from swc.program.limits import FILES, LEVELS, TEXT_BYTES
from swc.registry.policies import POLICIES
from swc.system import resources

D = TypeVar("D")


class Definitions(dict[str, D]):
    """Definitions by name; `names` are made once, however many mistakes hold them."""

    _names: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        if len(self._names) != len(self):
            self._names = tuple(sorted(self))
        return self._names


@frozen
class Library:
    """What a file defines and imports; the imported definitions stand before its own, `imported` are the files."""

    root: File
    ensembles: Definitions[EnsembleDefinition]
    recipes: Definitions[RecipeDefinition]
    policies: Definitions[PolicyDefinition]
    unused: tuple[Import, ...] = ()
    imported: tuple[Path, ...] = ()
    extent: Extent = field(factory=Extent, eq=False)  # shared by all that is read from this file

    @property
    def own_ensembles(self) -> tuple[EnsembleDefinition, ...]:
        """The ensembles of the file itself."""
        return tuple(d for d in self.root.definitions if isinstance(d, EnsembleDefinition))


def read_library(text: str, file: str, sink: Sink) -> Library | None:
    """The library of a text; None where the text itself has mistakes of form."""
    reader = _Reader(sink)
    root = reader.parse(text, file)
    if root is None:
        return None
    place = Path(file).resolve()
    reader.visit(root, Path(file), (place,))
    unused = _unused(root, reader.imports.get(place, {}), reader)
    return Library(root, reader.ensembles, reader.recipes, reader.policies, unused, tuple(reader.files))


def _unused(root: File, imports: dict[Import, Path], reader: _Reader) -> tuple[Import, ...]:
    """The imports of a file that lead to nothing that it names."""
    used = _used(root, reader)
    known: dict[Path, bool] = {}  # the files from which all that can be reached has been looked through in vain
    return tuple(item for item, place in imports.items() if not _leads_to(place, used, reader, known))


def _leads_to(start: Path, used: set[tuple[str, str]], reader: _Reader, known: dict[Path, bool]) -> bool:
    """Whether a file, or one that it imports, defines one of the names that are used."""
    waiting, seen = [start], {start}
    while waiting:
        place = waiting.pop()
        if known.get(place) is None:
            known[place] = not _names(reader.files[place]).isdisjoint(used)
        if known[place]:
            return True
        further = {other for other in reader.imports.get(place, {}).values() if other not in seen}
        seen |= further
        waiting += further
    return False


def warn_unused_imports(library: Library, sink: Sink) -> None:
    """Name the imports that nothing uses; beside a mistake nothing is said, since it may hide the use."""
    for imported in () if sink.errors else library.unused:
        sink.report(catalogue.UnusedImport(span=imported.span, name=imported.path.value))


@define
class _Reader:
    sink: Sink
    ensembles: Definitions[EnsembleDefinition] = field(factory=Definitions)
    recipes: Definitions[RecipeDefinition] = field(factory=Definitions)
    policies: Definitions[PolicyDefinition] = field(factory=Definitions)
    imports: dict[Path, dict[Import, Path]] = field(factory=dict)  # of each file: what it imports, and where that is
    files: dict[Path, File] = field(factory=dict)
    importable: dict[tuple[Path, str], tuple[str, ...]] = field(factory=dict)
    length: int = 0  # characters of all files read so far

    def parse(self, text: str, file: str) -> File | None:
        """The tree of a text; its mistakes go to the sink."""
        self.length += len(text)
        try:
            return parse_text(text, file)
        except DiagnosticError as found:
            for diagnostic in found.diagnostics:
                self.sink.report(diagnostic)
            return None

    def visit(self, file: File, path: Path, chain: tuple[Path, ...]) -> None:
        """Read the imports of a file, then its own definitions."""
        found: dict[Import, Path] = self.imports.setdefault(chain[-1], {})
        for definition in file.definitions:
            if not isinstance(definition, Import):
                self._define(definition)
            elif (place := self._import(definition, path, chain)) is not None:
                found[definition] = place

    def _import(self, item: Import, path: Path, chain: tuple[Path, ...]) -> Path | None:
        """Read what is imported, unless it has been; gives its place."""
        found = find_import(item.path.value, path.parent)
        if found is None:
            known = self._importable(path.parent, path.name)
            self._report(catalogue.ImportNotFound(span=item.path.span, name=item.path.value, files=known))
            return None
        place = found.resolve()
        if place in chain:
            names = tuple(p.name for p in (*chain[chain.index(place) :], place))
            self._report(catalogue.ImportCycle(span=item.path.span, chain=names))
            return None
        if len(chain) > LEVELS:
            self._report(catalogue.TooDeep(span=item.path.span, what="imports", most=LEVELS))
            return None
        if place not in self.files:
            tree = self._open(found, item)
            if tree is None:
                return None
            self.files[place] = tree
            self.visit(tree, found, (*chain, place))
        return place

    def _open(self, path: Path, item: Import) -> File | None:
        if len(self.files) >= FILES:
            self._report(catalogue.TooManyImports(span=item.path.span, limit=f"{FILES} files"))
            self.sink.raise_errors()
        try:
            text = read_source(path, item.path.span, TEXT_BYTES - self.length)
            return self.parse(text, str(path))
        except DiagnosticError as found:
            for diagnostic in found.diagnostics:
                self.sink.report(diagnostic)
            return None

    def _define(self, definition: EnsembleDefinition | RecipeDefinition | PolicyDefinition) -> None:
        self._check_parameters(definition)
        table, kind = self._table(definition)
        name = definition.name.text
        first = table.get(name)
        if first is not None:
            self._report(
                catalogue.DuplicateDefinition(span=definition.name.span, name=name, kind=kind, first=f"at {first.span}")
            )
        elif isinstance(definition, PolicyDefinition) and name in POLICIES.names:  # of plug-ins nothing is read here
            self._report(
                catalogue.DuplicateDefinition(span=definition.name.span, name=name, kind=kind, first="by the language")
            )
        else:
            table[name] = definition

    def _check_parameters(self, definition: EnsembleDefinition | RecipeDefinition | PolicyDefinition) -> None:
        names: set[str] = set()
        for parameter in () if isinstance(definition, EnsembleDefinition) else definition.parameters:
            name = parameter.name
            if name.text in names:
                self._report(catalogue.DuplicateArgument(span=name.span, name=name.text, of=definition.name.text))
            names.add(name.text)

    def _table(
        self, definition: EnsembleDefinition | RecipeDefinition | PolicyDefinition
    ) -> tuple[dict[str, EnsembleDefinition | RecipeDefinition | PolicyDefinition], str]:
        tables = {EnsembleDefinition: self.ensembles, RecipeDefinition: self.recipes, PolicyDefinition: self.policies}
        return tables[type(definition)], WORDS[type(definition)]  # type: ignore[return-value]

    def _importable(self, folder: Path, importing: str) -> tuple[str, ...]:
        """The names of what could be imported from a folder; a folder is read once."""
        if (folder, importing) not in self.importable:
            files = (found.name for place in (folder, resources.recipes()) for found in place.glob("*.sw"))
            self.importable[folder, importing] = tuple(sorted(set(files) - {importing}))
        return self.importable[folder, importing]

    def _report(self, diagnostic: Diagnostic) -> None:
        self.sink.report(diagnostic)


def find_import(name: str, folder: Path) -> Path | None:
    """The file an import names: in `folder`, else among the shipped recipes, else None."""
    candidates = (folder / name, resources.recipes() / name, resources.specs() / name)
    return next((path for path in candidates if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name the file system does not take
        return False


def _names(file: File) -> set[tuple[str, str]]:
    return {(WORDS[type(d)], d.name.text) for d in file.definitions if not isinstance(d, Import)}


def _used(root: File, reader: _Reader) -> set[tuple[str, str]]:
    """What a file's definitions name, and what those name in turn, wherever they are: a base may need a recipe."""
    defined: dict[str, Mapping[str, object]] = {
        "ensemble": reader.ensembles,
        "recipe": reader.recipes,
        "policy": reader.policies,
    }
    used: set[tuple[str, str]] = set()
    waiting: list[object] = [*root.definitions]
    while waiting:
        new = {*_used_by(waiting.pop())} - used
        used |= new
        waiting += [defined[kind][name] for kind, name in new if name in defined[kind]]
    return used


def _used_by(definition: object) -> Iterator[tuple[str, str]]:
    """By kind; a param or an argument may stand for any of them."""
    if isinstance(definition, PolicyDefinition) and definition.base is not None:
        yield from _named(definition.base, "policy")
        yield from _standing_for(*(one.default for one in definition.parameters))
    if not isinstance(definition, EnsembleDefinition):
        return
    if definition.base is not None:
        yield "ensemble", definition.base.text
    for item in definition.items:
        if isinstance(item, TrainBlock) and item.recipe is not None:
            yield from _named(item.recipe, "recipe")
        if isinstance(item, ShareBlock) and item.policy is not None:
            yield from _named(item.policy, "policy")
        if isinstance(item, ParamItem):
            yield from _standing_for(item.value)


def _named(call: Call, kind: str) -> Iterator[tuple[str, str]]:
    yield kind, call.name.text
    yield from _standing_for(*(one.value for one in call.arguments))


def _standing_for(*values: Value | Amount | None) -> Iterator[tuple[str, str]]:
    """What the names in params and arguments may mean."""
    return product(("recipe", "policy"), names_in(values))
