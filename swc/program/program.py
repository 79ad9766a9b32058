"""The Program: what the runtime needs to build and train an ensemble, and no more.

Plain frozen data, free of torch. Guarantees: everything is in tuples in a settled order; ids are unique; a bank's
slots are in the order of the rows of its product.
"""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from swc.program.datasets import DataFacts
from swc.program.expressions import Expression, Shape
from swc.program.model_source import ModelSource
from swc.program.steps import StepPlan
from swc.program.task import Task
from swc.program.training import Training
from swc.registry.offers import PlugIn

SCHEMA = 6  # of every file that `swc.files.codec` writes; raised where a class gets a field or another default

Start = Literal["kaiming", "uniform", "normal", "signs", "direction", "ones", "zeros"]
TensorRole = Literal["tensors", "norms", "biases", "fast_weights", "coefficients"]


@frozen
class MemberPlan:
    """A member by name, and how its torch module is built.

    `host` names the member whose module gives this one's predictions too ("": it has a module of its own).
    """

    name: str
    source: ModelSource
    host: str = ""


@frozen
class BankPlan:
    """A bank of `num_templates` templates of `template_size` scalars each.

    `fan_in` is that of the largest layer which uses the bank (inputs x kernel area), for the initialisation.
    """

    id: str
    num_templates: int
    template_size: int
    fan_in: int
    initialisation: Literal["kaiming", "release"] = "kaiming"


@frozen
class CoefficientPlan:
    """A coefficient vector of one bank (as many numbers as the bank has templates)."""

    id: str
    bank: str


@frozen
class SlotPlan:
    """One row of a bank's product: a (member, layer, level) and the coefficients it uses.

    `gain` multiplies the coefficients wherever they are used; it is no parameter. `start_scale` multiplies what they
    begin with, if this slot is the first that uses them.
    """

    id: str
    member: str
    bank: str
    coefficient: str
    # bank of fan-in 576, layer of fan-in 144: sqrt(576 / 144) = 2 brings the deviation of the templates, sqrt(2 / 576),
    # to that of the layer's own, sqrt(2 / 144)
    gain: float = 1.0
    start_scale: float = 1.0


@frozen
class TensorPlan:
    """A stored tensor that weight expressions read, owned once by the ensemble.

    `start` says what it begins with, `role` whose weight decay it has, and `rate` scales its learning rate.
    """

    id: str
    shape: Shape
    fan_in: int
    start: Start = "kaiming"
    role: TensorRole = "tensors"
    rate: float = 1.0


@frozen
class WeightPlan:
    """A composed weight: the parameter `path` of a member (say `block1.0.conv1.weight`) and its expression.

    `layer` is the id of the layer of the share graph that it is the weight of, by which feedback speaks of it.
    """

    member: str
    path: str
    shape: Shape
    expression: Expression
    layer: str


@frozen
class PrivatePlan:
    """A parameter that stays a member's own: norms, heads, biases, layers that were not selected.

    It begins with the values of that of the member `like` ("": with its own).
    """

    member: str
    path: str
    shape: Shape
    like: str = ""


@frozen
class Program:
    """One compiled revision of an ensemble.

    `step` says by which strategy the members run, `plug_ins` where names come from that are not ours. Parameters in
    the roles `frozen` (of `swc_runtime.training.optimiser.roles_of`) get no updates in this revision.
    """

    schema: int
    ensemble: str
    revision: int
    spec_hash: str
    graph_hash: str
    data: DataFacts
    members: tuple[MemberPlan, ...]
    banks: tuple[BankPlan, ...]
    coefficients: tuple[CoefficientPlan, ...]
    slots: tuple[SlotPlan, ...]
    tensors: tuple[TensorPlan, ...]
    weights: tuple[WeightPlan, ...]
    private: tuple[PrivatePlan, ...]
    training: Training | None
    step: StepPlan = StepPlan()
    plug_ins: tuple[PlugIn, ...] = ()
    frozen: tuple[str, ...] = ()

    @property
    def task(self) -> Task:
        """What the members learn to say of an example."""
        return self.data.task
