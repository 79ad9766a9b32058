"""Building a member's torch module from where it comes from: a family, torchvision, or a factory of the user's.

Takes plain data, gives an `nn.Module` that maps inputs, an image [B, C, H, W] or others, to logits [B, num_classes].
Guarantees: the same data gives the same layer paths and shapes; the numbers come from torch's global generator, as
usual in torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

import torch
from swc.registry.families import FAMILIES
from swc.registry.model_libraries import LIBRARIES, ModelLibrary
from torch import nn

from swc_runtime.models.factories import find_factory

Shape = tuple[int, ...] | tuple[tuple[int, ...], ...]  # of an input without the batch; of several, of each


class NoModuleError(ValueError):
    """A factory returned an object of type `found` instead of a torch module."""

    def __init__(self, name: str, found: str) -> None:
        self.found = found
        super().__init__(f"`{name}` returned a {found}, not a torch.nn.Module")


def build_model(
    kind: str, name: str, arguments: Mapping[str, Any], num_classes: int, shape: Shape, *, is_image: bool = True
) -> nn.Module:
    """The module a source names.

    `kind` is "family", "python" (`name` is then "package.module:factory") or a library of models; `shape` is
    that of an input without the batch, of an image (channels, height, width), or a tuple of those of several inputs.
    ValueError for an unknown kind or family and for values a family cannot take;
    NoModuleError where a factory returns no module; whatever a factory itself raises passes through. Torch's default
    dtype is afterwards what it was.
    """
    before = torch.get_default_dtype()
    try:
        return _built(kind, name, arguments, num_classes, shape, is_image)
    finally:
        torch.set_default_dtype(before)


def _built(
    kind: str, name: str, arguments: Mapping[str, Any], num_classes: int, shape: Shape, is_image: bool
) -> nn.Module:
    match kind:
        case "family":
            return _family(name)(num_classes, shape, **arguments)
        case "python":
            return _from_factory(name, arguments, num_classes, None if is_image else shape)
        case library if library in LIBRARIES:
            return _from_library(LIBRARIES[library], name, arguments, num_classes)
    raise ValueError(f"`{kind}` is not a kind of model: family, python, {' and '.join(LIBRARIES)} are")


def _family(name: str) -> Callable[..., nn.Module]:
    if name not in FAMILIES:
        raise ValueError(f"`{name}` is not a family of models: {', '.join(FAMILIES)} are")
    found: Callable[..., nn.Module] = FAMILIES.load(name)
    return found


def _from_library(library: ModelLibrary, name: str, arguments: Mapping[str, Any], num_classes: int) -> nn.Module:
    build: Callable[..., object] = getattr(import_module(library.module), library.function)
    return _as_module(build(name, num_classes=num_classes, **dict(library.untrained), **arguments), name)


def _from_factory(name: str, arguments: Mapping[str, Any], num_classes: int, shape: Shape | None) -> nn.Module:
    factory = find_factory(name)
    given = offered_arguments(factory, arguments, num_classes, shape)
    _check_arguments(factory, given, name)
    return _as_module(factory(**given), name)


def _check_arguments(factory: Callable[..., Any], given: Mapping[str, Any], name: str) -> None:
    """ValueError where a factory does not take the arguments: its code is another than it was."""
    try:
        signature(factory).bind(**given)
    except TypeError as error:
        raise ValueError(f"`{name}` does not take its arguments: {error}") from error


def offered_arguments(
    factory: Callable[..., Any], arguments: Mapping[str, Any], num_classes: int, shape: Shape | None = None
) -> dict[str, Any]:
    """The arguments a factory is called with: those given, and `num_classes` where it takes that and has none.

    With a `shape`, that of inputs which are no images, a factory that names `input_shape` is given it too.
    """
    given = dict(arguments)
    if "num_classes" not in given and _accepts(factory, "num_classes"):
        given["num_classes"] = num_classes
    if shape is not None and "input_shape" in signature(factory).parameters:
        given.setdefault("input_shape", shape)
    return given


def _accepts(factory: Callable[..., Any], name: str) -> bool:
    parameters = signature(factory).parameters
    return name in parameters or any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())


def _as_module(made: object, name: str) -> nn.Module:
    if not isinstance(made, nn.Module):
        raise NoModuleError(name, type(made).__name__)
    return made
