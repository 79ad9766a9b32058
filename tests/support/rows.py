"""Rows of layer tables, written down without torch."""

from __future__ import annotations

from typing import Any, get_args

from swc.program.layer_table import Axis, Kind, ParameterRow

AXES: dict[str, tuple[Axis, ...]] = {
    "conv": ("outputs", "inputs", "kernel", "kernel"),
    "grouped": ("outputs", "inputs", "kernel", "kernel"),
    "transposed": ("inputs", "outputs", "kernel", "kernel"),
    "linear": ("outputs", "inputs"),
    "projection": ("outputs", "inputs"),
    "embedding": ("inputs", "outputs"),
}
assert set(AXES) <= set(get_args(Kind))


def weight(owner: str, kind: Kind, shape: tuple[int, ...], local: str = "weight", **more: Any) -> ParameterRow:
    """A module's weight, or a parameter of the module that has another name, which it is then called by."""
    name = f"{owner}.{local}".lstrip(".")
    path = owner if local == "weight" else name
    axes = AXES.get(kind, ("plain",) * len(shape))
    return ParameterRow(name, shape, more.pop("role", "weight"), owner, path, kind, axes, **more)


def bias(owner: str, size: int) -> ParameterRow:
    """A bias."""
    return weight(owner, "other", (size,), "bias", role="bias", obstacle="bias")


def norm(owner: str, size: int) -> tuple[ParameterRow, ParameterRow]:
    """The scale and the shift of a norm."""
    told: dict[str, Any] = {"role": "norm", "obstacle": "normalisation"}
    return weight(owner, "norm", (size,), **told), weight(owner, "norm", (size,), "bias", **told)


def head(owner: str, classes: int, inputs: int) -> tuple[ParameterRow, ParameterRow]:
    """A linear classifier."""
    told: dict[str, Any] = {"role": "head", "obstacle": "classifier"}
    return weight(owner, "linear", (classes, inputs), **told), weight(owner, "other", (classes,), "bias", **told)
