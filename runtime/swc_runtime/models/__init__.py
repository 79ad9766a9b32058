"""The torch modules members are made of; imports nothing of swc."""

from swc_runtime.models.build import (
    FAMILIES,
    NoModuleError,
    build_model,
    factory_path,
    find_factory,
    offered_arguments,
)

__all__ = ["FAMILIES", "NoModuleError", "build_model", "factory_path", "find_factory", "offered_arguments"]
