"""Building a member's module once, to look at it: every way it can fail becomes a diagnostic.

Takes a source and the facts of the data, gives a `LayerTable` or raises `DiagnosticError` (without spans: the caller
knows the members). Guarantees: no memory for weights and no arithmetic, unless a model's own code asks for numbers
while it is built; torch's random numbers are left as they were. Imports torch, so it is itself imported late.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import cache
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue import members as catalogue
from swc.diagnostics.suggest import closest
from swc.frontend.factories import refusal_of
from swc.frontend.layers import table_of
from swc.frontend.table import LayerTable
from swc.program.datasets import DataFacts
from swc.program.model_source import ModelSource
from swc.program.vocabulary import JOINT_FAMILIES
from swc_runtime.models import NoModuleError, build_model, find_factory, offered_arguments

T = TypeVar("T")
PACKAGES = ("swc", "swc_runtime", "torch", "torchvision", "importlib")  # whose frames tell an author nothing
NUM_IMAGES = 2  # one image would be too few for BatchNorm


def examine(source: ModelSource, data: DataFacts) -> LayerTable:
    """The layer table of a source; `DiagnosticError` where it cannot be built or does not fit the data."""
    _check_source(source, data)
    try:
        return _examine_on("meta", source, data)
    except _NeedsNumbersError:
        return _examine_on("cpu", source, data)


class _NeedsNumbersError(Exception):
    """The model's own code asks for what the meta device has not: values of tensors, autocast, some operations."""


def _examine_on(device: str, source: ModelSource, data: DataFacts) -> LayerTable:
    quiet = redirect_stdout(sys.stderr)  # the output stream belongs to the command's result
    with quiet, torch.random.fork_rng(devices=[]), torch.device(device), torch.no_grad():
        model = _built(source, data)
        _check_parameters(source, model)
        _check_state(source, model)
        _check_output(source, model, data)
        return table_of(model, data.num_classes, outputs=_outputs(source))


def _outputs(source: ModelSource) -> int | None:
    """How many predictions a joint network gives; None for any other."""
    is_joint = source.kind == "family" and source.name in JOINT_FAMILIES
    return int(source.given()["outputs"]) if is_joint else None


def _built(source: ModelSource, data: DataFacts) -> nn.Module:
    def build() -> nn.Module:
        return build_model(source.kind, source.name, source.given(), data.num_classes, data.image_shape)

    def complain(error: Exception, place: str) -> Diagnostic:
        if source.kind == "family" and isinstance(error, ValueError):
            return catalogue.UnbuildableFamily(source=str(source), detail=str(error))
        if isinstance(error, NoModuleError):
            return catalogue.NoModule(name=source.name, found=error.found)
        if source.kind == "torchvision" and isinstance(error, TypeError):
            return catalogue.WrongArguments(name=source.name, detail=_text(error))
        return catalogue.FactoryFailed(name=source.name, error=_text(error), place=place)

    return _guarded(build, complain)


def _guarded(act: Callable[[], T], complain: Callable[[Exception, str], Diagnostic]) -> T:
    """The result of code that is not ours; whatever it raises becomes a diagnostic."""
    try:
        return act()
    except Exception as error:
        if torch.empty(0).is_meta and isinstance(error, (RuntimeError, NotImplementedError)):
            raise _NeedsNumbersError from error
        raise DiagnosticError(complain(error, _place(error))) from error
    except SystemExit as ended:  # it would end this command too, and in silence
        told = RuntimeError(f"it ended the process: SystemExit({ended.code!r})")
        raise DiagnosticError(complain(told, _place(ended))) from ended


def _place(error: BaseException) -> str:
    """Where the author's own code raised; the last frame of all where none is theirs."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(("<", *_folders()))]
    frame = (own or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"


@cache
def _folders() -> tuple[str, ...]:
    specs = (find_spec(name) for name in PACKAGES)
    return tuple(f"{folder}/" for spec in specs if spec for folder in spec.submodule_search_locations or ())


def _text(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _check_source(source: ModelSource, data: DataFacts) -> None:
    if source.kind == "torchvision":
        _check_torchvision(source.name)
    if source.kind == "python":
        _check_factory(source.name, source.given(), data)


def _check_torchvision(name: str) -> None:
    from torchvision import models

    names = models.list_models(module=models)  # the models of classification, and not those of its other modules
    if name.lower() not in names:
        _refuse(catalogue.UnknownTorchvisionModel(name=name, meant=closest(name, names)))


def _check_factory(name: str, arguments: Mapping[str, Any], data: DataFacts) -> None:
    def complain(error: Exception, place: str) -> Diagnostic:
        refused = refusal_of(error, name)
        if refused is not None:
            return refused
        if isinstance(error, (ImportError, AttributeError, ValueError, TypeError, SyntaxError)):
            return catalogue.FactoryNotFound(name=name, reason=str(error))
        return catalogue.FactoryFailed(name=name, error=_text(error), place=place)

    factory = _guarded(lambda: find_factory(name), complain)
    given = offered_arguments(factory, arguments, data.num_classes)
    try:
        signature(factory).bind(**given)
    except TypeError as error:
        _refuse(catalogue.WrongArguments(name=name, detail=str(error)))


def _check_parameters(source: ModelSource, model: nn.Module) -> None:
    parameters = dict(model.named_parameters())
    if not parameters:
        _refuse(catalogue.NoParameters(name=source.name))
    lazy = tuple(name for name, parameter in parameters.items() if is_lazy(parameter))
    if lazy:
        _refuse(catalogue.LazyParameters(name=source.name, parameters=lazy))


def _check_state(source: ModelSource, model: nn.Module) -> None:
    kept = nn.Module.get_extra_state
    modules = model.named_modules()
    own = tuple(path or "the model itself" for path, m in modules if type(m).get_extra_state is not kept)
    if own:
        _refuse(catalogue.ExtraState(name=source.name, modules=own))


def _check_output(source: ModelSource, model: nn.Module, data: DataFacts) -> None:
    def complain(error: Exception, place: str) -> Diagnostic:
        shape = data.image_shape
        return catalogue.ForwardFailed(name=source.name, image_shape=shape, error=_text(error), place=place)

    images = torch.zeros(NUM_IMAGES, *data.image_shape)
    output = _guarded(lambda: model(images), complain)
    found = _described(output)
    outputs = _outputs(source)
    wanted = [NUM_IMAGES, data.num_classes] if outputs is None else [outputs, NUM_IMAGES, data.num_classes]
    if found != str(wanted):
        _refuse(catalogue.WrongOutput(name=source.name, found=found, num_classes=data.num_classes))


def _described(output: object) -> str:
    if isinstance(output, torch.Tensor):
        return str(list(output.shape))
    return f"a {type(output).__name__}"


def _refuse(diagnostic: Diagnostic) -> NoReturn:
    raise DiagnosticError(diagnostic)
