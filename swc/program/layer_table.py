"""Layer tables: what the compiler knows of a member's torch module, as plain data.

Guarantees: layers and parameters stand in the module's own order; every parameter of the module is listed once.
"""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

Kind = Literal["conv", "linear", "norm", "other"]


@frozen
class LayerRow:
    """A module that owns parameters.

    `shape` is the weight's (outputs, inputs / groups, kernel...); () where there is none. `sharable` is false for
    grouped and transposed convolutions, tied modules and the classifier, and `obstacle` says which.
    """

    path: str
    kind: Kind
    shape: tuple[int, ...]
    groups: int = 1
    sharable: bool = True
    obstacle: str = ""


@frozen
class ParameterRow:
    """A parameter by its full name (say `block1.0.bn1.bias`), its shape and the role it plays."""

    name: str
    shape: tuple[int, ...]
    role: Literal["weight", "bias", "norm", "head"]


@frozen
class LayerTable:
    """A member as the compiler sees it; members of one source have equal tables but for the name.

    `multiply_adds` are those of one image, counted where the member's code is not ours, so that it need not run again
    to be counted; None where nobody counted.
    """

    member: str
    layers: tuple[LayerRow, ...]
    parameters: tuple[ParameterRow, ...]
    multiply_adds: int | None = field(default=None, eq=False)
