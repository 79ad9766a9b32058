"""Every network in an order of its own: what it sees, and what a step makes of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from attrs import evolve
from swc.program.datasets import DataFacts
from swc.program.steps import StepPlan
from torch import Tensor

from support.programs import ensemble_of, images, tiny_program
from swc_runtime.data import EpochPlan, epoch_reads, own_batches, own_seed
from swc_runtime.data.splits import MemorySplit
from swc_runtime.ensemble import state_parameters
from swc_runtime.precision import Arithmetic
from swc_runtime.training.reduction import StepCounts
from swc_runtime.training.steps import STEPS, Batch, StepOptions
from swc_runtime.training.trainer import Tally

DOUBLE = Arithmetic("cpu", torch.float64, "tests")
OWN = StepPlan("independent", (("average", False), ("batches", "own")))
FACTS = DataFacts("mine", 10, (1, 2, 2), 23, 5, (0.5,), (0.2,))


def orders(epoch: int, *names: str, start: int = 0) -> list[list[int]]:
    """The images that each member sees in an epoch, one after another."""
    split = MemorySplit(FACTS, torch.zeros(23, 1, 2, 2, dtype=torch.uint8), torch.arange(23))
    each = [epoch_reads(split, EpochPlan((), 5, own_seed(3, name), 0, epoch, start)) for name in names]
    drawn = [step.by_network for step in own_batches(split, each)]
    return [torch.cat([labels for _, labels in seen]).tolist() for seen in zip(*drawn, strict=True)]


def test_every_member_sees_all_images_in_an_order_of_its_own() -> None:
    deep, wide = orders(0, "deep", "wide")
    assert sorted(deep) == sorted(wide) == list(range(23))
    assert deep != wide
    assert orders(1, "deep", "wide") != [deep, wide]


def test_an_order_depends_on_the_name_alone_and_can_be_entered_anywhere() -> None:
    (deep,), (wide, again) = orders(0, "deep"), orders(0, "wide", "deep")
    assert again == deep
    assert orders(0, "deep", "wide", start=2) == [deep[10:], wide[10:]]


def batch_of(seed: int, num: int = 6) -> Batch:
    labels = torch.randint(0, 2, (num,), generator=torch.Generator().manual_seed(seed))
    return Batch(images(num, seed, torch.float64), labels)


def gradients_of(loss: Tensor, parameters: dict[str, torch.nn.Parameter]) -> dict[str, Tensor]:
    found = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return {name: g for name, g in zip(parameters, found, strict=True) if g is not None}


def test_a_step_is_each_member_on_its_own_batch() -> None:
    program = evolve(tiny_program([(1, 4, 4, 6), (1, 6, 6, 7)]), step=OWN)
    first, second = batch_of(0), batch_of(1)
    ensemble, plain = ensemble_of(program).double(), ensemble_of(program).double()
    outcome = STEPS["independent"](ensemble, evolve(first, own=(first, second)), StepOptions(DOUBLE, norm_batch=3))
    losses, hits = [], []
    with plain.composed():
        for member, own in zip(plain.members, (first, second), strict=True):
            parts = [member(part) for part in own.inputs.split(3)]
            losses.append(F.cross_entropy(torch.cat(parts), own.labels))
            hits.append(int((torch.cat(parts).argmax(-1) == own.labels).sum()))
        expected = gradients_of(sum(losses), state_parameters(plain))
    for name, gradient in expected.items():
        torch.testing.assert_close(state_parameters(ensemble)[name].grad, gradient)
    torch.testing.assert_close(outcome.losses, torch.stack(losses).detach())
    assert outcome.hits.tolist() == hits
    assert outcome.images.tolist() == [6, 6]


def test_the_ensemble_is_not_counted_where_members_see_different_images() -> None:
    program = evolve(tiny_program([(1, 4, 4, 6), (1, 6, 6, 7)]), step=OWN)
    ensemble = ensemble_of(program).double()
    tally, batch = Tally.empty(2), evolve(batch_of(0), own=(batch_of(0), batch_of(1)))
    tally.add(StepCounts.of(STEPS["independent"](ensemble, batch, StepOptions(DOUBLE)), batch.labels, ensemble))
    assert tally.result().ensemble is None
    assert tally.result().images == 6
