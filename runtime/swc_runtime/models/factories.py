"""Factories of others: finding what "package.module:factory" names, and refusing what must not be called.

Takes a name, gives a callable. Guarantees: it is an `nn.Module` class, or a function or class method written in Python,
defined in the module that is named, and that module is not one of Python's own: known before anything is called, and
for Python's own modules before anything is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import FunctionType, MethodType
from typing import Any

from torch import nn


class StandardLibraryError(ValueError):
    """A factory is named in a module of Python's own."""

    def __init__(self, name: str) -> None:
        super().__init__(f"`{name}` belongs to Python's own library, which makes no models")


class NotAFactoryError(ValueError):
    """A name stands for something, `found`, that is not a factory."""

    def __init__(self, name: str, found: str) -> None:
        self.found = found
        super().__init__(f"`{name}` is {found}, not a torch.nn.Module class nor a Python function")


class ElsewhereError(ValueError):
    """A factory is defined in module `home`, not in the one that was named; there it is called `path`."""

    def __init__(self, name: str, home: str, path: str) -> None:
        self.home, self.path = home, path
        super().__init__(f"`{name}` is not defined there but in `{home}`")


def find_factory(name: str) -> Callable[..., Any]:
    """The factory that "package.module:factory" names.

    ImportError or AttributeError where there is none; ValueError for what is no such name or must not be called.
    """
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise ValueError(f'`{name}` does not name a factory: write "package.module:factory"')
    if is_standard(module):
        raise StandardLibraryError(name)
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    home, own_path = _definition(name, found)
    if home != module:
        raise ElsewhereError(name, home, own_path)
    factory: Callable[..., Any] = found
    return factory


def is_standard(module: str) -> bool:
    """Whether a module is Python's own, or the one that Python was started with."""
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top in sys.builtin_module_names or top == "__main__"


def _definition(name: str, found: object) -> tuple[str, str]:
    """The module that defines a factory, and what it is called there; NotAFactoryError for anything else."""
    if isinstance(found, MethodType) and isinstance(found.__self__, type):
        found = found.__func__
    if isinstance(found, FunctionType) or (isinstance(found, type) and issubclass(found, nn.Module)):
        return str(found.__module__), str(found.__qualname__)
    raise NotAFactoryError(name, _described(found))


def _described(found: object) -> str:
    if isinstance(found, type):
        return f"the class `{found.__name__}`"
    return f"of type `{type(found).__name__}`"
