"""The torch modules members are made of; of swc only `build` imports anything, which families there are."""

from swc_runtime.models.build import NoModuleError, build_model, offered_arguments
from swc_runtime.models.factories import ElsewhereError, NotAFactoryError, StandardLibraryError, find_factory

__all__ = [
    "ElsewhereError",
    "NoModuleError",
    "NotAFactoryError",
    "StandardLibraryError",
    "build_model",
    "find_factory",
    "offered_arguments",
]
