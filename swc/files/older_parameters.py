"""What files before schema 4 say of parameters, in the words of schema 4.

Takes objects as JSON has them; gives them with what their class has got since. A table listed *layers* beside the names
of parameters, and a weight did not say which layer's it is. Guarantees: what could be shared then, can be; what could
not, for whatever reason, stays private with that reason, though a later version could share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Plain = Mapping[str, Any]
WEIGHT = "weight"  # what a layer could share then, by its name inside the layer
UNSAID = {"groups": 1, "sharable": True, "obstacle": ""}  # of a layer of schema 2 that had the defaults of then


def table_of_parameters(value: Plain) -> dict[str, Any]:
    """`layers` go, and each parameter knows the one it lies in."""
    if "layers" not in value:
        return dict(value)
    layers = {str(layer["path"]): {**UNSAID, **layer} for layer in value["layers"]}
    rows = [_row(row, layers) for row in value["parameters"]]
    return {**{key: part for key, part in value.items() if key != "layers"}, "parameters": rows}


def _row(row: Plain, layers: Mapping[str, Plain]) -> Plain:
    owner = _owner(row["name"], layers)
    layer, local = layers[owner], row["name"].removeprefix(f"{owner}.") if owner else row["name"]
    is_weight = local == WEIGHT
    is_shared = bool(layer["sharable"]) and is_weight
    return {
        **row,
        "owner": owner,
        "path": owner if is_weight else row["name"],
        "kind": layer["kind"],
        "axes": _axes(row["shape"], is_shared=is_shared),
        "groups": layer["groups"],
        "part_of": "",
        "obstacle": "" if is_shared else layer["obstacle"] or _beside(row["role"]),
        "aside": "",
    }


def _beside(role: str) -> str:
    """Why a parameter of a layer that could be shared was not, as it is not its weight."""
    return "bias" if role == "bias" else "not the weight of its layer"


def _axes(shape: Sequence[int], *, is_shared: bool) -> list[str]:
    return ["outputs", "inputs", "kernel", "kernel", "kernel"][: len(shape)] if is_shared else ["plain"] * len(shape)


def _owner(parameter: str, paths: Mapping[str, object]) -> str:
    """The layer that a parameter lies in: the longest path that leads to it ("" is the model itself)."""
    return max((path for path in paths if not path or parameter.startswith(f"{path}.")), key=len)


def weight_of_layer(value: Plain) -> dict[str, Any]:
    """The id of a weight's layer: its module's; a norm's or a head's, whose stored tensor is so called, its own."""
    if "layer" in value:
        return dict(value)
    path, member = value["path"], value["member"]
    place = path if _first_tensor(value["expression"]).endswith(f".{path}") else _module_of(path)
    return {**value, "layer": f"{member}.{place}" if place else member}


def _module_of(path: str) -> str:
    return "" if path == WEIGHT else path.removesuffix(f".{WEIGHT}")


def _first_tensor(expression: Plain) -> str:
    """The stored tensor that an expression reads first; "" where it reads none."""
    while "of" in expression:
        expression = expression["of"]
    return str(expression.get("tensor", ""))
