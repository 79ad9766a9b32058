"""The share graph: who owns which scalars, and how each layer's weight is made of them.

Frozen nodes in tuples, referring to each other by id. A graph grows from pass to pass: what a pass has not yet made is
an empty tuple. Ids: a layer is `member.path`; a cluster `c0`, `c1`, ... in cluster order; a level and its bank
`c0.0`, `c0.1`, ...; a slot `member.path#level`; a coefficient is named after the first slot that uses it.
Layers of a graph are only those that a share block with a composing policy took; all else is `private`.
"""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from swc.program.expressions import Expression, Shape
from swc.program.model_source import ModelSource
from swc.program.program import Start, TensorRole


@frozen
class MemberNode:
    """An ensemble member and where its torch module comes from; `host` names the member whose module serves it."""

    name: str
    source: ModelSource
    host: str = ""


LayerKind = Literal["conv", "grouped", "transposed", "linear", "embedding", "parameter", "norm", "head", "bias"]


@frozen
class Layer:
    """A parameter that is shared. `index` counts the shared ones of its member in module order from 0.

    `parameter` is its full name inside the member, and `path` what ids and labels call it: the path of the module whose
    `weight` it is, and the full name of any other. `share` is the number of the share block that took it, `shape` the
    parameter's (outputs, inputs, kernel...; transposed convolutions have inputs first). `fan_in` numbers the inputs
    that each output is summed from, for initialisation.
    """

    # `shallow.block1.0.conv1`, its weight 32x16x3x3: index 1 if one shared layer of `shallow` comes before it.
    id: str
    member: str
    path: str
    index: int
    kind: LayerKind
    shape: Shape
    share: int
    # not compared, so that graphs have the hashes by which older programs know them; id and shape settle both
    parameter: str = field(eq=False)
    fan_in: int = field(eq=False)


@frozen
class Private:
    """A parameter a member keeps for itself, by its full name; `reason` in the words `swc show` uses.

    It begins with the values of that of the member `like` ("": with its own).
    """

    member: str
    path: str
    shape: Shape
    reason: str
    like: str = ""


@frozen
class Cluster:
    """A SuperWeight cluster: layers (ids, by member then index) that draw on the same templates.

    `label` says where it comes from, e.g. `3x3 bin 2`, `3x3 bin 2, group 1`.
    """

    id: str
    share: int
    label: str
    layers: tuple[str, ...]


@frozen
class Piece:
    """A block of a level: `shape` (outputs, inputs, kernel...) placed at `origin` (output, input) of the weight."""

    # The pieces of a level, one behind the other, are one template: 16x16x3x3 at (16, 0) is 2,304 scalars.
    shape: Shape
    origin: tuple[int, int]


@frozen
class Level:
    """What a level adds to the tensor built so far (docs/explanation/method.md).

    `pieces` lie one after the other in the level's SuperWeight; `keep` is the leading (outputs, inputs) part of the
    earlier levels that survives this level's crop (None: all of it).
    """

    id: str
    cluster: str
    index: int
    pieces: tuple[Piece, ...]
    # (48, 16): of what the earlier levels built, outputs from 48 on are cut off before the pieces are added.
    keep: tuple[int, int] | None = None


@frozen
class Bank:
    """The templates of one level: `num_templates` of `template_size` scalars (docs/explanation/method.md)."""

    id: str
    # in scalars; the bank's product is [slots, num_templates] @ [num_templates, template_size]
    template_size: int
    num_templates: int
    # inputs times kernel of the largest layer that reads it: templates start with variance 2 / fan_in
    fan_in: int


@frozen
class Coefficient:
    """A coefficient vector of one bank, shared by all slots that name it."""

    id: str
    bank: str


@frozen
class Slot:
    """One (member, layer, level): a row of its bank's product."""

    id: str
    # `shallow.block1.0.conv1#1` is level 1 of that layer: one row of the product of its bank, here `c0.1`.
    layer: str
    bank: str
    coefficient: str
    # a fixed factor of the coefficients (`swc.compiler.passes.levels`); hashes leave it out where it is 1
    gain: float = 1.0


@frozen
class Tensor:
    """A stored tensor that weight expressions read (for policies that keep tensors instead of templates)."""

    id: str
    shape: Shape
    fan_in: int
    # `role` says whose weight decay and which line of the budget it is; `rate` multiplies its learning rate
    start: Start = "kaiming"
    role: TensorRole = "tensors"
    rate: float = 1.0


@frozen
class Weight:
    """What a layer's weight is."""

    layer: str
    expression: Expression


@frozen
class Graph:
    """The share graph of one revision."""

    ensemble: str
    revision: int
    phase: str
    members: tuple[MemberNode, ...] = ()
    layers: tuple[Layer, ...] = ()
    private: tuple[Private, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    levels: tuple[Level, ...] = ()
    banks: tuple[Bank, ...] = ()
    coefficients: tuple[Coefficient, ...] = ()
    slots: tuple[Slot, ...] = ()
    tensors: tuple[Tensor, ...] = ()
    weights: tuple[Weight, ...] = ()
