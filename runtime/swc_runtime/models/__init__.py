"""The torch modules members are made of; imports nothing of swc."""

from swc_runtime.models.build import FAMILIES, NoModuleError, build_model, offered_arguments
from swc_runtime.models.factories import ElsewhereError, NotAFactoryError, StandardLibraryError, find_factory

__all__ = [
    "FAMILIES",
    "ElsewhereError",
    "NoModuleError",
    "NotAFactoryError",
    "StandardLibraryError",
    "build_model",
    "find_factory",
    "offered_arguments",
]
