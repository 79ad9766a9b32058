"""Walking a torch module: which layers and parameters it has, and which layers may be shared.

Takes an `nn.Module`, gives a `LayerTable`. Guarantees: layers and parameters in the module's own order, each once;
what may not be shared says why. Imports torch, so it is itself imported late.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.parametrize import ParametrizationList, is_parametrized

from swc.program.layer_table import Kind, LayerRow, LayerTable, ParameterRow

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
Role = Literal["weight", "bias", "norm", "head"]


def table_of(model: nn.Module, num_classes: int, member: str = "", outputs: int | None = None) -> LayerTable:
    """The layer table of a module with `num_classes` outputs; `outputs` times as many where it is a joint one."""
    heads = _heads(model, num_classes, outputs)
    tied = _tied_modules(model)
    owners = [(path, module) for path, module in model.named_modules() if module._parameters]
    layers = tuple(
        _row(path, module, _obstacle(module, path in heads, id(module) in tied))
        for path, module in model.named_modules()
        if _own(module) or is_parametrized(module)
        if not isinstance(module, ParametrizationList)  # it belongs to the layer it stands in
    )
    roles = {id(p): _role(path, module, name, heads) for path, module in owners for name, p in _own(module)}
    roles |= dict.fromkeys(_held_twice(model), "weight")  # no norm's or head's own, to be shared as such
    parameters = tuple(ParameterRow(name, tuple(p.shape), roles[id(p)]) for name, p in model.named_parameters())
    return LayerTable(member, layers, parameters)


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


def _row(path: str, module: nn.Module, obstacle: str) -> LayerRow:
    kind = _kind(module)
    weight = module._parameters.get("weight")
    shape = () if weight is None else tuple(weight.shape)
    sharable = kind in ("conv", "linear") and not obstacle
    groups = module.groups if isinstance(module, _ConvNd) else 1
    return LayerRow(path, kind, shape, groups, sharable, obstacle or _unsharable_kind(kind))


def _kind(module: nn.Module) -> Kind:
    if isinstance(module, _ConvNd):
        return "conv"
    if isinstance(module, nn.Linear):
        return "linear"
    return "norm" if isinstance(module, NORMS) else "other"


def _unsharable_kind(kind: Kind) -> str:
    return {"conv": "", "linear": "", "norm": "normalisation"}.get(kind, "neither convolution nor linear layer")


def _obstacle(module: nn.Module, is_head: bool, is_tied: bool) -> str:
    if is_head:
        return "classifier"
    if is_tied:
        return "tied to another module"
    if not isinstance(module, (_ConvNd, nn.Linear)):
        return ""
    if module._parameters.get("weight") is None:
        return "weight is parametrised"
    if not module.weight.requires_grad:
        return "weight is frozen"
    return _conv_obstacle(module) if isinstance(module, _ConvNd) else ""


def _conv_obstacle(module: _ConvNd) -> str:
    if isinstance(module, _ConvTransposeNd):
        return "transposed convolution"
    if module.groups == 1:
        return ""
    return "depthwise convolution" if module.groups == module.in_channels else "grouped convolution"


def _tied_modules(model: nn.Module) -> set[int]:
    """The modules that stand at two paths, or hold a parameter that another holds too, by identity."""
    places = Counter(id(m) for _, m in model.named_modules(remove_duplicate=False))
    twice = {module for module, count in places.items() if count > 1}
    held = _held_twice(model)
    return twice | {id(m) for m in model.modules() if any(id(p) in held for _, p in _own(m))}


def _held_twice(model: nn.Module) -> set[int]:
    """The parameters that several modules hold, by identity."""
    uses = Counter(id(p) for m in model.modules() for _, p in _own(m))
    return {parameter for parameter, count in uses.items() if count > 1}


def _role(path: str, module: nn.Module, name: str, heads: frozenset[str]) -> Role:
    if path in heads:
        return "head"
    if isinstance(module, NORMS):
        return "norm"
    return "bias" if name.endswith("bias") else "weight"
