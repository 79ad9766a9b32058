"""Building a member's module, to look at it and to ask it: every way it can fail becomes a diagnostic.

Takes a source, the facts of the data and the recipe, gives a `LayerTable` or raises `DiagnosticError` (without spans:
the caller knows the members). Guarantees: a family of ours takes no memory for weights and no arithmetic; another model
is asked for logits in training and in eval mode, for batches of the sizes that a run will have, on the meta device
unless its code asks for numbers; what a factory makes is also trained, kept and taken up again once (`trial.py`).
torch's random numbers are left as they were. Imports torch, so it is itself imported late.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any, Literal, NoReturn, TextIO, TypeVar

import torch
from attrs import evolve, frozen
from torch import nn
from torch._dynamo.eval_frame import OptimizedModule
from torch.nn.parameter import is_lazy

from swc.compiler.frontend.factories import refusal_of
from swc.compiler.frontend.parameters import table_of
from swc.compiler.frontend.size import bounded_size
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue import members as catalogue
from swc.diagnostics.catalogue.trying import NoGradient, NotTrainable, ProbabilitiesForLogits
from swc.diagnostics.suggest import closest
from swc.program.datasets import DataFacts
from swc.program.layer_table import LayerTable
from swc.program.model_source import ModelSource
from swc.program.training import Loss, Recipe
from swc.registry.families import FAMILIES
from swc.registry.model_libraries import LIBRARIES, ModelLibrary
from swc_runtime.data.shares import SMALLEST, part_sizes
from swc_runtime.inputs import blank, tensors_of
from swc_runtime.members.build import model_of
from swc_runtime.members.logits import check_logits
from swc_runtime.members.seeds import seeded
from swc_runtime.models import NoModuleError, find_factory, offered_arguments

T = TypeVar("T")
PACKAGES = ("swc", "swc_runtime", "torch", *LIBRARIES, "importlib")  # whose frames tell an author nothing
NUM_IMAGES = 2  # one image would be too few for BatchNorm
PAST = "its weight is read or changed past the layer"


def examine(
    source: ModelSource,
    data: DataFacts,
    recipe: Recipe | None = None,
    warn: Callable[[Diagnostic], None] = lambda _: None,
    *,
    is_measured: bool = False,
) -> LayerTable:
    """The layer table of a source; `DiagnosticError` where a run could not build, train, keep or export it.

    `warn` is called with what may be a mistake; `is_measured` says that gradients will be taken in eval mode too.
    """
    _check_source(source, data)
    settled = recipe or Recipe("none", loss=Loss.of(data.task.row.loss))
    try:
        table = _examine_on("meta", source, data, settled, batches(settled, data, is_dear=False))
    except _NeedsNumbersError as error:
        asked = dict.fromkeys((*batches(settled, data, is_dear=True), *error.asked))
        table = _examine_on("cpu", source, data, settled, tuple(asked))
    return _tried(source, data, settled, table, warn, is_measured) if source.kind == "python" else table


class _NeedsNumbersError(Exception):
    """The model's own code asks for what the meta device has not: values of tensors, autocast, some operations.

    `asked` is what it was asked for then; that may fail on other devices too.
    """

    def __init__(self, *asked: TrialBatch) -> None:
        self.asked = asked
        super().__init__("the meta device cannot answer")


def _examine_on(
    device: str, source: ModelSource, data: DataFacts, recipe: Recipe, batches: Iterable[TrialBatch]
) -> LayerTable:
    with _quiet(), seeded(recipe.seed), torch.device(device), torch.no_grad():
        with bounded_size():
            model = _built(source, data)
        _check_kind(source, model)
        _check_parameters(source, model)
        _check_state(source, model)
        for asked in batches:
            _check_output(source, model, data, asked)
        return table_of(model, data.num_classes, outputs=_outputs(source))


def _quiet() -> redirect_stdout[TextIO]:
    """The output stream belongs to the command's result."""
    return redirect_stdout(sys.stderr)


@frozen
class TrialBatch:
    """A batch that a model is asked for: so many images, in training or in eval mode."""

    num_images: int
    mode: Literal["training", "eval"]


def batches(recipe: Recipe, data: DataFacts, *, is_dear: bool) -> tuple[TrialBatch, ...]:
    """What a run will ask of a member: the parts of whole and of last batches, and single images in eval mode.

    Where numbers must be computed, small ones alone.
    """
    batch = min(recipe.batch, max(data.num_train, SMALLEST)) if data.num_train else recipe.batch
    last = data.num_train % recipe.batch
    parts = {NUM_IMAGES, *part_sizes(batch, recipe.norm_batch)}
    parts |= set(part_sizes(last, recipe.norm_batch)) if last >= SMALLEST else set()
    shown = {1, NUM_IMAGES, recipe.batch, data.num_test % recipe.batch} - {0}
    if is_dear:
        parts, shown = {NUM_IMAGES, min(parts)}, {1, NUM_IMAGES}
    first = TrialBatch(NUM_IMAGES, "training")
    asked = (
        *(TrialBatch(size, "training") for size in sorted(parts)),
        *(TrialBatch(size, "eval") for size in sorted(shown)),
    )
    return (first, *(one for one in asked if one != first))


def _tried(
    source: ModelSource,
    data: DataFacts,
    recipe: Recipe,
    table: LayerTable,
    warn: Callable[[Diagnostic], None],
    is_measured: bool,
) -> LayerTable:
    """The table once the model was tried; parameters that are read in ways of its own are no longer sharable."""
    from swc_runtime.trial import ActFailedError, Trial, try_member

    shapes = {row.name: row.shape for row in table.parameters}
    sharable = [row for row in table.parameters if row.is_sharable]
    usual, aside = (tuple(row.name for row in sharable if bool(row.aside) is is_aside) for is_aside in (False, True))
    try:
        with _quiet():
            found = try_member(Trial(source, data, shapes, usual, recipe, is_measured, aside))
    except ActFailedError as failed:
        error, name = failed.error, source.name
        told = NotTrainable(name=name, act=failed.act, error=_text(error), place=_own_place(error))
        raise DiagnosticError(told) from error
    if found.silent:
        silent = tuple(row.path for row in sharable if row.name in found.silent)
        warn(NoGradient(name=source.name, layers=silent))
    if found.are_shares and data.task.is_classification:
        warn(ProbabilitiesForLogits(name=source.name))
    rows = (evolve(row, obstacle=PAST, aside="") if row.name in found.past else row for row in table.parameters)
    return evolve(table, parameters=tuple(rows))


def _outputs(source: ModelSource) -> int | None:
    """How many predictions a joint network gives; None for any other."""
    is_joint = source.kind == "family" and FAMILIES[source.name].is_joint
    return int(source.given()["outputs"]) if is_joint else None


def _built(source: ModelSource, data: DataFacts) -> nn.Module:
    def build() -> nn.Module:
        return model_of(source, data)

    def complain(error: Exception, place: str) -> Diagnostic:
        if source.kind == "family" and isinstance(error, ValueError):
            return catalogue.UnbuildableFamily(source=str(source), detail=str(error))
        if isinstance(error, NoModuleError):
            return catalogue.NoModule(name=source.name, found=error.found)
        if source.kind in LIBRARIES and isinstance(error, TypeError):
            return catalogue.WrongArguments(name=source.name, detail=_text(error))
        return catalogue.FactoryFailed(name=source.name, error=_text(error), place=place)

    return _guarded(build, complain)


def _guarded(act: Callable[[], T], complain: Callable[[Exception, str], Diagnostic]) -> T:
    """The result of code that is not ours; whatever it raises becomes a diagnostic."""
    try:
        return act()
    except DiagnosticError:
        raise
    except Exception as error:
        if torch.empty(0).is_meta and (isinstance(error, RuntimeError) or "meta" in str(error)):
            raise _NeedsNumbersError from error
        raise DiagnosticError(complain(error, _place(error))) from error
    except SystemExit as ended:  # it would end this command too, and in silence
        told = RuntimeError(f"it ended the process: SystemExit({ended.code!r})")
        raise DiagnosticError(complain(told, _place(ended))) from ended


def _place(error: BaseException) -> str:
    """Where the author's own code raised; the last frame of all where none is theirs."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return _own_place(error) or f"{Path(frame.filename).name}:{frame.lineno}"


def _own_place(error: BaseException) -> str:
    """Where the author's own code raised; nothing where it was asked only through torch."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(("<", *_folders()))]
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""


@cache
def _folders() -> tuple[str, ...]:
    specs = (find_spec(name) for name in PACKAGES)
    return tuple(f"{folder}/" for spec in specs if spec for folder in spec.submodule_search_locations or ())


def _text(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _check_source(source: ModelSource, data: DataFacts) -> None:
    if source.kind in LIBRARIES:
        _check_named(LIBRARIES[source.kind], source.name)
    if source.kind == "python":
        _check_factory(source.name, source.given(), data)


def _check_named(library: ModelLibrary, name: str) -> None:
    if find_spec(library.name) is None:
        _refuse(catalogue.ModelLibraryMissing(library=library.name, extra=library.extra, name=name))
    names = _models_of(library)
    if name.lower().partition(".")[0] not in names:  # behind a point timm has the name of weights
        meant = closest(name, names)
        _refuse(catalogue.UnknownModel(library=library.name, module=library.module, name=name, meant=meant))


def _models_of(library: ModelLibrary) -> list[str]:
    """The names of its models of classification."""
    module = import_module(library.module)
    found = module.list_models(module=module) if library.name == "torchvision" else module.list_models()
    return [str(name) for name in found]


def _check_factory(name: str, arguments: Mapping[str, Any], data: DataFacts) -> None:
    def complain(error: Exception, place: str) -> Diagnostic:
        refused = refusal_of(error, name)
        if refused is not None:
            return refused
        if isinstance(error, (ImportError, AttributeError, ValueError, TypeError, SyntaxError)):
            return catalogue.FactoryNotFound(name=name, reason=str(error))
        return catalogue.FactoryFailed(name=name, error=_text(error), place=place)

    factory = _guarded(lambda: find_factory(name), complain)
    given = offered_arguments(factory, arguments, data.num_classes, None if data.are_images else data.shape)
    try:
        signature(factory).bind(**given)
    except TypeError as error:
        _refuse(catalogue.WrongArguments(name=name, detail=str(error)))


def _check_parameters(source: ModelSource, model: nn.Module) -> None:
    parameters = dict(model.named_parameters())
    if not parameters:
        _refuse(catalogue.NoParameters(name=source.name))
    lazy = tuple(name for name, tensor in (*parameters.items(), *model.named_buffers()) if is_lazy(tensor))
    if lazy:
        _refuse(catalogue.LazyParameters(name=source.name, parameters=lazy))


def _check_kind(source: ModelSource, model: nn.Module) -> None:
    """Refuse what torch has made of a module: its layers are no longer those that it was written with."""
    made = (torch.jit.ScriptModule, OptimizedModule)
    own = tuple(path or "the model itself" for path, m in model.named_modules() if isinstance(m, made))
    if own:
        _refuse(catalogue.CompiledModel(name=source.name, modules=own))


def _check_state(source: ModelSource, model: nn.Module) -> None:
    kept = nn.Module.get_extra_state
    modules = model.named_modules()
    own = tuple(path or "the model itself" for path, m in modules if type(m).get_extra_state is not kept)
    if own:
        _refuse(catalogue.ExtraState(name=source.name, modules=own))


def _check_output(source: ModelSource, model: nn.Module, data: DataFacts, asked: TrialBatch) -> None:
    def complain(error: Exception, place: str) -> Diagnostic:
        return catalogue.ForwardFailed(
            name=source.name,
            image_shape=data.image_shape,
            inputs="" if data.are_images else data.inputs_text,
            num_images=asked.num_images,
            mode=asked.mode,
            error=_text(error),
            place=place,
        )

    inputs = tensors_of(blank(data, asked.num_images))
    model.train(asked.mode == "training")
    try:
        output = _guarded(lambda: model(*inputs), complain)
    except _NeedsNumbersError as error:
        raise _NeedsNumbersError(asked) from error
    check_logits(output, source, asked.num_images, data.num_classes, mode=asked.mode, outputs=_outputs(source))


def _refuse(diagnostic: Diagnostic) -> NoReturn:
    raise DiagnosticError(diagnostic)
