"""Importing the user's own modules: those of a `Code` and no others, from the bytes that were looked at.

Takes a spec or its `Code`; inside the context its modules can be imported, at once or by a function that imports late.
Guarantees: what runs is what was hashed, and no bytecode beside it is read; `sys.path` is left alone, so no other file
of those folders can be imported; a module that another `Code` brought is forgotten first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ExtensionFileLoader, ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType

from swc.language.semantics.own_code import top_of
from swc.program.spec import Spec
from swc.trust.code import Code, code_of, sources_of
from swc.trust.finding import Module, own_modules, serves_own_code


@contextmanager
def own_code(spec: Spec) -> Iterator[None]:
    """Inside, the own modules of a spec's members can be imported: as a caller consented to them, or as they are now.

    Raises DiagnosticError for a factory that cannot be one.
    """
    if _active(spec) is not None:
        yield
        return
    with importable(code_of(spec)):
        yield


def digest_of_own(spec: Spec) -> str:
    """The digest of the code of a spec's members, as `own_code` has it; "" where all of it is ours."""
    if not sources_of(spec):
        return ""
    return (_active(spec) or code_of(spec)).digest


@contextmanager
def importable(code: Code) -> Iterator[None]:
    """Inside, the own modules of some code can be imported."""
    if not code.sources:
        yield
        return
    importer, explainer = Importer(code), Explainer(code)
    _forget_others(importer)
    sys.meta_path[:] = [importer, *sys.meta_path, explainer]
    try:
        yield
    finally:
        sys.meta_path.remove(importer)
        sys.meta_path.remove(explainer)


def _active(spec: Spec) -> Code | None:
    """The code of a spec that can be imported now."""
    active = (finder.code for finder in sys.meta_path if isinstance(finder, Importer))
    return next((code for code in active if code.sources == sources_of(spec)), None)


def _forget_others(importer: Importer) -> None:
    """Take modules of other code out of Python's memory, where theirs would be found under a name of this."""
    for name, module in list(sys.modules.items()):
        loader = getattr(getattr(module, "__spec__", None), "loader", None)
        if serves_own_code(loader) and loader.own != importer.modules.get(name):  # type: ignore[union-attr]
            del sys.modules[name]


class Importer(MetaPathFinder):
    """Finds the modules of one `Code`, before anything else does: nothing else has their names."""

    serves_own_code = True

    def __init__(self, code: Code) -> None:
        self.code = code
        self.modules = {module.name: module for module in code.modules}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where one of the modules is; None for a name that is none of theirs."""
        module = self.modules.get(fullname)
        if module is not None:
            return _spec_of(module)
        if top_of(fullname) in self.modules:
            raise _unseen(fullname)
        return None


class Explainer(MetaPathFinder):
    """Says, where nothing else has found a module, that a file of its name lies there but was not looked at."""

    serves_own_code = True

    def __init__(self, code: Code) -> None:
        self.code = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """ModuleNotFoundError for a module that lies beside the spec; None for any other."""
        if path is None and own_modules(fullname, self.code.folders):
            raise _unseen(fullname)
        return None


def _unseen(name: str) -> ModuleNotFoundError:
    told = f"No module named {name!r} was seen in the code of the members: name it in an import statement there"
    return ModuleNotFoundError(told, name=name)


def _spec_of(module: Module) -> ModuleSpec | None:
    if module.is_folder:
        spec = ModuleSpec(module.name, FolderLoader(module), is_package=True)
        spec.submodule_search_locations = [str(module.file)]
        return spec
    loader = OwnLoader(module) if module.is_source else OwnExtensionLoader(module)
    inside = [str(module.file.parent)] if module.is_package else None
    return spec_from_file_location(module.name, module.file, loader=loader, submodule_search_locations=inside)


class OwnLoader(SourceFileLoader):
    """Runs the bytes that a `Module` holds; no bytecode is read or written."""

    serves_own_code = True

    def __init__(self, own: Module) -> None:
        super().__init__(own.name, str(own.file))
        self.own = own

    def get_code(self, fullname: str) -> CodeType:
        """The code object of the module's text."""
        return self.source_to_code(self.own.data, self.path)

    def get_data(self, path: str) -> bytes:
        """The bytes of a file; those that were looked at where it is the module's own."""
        return self.own.data if path == self.path else super().get_data(path)


class OwnExtensionLoader(ExtensionFileLoader):
    """Loads a compiled module of the user's own."""

    serves_own_code = True

    def __init__(self, own: Module) -> None:
        super().__init__(own.name, str(own.file))
        self.own = own


class FolderLoader(Loader):
    """A package without an `__init__`: it has nothing to run."""

    serves_own_code = True

    def __init__(self, own: Module) -> None:
        self.own = own

    def create_module(self, spec: ModuleSpec) -> None:
        """Python's usual module."""

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run."""
