"""Walking a torch module: which parameters it has, what their axes mean, and which of them may be shared.

Takes an `nn.Module`, gives a `LayerTable`. Guarantees: parameters in the module's own order, each once; what may not be
shared says why. Imports torch, so it is itself imported late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import torch
from attrs import frozen
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.parametrize import is_parametrized

from swc.program.layer_table import BIAS, CLASSIFIER, NORMALISATION, Axis, Kind, LayerTable, ParameterRow, is_bias

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")  # of `nn.MultiheadAttention`
DERIVED = ("_g", "_v", "_orig")  # what torch's old weight_norm, spectral_norm and pruning call what they keep
BY_NAME = "shared only where named"  # what no word but a glob takes, as torch has no layer for it
Role = Literal["weight", "bias", "norm", "head"]


@frozen
class ModelFacts:
    """What must be known of a whole model to judge one of its parameters.

    `heads` are paths of classifiers, `tied` modules by identity that stand or hold something twice, `outputs` the last
    linear layers of attention by identity, and `parametrised` paths of modules that torch computes a tensor for.
    """

    heads: frozenset[str]
    tied: frozenset[int]
    outputs: frozenset[int]
    parametrised: tuple[str, ...]


@frozen
class ParameterPlace:
    """A parameter where it stands: its module, that module's path, and its name in there."""

    path: str
    module: nn.Module
    local: str
    parameter: nn.Parameter

    @property
    def name(self) -> str:
        """Its full name."""
        return f"{self.path}.{self.local}" if self.path else self.local


def table_of(model: nn.Module, num_classes: int, member: str = "", outputs: int | None = None) -> LayerTable:
    """The layer table of a module with `num_classes` outputs; `outputs` times as many where it is a joint one."""
    around = ModelFacts(
        heads=_heads(model, num_classes, outputs),
        tied=frozenset(_tied_modules(model)),
        outputs=frozenset(id(m.out_proj) for m in model.modules() if isinstance(m, nn.MultiheadAttention)),
        parametrised=tuple(path for path, module in model.named_modules() if is_parametrized(module)),
    )
    twice = _held_twice(model)
    rows = (_row(place, model, around, id(place.parameter) in twice) for place in _places(model))
    return LayerTable(member, tuple(rows))


def _places(model: nn.Module) -> Iterator[ParameterPlace]:
    """Every parameter once, under its first name, as `named_parameters` has them."""
    seen: set[int] = set()
    for path, module in model.named_modules():
        for local, parameter in _own(module):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield ParameterPlace(path, module, local, parameter)


def _heads(model: nn.Module, num_classes: int, outputs: int | None) -> frozenset[str]:
    """The paths of the classifiers: of a joint network all that have a row for each class, of one output or of all."""
    if outputs is None:
        head = classifier_of(model, num_classes)
        return frozenset() if head is None else frozenset({head})
    sizes = (num_classes, outputs * num_classes)
    return frozenset(
        path
        for path, m in model.named_modules()
        if (isinstance(m, nn.Linear) and m.out_features in sizes)
        or (isinstance(m, _ConvNd) and m.bias is not None and m.out_channels in sizes)
    )


def classifier_of(model: nn.Module, num_classes: int) -> str | None:
    """The path of the last linear layer with one output per class; else of the last convolution, if it has them."""
    linear = [(path, m) for path, m in model.named_modules() if isinstance(m, nn.Linear)]
    heads: list[str] = [path for path, m in linear if m.out_features == num_classes]
    if heads:
        return heads[-1]
    convs = [(path, m) for path, m in model.named_modules() if isinstance(m, _ConvNd)]
    return next((path for path, conv in convs[-1:] if conv.out_channels == num_classes), None)


def _own(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, p) for name, p in module._parameters.items() if p is not None]


def _row(place: ParameterPlace, model: nn.Module, around: ModelFacts, is_held_twice: bool) -> ParameterRow:
    owner = _owner(place, around)
    module = model.get_submodule(owner)
    derived = _derived(place, owner, module)
    is_weight = place.local == "weight" and owner == place.path
    kind = _kind_of_weight(module) if is_weight or derived else _kind_beside(module, place.local)
    role: Role = "weight" if is_held_twice else _role(place, around.heads)  # no norm's or head's own, as it is shared
    shape = tuple(place.parameter.shape)
    obstacle = _obstacle(place, owner, module, derived, around)
    return ParameterRow(
        name=place.name,
        shape=shape,
        role=role,
        owner=owner,
        path=owner if is_weight else place.name,
        kind=kind,
        axes=axes_of(kind, len(shape)),
        groups=module.groups if isinstance(module, _ConvNd) else 1,
        part_of="attention" if kind == "projection" or id(module) in around.outputs else "",
        obstacle=obstacle,
        aside="" if obstacle else _aside(module, kind),
    )


def _owner(place: ParameterPlace, around: ModelFacts) -> str:
    """The path of the module that a parameter belongs to: what a parametrisation keeps is of the module it is for."""
    inner = f"{place.path}."
    above = (path for path in around.parametrised if inner.startswith(f"{path}.parametrizations.".lstrip(".")))
    return max(above, key=len, default=place.path)


def _derived(place: ParameterPlace, owner: str, module: nn.Module) -> str:
    """The tensor that torch computes from this parameter before each use; "" where there is none."""
    if owner != place.path:
        return place.name.removeprefix(f"{owner}.".lstrip(".")).split(".")[1]  # parametrizations.TENSOR. ...
    stems = (place.local.removesuffix(end) for end in DERIVED if place.local.endswith(end))
    held = (stem for stem in stems if module._parameters.get(stem) is None)
    return next((stem for stem in held if isinstance(getattr(module, stem, None), Tensor)), "")


def _kind_of_weight(module: nn.Module) -> Kind:
    """The kind of a module's `weight`."""
    match module:
        case _ConvTransposeNd():
            return "transposed"
        case _ConvNd():
            return "conv" if module.groups == 1 else "grouped"
        case nn.Linear():
            return "linear"
        case nn.Embedding() | nn.EmbeddingBag():
            return "embedding"
        case _:
            return _kind_beside(module, "weight")


def _kind_beside(module: nn.Module, local: str) -> Kind:
    """The kind of any other parameter."""
    if isinstance(module, nn.MultiheadAttention) and local in PROJECTIONS:
        return "projection"
    if isinstance(module, nn.RNNBase):
        return "recurrent"
    if isinstance(module, NORMS):
        return "norm"
    return "other" if local.endswith("bias") else "plain"


def axes_of(kind: Kind, num_axes: int) -> tuple[Axis, ...]:
    """What the axes of a parameter of a kind stand for."""
    kernel: Axis = "kernel"
    match kind:
        case "conv" | "grouped" | "linear" | "projection":
            first: tuple[Axis, ...] = ("outputs", "inputs")
        case "transposed" | "embedding":
            first = ("inputs", "outputs")
        case _:
            first, kernel = (), "plain"
    return (*first, *(kernel for _ in range(num_axes - len(first))))[:num_axes]


def _aside(module: nn.Module, kind: Kind) -> str:
    """Why a parameter that can be shared is shared only where it is asked for by name."""
    if kind == "transposed":
        return "transposed convolution"
    if kind == "grouped":
        return "depthwise convolution" if module.groups == module.in_channels else "grouped convolution"
    return BY_NAME if kind == "plain" else ""


def _obstacle(place: ParameterPlace, owner: str, module: nn.Module, derived: str, around: ModelFacts) -> str:
    """Why a parameter cannot be shared; "" where it can.

    That it has a role, for which a block may ask, is the last of the reasons.
    """
    if id(module) in around.tied or id(place.module) in around.tied:
        return "tied to another module"
    if derived:
        return f"{derived} is parametrised"
    other = _obstacle_of_module(place, module) or _obstacle_of_tensor(place)
    return other or (CLASSIFIER if owner in around.heads else _obstacle_of_role(place, module))


def _obstacle_of_role(place: ParameterPlace, module: nn.Module) -> str:
    """What a parameter is that blocks by a role alone may take."""
    if isinstance(module, NORMS):
        return NORMALISATION
    return BIAS if is_bias(place.local) else ""


def _obstacle_of_module(place: ParameterPlace, module: nn.Module) -> str:
    """What stands in the way in the module that reads the parameter."""
    if isinstance(module, nn.RNNBase) and not is_bias(place.local):
        return "recurrent layer: torch reads its weights from a list that it made once"
    return _obstacle_of_embedding(module) if isinstance(module, EMBEDDINGS) else ""


def _obstacle_of_tensor(place: ParameterPlace) -> str:
    """What stands in the way in the tensor itself."""
    if not place.parameter.requires_grad:
        return f"{place.local} is frozen"
    if place.parameter.dtype != torch.float32:
        return f"{place.local} holds numbers of {place.parameter.dtype}"
    if place.parameter.dim() == 0 or place.parameter.numel() == 0:
        return f"{place.local} is a single number" if place.parameter.dim() == 0 else f"{place.local} is empty"
    return ""


def _obstacle_of_embedding(module: nn.Embedding | nn.EmbeddingBag) -> str:
    """What an embedding does with its weight that a composed one cannot bear."""
    if module.padding_idx is not None:
        return "embedding with a padding row, which must stay as it is"
    if module.max_norm is not None:
        return "embedding with max_norm, which writes into its weight"
    return "embedding with sparse gradients" if module.sparse else ""


def _tied_modules(model: nn.Module) -> set[int]:
    """The modules that stand at two paths, or hold a parameter that another holds too, by identity."""
    places = Counter(id(m) for _, m in model.named_modules(remove_duplicate=False))
    twice = {module for module, count in places.items() if count > 1}
    held = _held_twice(model)
    return twice | {id(m) for m in model.modules() if any(id(p) in held for _, p in _own(m))}


def _held_twice(model: nn.Module) -> set[int]:
    """The parameters that several modules hold, or one under two names, by identity."""
    uses = Counter(id(p) for m in model.modules() for _, p in _own(m))
    return {parameter for parameter, count in uses.items() if count > 1}


def _role(place: ParameterPlace, heads: frozenset[str]) -> Role:
    if place.path in heads:
        return "head"
    if isinstance(place.module, NORMS):
        return "norm"
    return "bias" if place.local.endswith("bias") else "weight"  # recurrent ones stand in a list that torch reads
