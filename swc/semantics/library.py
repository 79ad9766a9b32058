"""A file with everything it imports: the definitions that can be named from it.

Takes a text and its place, gives a `Library`. Guarantees: each file is read once; every name of a kind has one
definition; cycles and missing files are reported.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen

from swc import resources
from swc.diagnostics import Diagnostic, DiagnosticError, Sink, catalogue
from swc.diagnostics.sources import read_source
from swc.program.vocabulary import POLICIES
from swc.syntax.parser import parse_text
from swc.syntax.scan import DEEPEST
from swc.syntax.tree import Ensemble, File, Import, Policy, Recipe, Share, Train


@frozen
class Library:
    """What a file defines and imports; the imported definitions stand before its own, `imported` are the files."""

    root: File
    ensembles: dict[str, Ensemble]
    recipes: dict[str, Recipe]
    policies: dict[str, Policy]
    unused: tuple[Import, ...] = ()
    imported: tuple[Path, ...] = ()

    @property
    def own_ensembles(self) -> tuple[Ensemble, ...]:
        """The ensembles of the file itself."""
        return tuple(d for d in self.root.definitions if isinstance(d, Ensemble))


def read_library(text: str, file: str, sink: Sink) -> Library | None:
    """The library of a text; None where the text itself has mistakes of form."""
    reader = _Reader(sink)
    root = reader.parse(text, file)
    if root is None:
        return None
    reader.visit(root, Path(file), (Path(file).resolve(),))
    unused = tuple(
        imported
        for imported, files in reader.imports.items()
        if files and imported in root.definitions and not _names(files) & set(_used(root))
    )
    return Library(root, reader.ensembles, reader.recipes, reader.policies, unused, tuple(reader.files))


def warn_unused_imports(library: Library, sink: Sink) -> None:
    """Name the imports that nothing uses; beside a mistake nothing is said, since it may hide the use."""
    for imported in () if sink.errors else library.unused:
        sink.report(catalogue.UnusedImport(span=imported.span, name=imported.path.value))


@define
class _Reader:
    sink: Sink
    ensembles: dict[str, Ensemble] = field(factory=dict)
    recipes: dict[str, Recipe] = field(factory=dict)
    policies: dict[str, Policy] = field(factory=dict)
    imports: dict[Import, tuple[File, ...]] = field(factory=dict)
    files: dict[Path, tuple[File, ...]] = field(factory=dict)

    def parse(self, text: str, file: str) -> File | None:
        """The tree of a text; its mistakes go to the sink."""
        try:
            return parse_text(text, file)
        except DiagnosticError as found:
            for diagnostic in found.diagnostics:
                self.sink.report(diagnostic)
            return None

    def visit(self, file: File, path: Path, chain: tuple[Path, ...]) -> tuple[File, ...]:
        """Read the imports of a file, then its own definitions; gives the files reached."""
        reached = [file]
        for definition in file.definitions:
            if isinstance(definition, Import):
                self.imports[definition] = self._import(definition, path, chain)
                reached += self.imports[definition]
            else:
                self._define(definition)
        return tuple(reached)

    def _import(self, item: Import, path: Path, chain: tuple[Path, ...]) -> tuple[File, ...]:
        found = find_import(item.path.value, path.parent)
        if found is None:
            self._report(catalogue.ImportNotFound(span=item.path.span, name=item.path.value, files=_importable(path)))
            return ()
        place = found.resolve()
        if place in chain:
            names = tuple(p.name for p in (*chain[chain.index(place) :], place))
            self._report(catalogue.ImportCycle(span=item.path.span, chain=names))
            return ()
        if len(chain) > DEEPEST:
            self._report(catalogue.TooDeep(span=item.path.span, what="imports", most=DEEPEST))
            return ()
        if place not in self.files:
            tree = self._open(found, item)
            self.files[place] = self.visit(tree, found, (*chain, place)) if tree else ()
        return self.files[place]

    def _open(self, path: Path, item: Import) -> File | None:
        try:
            return self.parse(read_source(path, item.path.span), str(path))
        except DiagnosticError as found:
            for diagnostic in found.diagnostics:
                self.sink.report(diagnostic)
            return None

    def _define(self, definition: Ensemble | Recipe | Policy) -> None:
        self._check_parameters(definition)
        table, kind = self._table(definition)
        name = definition.name.text
        first = table.get(name)
        if first is not None:
            self._report(
                catalogue.DuplicateDefinition(span=definition.name.span, name=name, kind=kind, first=f"at {first.span}")
            )
        elif isinstance(definition, Policy) and name in POLICIES:
            self._report(
                catalogue.DuplicateDefinition(span=definition.name.span, name=name, kind=kind, first="by the language")
            )
        else:
            table[name] = definition

    def _check_parameters(self, definition: Ensemble | Recipe | Policy) -> None:
        names: set[str] = set()
        for parameter in () if isinstance(definition, Ensemble) else definition.parameters:
            name = parameter.name
            if name.text in names:
                self._report(catalogue.DuplicateArgument(span=name.span, name=name.text, of=definition.name.text))
            names.add(name.text)

    def _table(self, definition: Ensemble | Recipe | Policy) -> tuple[dict[str, Ensemble | Recipe | Policy], str]:
        tables = {Ensemble: self.ensembles, Recipe: self.recipes, Policy: self.policies}
        return tables[type(definition)], type(definition).__name__.lower()  # type: ignore[return-value]

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


def _importable(path: Path) -> tuple[str, ...]:
    folders = (path.parent, resources.recipes())
    return tuple(sorted({found.name for folder in folders for found in folder.glob("*.sw") if found.name != path.name}))


def _names(files: tuple[File, ...]) -> set[tuple[str, str]]:
    return {(type(d).__name__, d.name.text) for file in files for d in file.definitions if not isinstance(d, Import)}


def _used(file: File) -> Iterator[tuple[str, str]]:
    for definition in file.definitions:
        if isinstance(definition, Policy) and definition.base is not None:
            yield "Policy", definition.base.name.text
        if isinstance(definition, Ensemble):
            yield from _used_by(definition)


def _used_by(ensemble: Ensemble) -> Iterator[tuple[str, str]]:
    if ensemble.base is not None:
        yield "Ensemble", ensemble.base.text
    for item in ensemble.items:
        if isinstance(item, Train) and item.recipe is not None:
            yield "Recipe", item.recipe.name.text
        if isinstance(item, Share) and item.policy is not None:
            yield "Policy", item.policy.name.text
