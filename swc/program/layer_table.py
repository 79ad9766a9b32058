"""Layer tables: what the compiler knows of a member's torch module, as plain data.

Guarantees: parameters stand in the module's own order, and each is listed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal

from attrs import field, frozen

Kind = Literal[
    "conv", "grouped", "transposed", "linear", "projection", "embedding", "plain", "norm", "recurrent", "other"
]
Axis = Literal["outputs", "inputs", "kernel", "plain"]
CLASSIFIER, NORMALISATION, BIAS = ROLE_OBSTACLES = ("classifier", "normalisation", "bias")


@frozen
class ParameterRow:
    """A parameter by its full name (say `block1.0.bn1.bias`), and what the compiler may do with it.

    `owner` is the path of the module that holds it. `path` is what ids call it: the owner's path where it is the
    owner's `weight`, and the full name for any other. `axes` say what each axis of `shape` stands for: a convolution
    has (outputs, inputs / groups, kernel...), a transposed one (inputs, outputs / groups, kernel...), an embedding
    (inputs, outputs), for its rows are chosen by the input; `plain` axes are unknown.

    It can be shared where `obstacle` is "", and by a block for its role where it is one of `ROLE_OBSTACLES`. Where
    `aside` is not "", it is shared only if it is asked for by name; both say why. `part_of` is the larger module of
    torch's that it belongs to, where a selector takes that as a whole.
    """

    name: str
    shape: tuple[int, ...]
    role: Literal["weight", "bias", "norm", "head"]
    owner: str
    path: str
    kind: Kind
    axes: tuple[Axis, ...]
    groups: int = 1
    part_of: Literal["", "attention"] = ""
    obstacle: str = ""
    aside: str = ""

    @property
    def is_sharable(self) -> bool:
        """Whether it can be shared at all."""
        return not self.obstacle


@frozen
class LayerTable:
    """A member as the compiler sees it; members of one source have equal tables but for the name.

    `multiply_adds` are those of one image, counted where the member's code is not ours, so that it need not run again
    to be counted; None where nobody counted.
    """

    member: str
    parameters: tuple[ParameterRow, ...]
    multiply_adds: int | None = field(default=None, eq=False)


def is_bias(name: str) -> bool:
    """Whether a parameter of a module is a bias, by how torch names them: `bias`, `in_proj_bias`, `bias_ih_l0`."""
    return name.endswith("bias") or name.startswith("bias_")


def id_of(member: str, path: str) -> str:
    """The id of what is at `path` in a member; a member that is itself a layer has the empty path."""
    return f"{member}.{path}" if path else member


SINCE_SHARABLE = (  # what tables of older versions say of parameters that could not be shared then
    "neither convolution nor linear layer",
    "grouped convolution",
    "depthwise convolution",
    "transposed convolution",
)


def are_same_members(first: Sequence[LayerTable], second: Sequence[LayerTable]) -> bool:
    """Whether tables are of the same members: equal names, shapes and roles, and the same parameters can be shared.

    What only a later version can share makes no difference: a run goes on with the table that it was begun with.
    """
    tables = list(zip_longest(first, second))
    if any(one is None or other is None or one.member != other.member for one, other in tables):
        return False
    rows = (pair for one, other in tables for pair in zip_longest(one.parameters, other.parameters))
    return all(one is not None and other is not None and _is_same(one, other) for one, other in rows)


def _is_same(one: ParameterRow, other: ParameterRow) -> bool:
    if (one.name, one.shape, one.role) != (other.name, other.shape, other.role):
        return False
    is_older = one.obstacle in SINCE_SHARABLE or other.obstacle in SINCE_SHARABLE
    return is_older or one.is_sharable == other.is_sharable
