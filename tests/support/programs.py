"""Small programs made by hand, so that the runtime's tests need no compiler."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import torch
from attrs import evolve, frozen
from swc.program.datasets import DATASETS
from swc.program.expressions import Combine, Concat, Expression, Shape, Slice, Stored
from swc.program.model_source import ModelSource
from swc.program.program import (
    SCHEMA,
    BankPlan,
    CoefficientPlan,
    MemberPlan,
    PrivatePlan,
    Program,
    SlotPlan,
    TensorPlan,
    WeightPlan,
)
from torch import Tensor, nn

from swc_runtime.ensemble import Ensemble
from swc_runtime.weights.bank import initial_parts


class Tiny(nn.Module):
    """3x3 convolutions with BatchNorm, then a linear head over two classes."""

    def __init__(self, channels: tuple[int, ...], num_classes: int = 2) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairwise(channels))
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in channels[1:])
        self.head = nn.Linear(channels[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = torch.relu(norm(conv(x)))
        return self.head(x.mean((2, 3)))


def tiny(channels: str, num_classes: int) -> Tiny:
    """The factory that the programs name: `Tiny` from channel numbers written as 1-4-6."""
    return Tiny(tuple(int(number) for number in channels.split("-")), num_classes)


@frozen
class Step:
    """A level in the making: its pieces with their axes, and what is kept of the earlier ones."""

    pieces: tuple[tuple[Shape, int], ...]
    keep: tuple[int, int]

    @property
    def size(self) -> int:
        return sum(prod(shape) for shape, _ in self.pieces)


def chain(shapes: list[Shape]) -> list[Step]:
    steps = [Step(((shapes[0], 0),), (0, 0))]
    have = shapes[0]
    for shape in shapes[1:]:
        keep = (min(have[0], shape[0]), min(have[1], shape[1]))
        pieces = []
        if shape[1] > have[1]:
            pieces.append(((keep[0], shape[1] - have[1], *shape[2:]), 1))
        if shape[0] > have[0]:
            pieces.append(((shape[0] - have[0], *shape[1:]), 0))
        steps.append(Step(tuple(pieces), keep))
        have = shape
    return steps


def expression(layer: str, steps: list[Step]) -> Expression:
    made: Expression | None = None
    kept: Shape = ()
    for level, step in enumerate(steps):
        offset = 0
        if made is not None and step.keep != kept[:2]:
            kept = (*step.keep, *kept[2:])
            made = Slice(made, kept)
        for shape, axis in step.pieces:
            part = Combine(f"{layer}#{level}", offset, shape)
            made = part if made is None else Concat(axis, (made, part))
            offset += prod(shape)
            kept = (
                shape
                if not kept
                else (kept[0] + shape[0], kept[1], *shape[2:])
                if axis == 0
                else (kept[0], kept[1] + shape[1], *shape[2:])
            )
    assert made is not None
    return made


CHANNELS = ((1, 4, 4, 6), (1, 6, 6, 5), (1, 3, 8, 8))
CLUSTERS = (("0",), ("1", "2"))


def tiny_program(
    channels: tuple[tuple[int, ...], ...] = CHANNELS,
    clusters: tuple[tuple[str, ...], ...] = CLUSTERS,
    num_templates: int = 2,
    tie: bool = False,
) -> Program:
    """Members of `Tiny`, their convolutions in chain levels; `tie` gives each bank one coefficient."""
    modules = [Tiny(c) for c in channels]
    names = [f"m[{n}]" for n in range(len(channels))]
    banks, coefficients, slots, weights = [], [], [], []
    for c, convs in enumerate(clusters):
        layers = [(m, f"convs.{i}") for m in range(len(channels)) for i in convs]
        shapes = {(m, p): tuple(modules[m].get_submodule(p).weight.shape) for m, p in layers}
        sorted_shapes = sorted(set(shapes.values()), key=lambda s: (prod(s), s))
        steps = chain(sorted_shapes)
        for level, step in enumerate(steps):
            bank = f"c{c}.{level}"
            banks.append(BankPlan(bank, num_templates, step.size, 9 * sorted_shapes[-1][1]))
            own = [(m, p) for m, p in layers if sorted_shapes.index(shapes[m, p]) >= level]
            ids = [f"{names[m]}.{p}#{level}" for m, p in own]
            coefficients += [CoefficientPlan(slot, bank) for slot in (ids[:1] if tie else ids)]
            slots += [
                SlotPlan(slot, names[m], bank, ids[0] if tie else slot) for slot, (m, _) in zip(ids, own, strict=True)
            ]
        for m, p in layers:
            depth = sorted_shapes.index(shapes[m, p]) + 1
            made = expression(f"{names[m]}.{p}", steps[:depth])
            weights.append(WeightPlan(names[m], f"{p}.weight", shapes[m, p], made, f"{names[m]}.{p}"))
    taken = {(w.member, w.path) for w in weights}
    private = [
        PrivatePlan(name, path, tuple(p.shape))
        for name, module in zip(names, modules, strict=True)
        for path, p in module.named_parameters()
        if (name, path) not in taken
    ]
    plans = tuple(
        MemberPlan(name, ModelSource("python", "support.programs:tiny", (("channels", "-".join(map(str, c))),)))
        for name, c in zip(names, channels, strict=True)
    )
    return Program(
        SCHEMA, "tiny", 0, "", "", evolve(DATASETS["digits"], num_classes=2), plans, tuple(banks),
        tuple(coefficients), tuple(slots), (), tuple(weights), tuple(private), None,
    )  # fmt: skip


def of_a_family(program: Program) -> Program:
    """The program as if its members were of a family of ours, whose weights only torch's own layers read."""
    plans = tuple(evolve(plan, source=evolve(plan.source, kind="family", name="wrn")) for plan in program.members)
    return evolve(program, members=plans)


def hard_program() -> Program:
    """Two members whose middle convolution is a slice of one stored tensor."""
    program = tiny_program(((1, 3, 3), (1, 4, 4)), (("0",),))
    stored = TensorPlan("t0", (4, 4, 3, 3), 36)
    weights = tuple(
        WeightPlan(
            f"m[{n}]",
            "convs.1.weight",
            (w, w, 3, 3),
            Slice(Stored("t0", stored.shape), (w, w, 3, 3)),
            f"m[{n}].convs.1",
        )
        for n, w in enumerate((3, 4))
    )
    private = tuple(p for p in program.private if p.path != "convs.1.weight")
    return evolve(program, tensors=(stored,), weights=program.weights + weights, private=private)


def channels_of(program: Program) -> list[tuple[int, ...]]:
    return [tuple(int(n) for n in str(dict(m.source.arguments)["channels"]).split("-")) for m in program.members]


def ensemble_of(program: Program, dtype: torch.dtype = torch.float64) -> Ensemble:
    torch.manual_seed(0)
    modules = [Tiny(c) for c in channels_of(program)]
    return Ensemble(program, initial_parts(program, modules)).to(dtype)


def by_slot(program: Program) -> Program:
    """The program with each slot's coefficients its own."""
    own = tuple(CoefficientPlan(slot.id, slot.bank) for slot in program.slots)
    slots = tuple(evolve(slot, coefficient=slot.id) for slot in program.slots)
    return evolve(program, coefficients=own, slots=slots)


def with_gains(program: Program, gains: tuple[float, ...] = (2.0, 0.75, 1.0, 3.0, 1.25)) -> Program:
    """The program with these gains given to its slots in turn."""
    slots = tuple(evolve(slot, gain=gains[n % len(gains)]) for n, slot in enumerate(program.slots))
    return evolve(program, slots=slots)


def images(num: int = 5, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(num, 1, 6, 6, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def naive_weights(program: Program, ensemble: Ensemble) -> list[Tensor]:
    """Composition written plainly: per slot the sum of alpha_k T_k, then the expression tree."""
    superweights = {}
    for slot in program.slots:
        b = [bank.id for bank in program.banks].index(slot.bank)
        row = [c.id for c in program.coefficients if c.bank == slot.bank].index(slot.coefficient)
        alpha = ensemble.coefficients[b][row]
        superweights[slot.id] = slot.gain * sum(a * t for a, t in zip(alpha, ensemble.banks[b], strict=True))
    stored = {plan.id: t for plan, t in zip(program.tensors, ensemble.tensors, strict=True)}
    return [naive(w.expression, superweights, stored) for w in program.weights]


def naive(e: Expression, superweights: dict[str, Tensor], stored: dict[str, Tensor]) -> Tensor:
    match e:
        case Combine(slot, offset, (o, i, *k)):
            flat = superweights[slot][offset : offset + prod(e.shape)]
            return flat.reshape(o, *k, i).permute(0, 3, 1, 2)
        case Slice(of, (o, i, *_)):
            return naive(of, superweights, stored)[:o, :i]
        case Concat(axis, parts):
            return torch.cat([naive(p, superweights, stored) for p in parts], axis)
        case Stored(tensor, _):
            return stored[tensor]
    raise AssertionError(e)
