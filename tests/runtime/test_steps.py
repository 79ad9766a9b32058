"""Step strategies against the sums they stand for."""

from __future__ import annotations

from math import isnan

import pytest
import torch
import torch.nn.functional as F
from attrs import evolve
from swc.program import vocabulary
from swc.program.program import Program
from swc.program.steps import StepPlan
from torch import Tensor

from support.programs import ensemble_of, images, tiny_program
from swc_runtime.ensemble import Ensemble, state_parameters
from swc_runtime.precision import Arithmetic
from swc_runtime.training.reduction import StepCounts
from swc_runtime.training.steps import LEAVES_NORMS, STEPS, Batch, Outcome, StepOptions
from swc_runtime.training.steps.sandwich import drawn
from swc_runtime.training.trainer import Tally

DOUBLE = Arithmetic("cpu", torch.float64, "tests")
NARROW, MIDDLE, WIDE = (1, 4, 4, 6), (1, 5, 5, 6), (1, 6, 6, 7)


def program_of(step: str, *members: tuple[int, ...], **arguments: int | bool) -> Program:
    return evolve(tiny_program(members), step=StepPlan(step, tuple(sorted(arguments.items()))))


def batch_of(num: int, seed: int = 0) -> Batch:
    labels = torch.randint(0, 2, (num,), generator=torch.Generator().manual_seed(seed))
    return Batch(images(num, seed, torch.float64), labels, seed=seed)


def stepped(program: Program, batch: Batch) -> tuple[Outcome, dict[str, Tensor]]:
    ensemble = ensemble_of(program).double()
    outcome = STEPS[program.step.name](ensemble, batch, StepOptions(DOUBLE))
    return outcome, gradients(ensemble)


def gradients(ensemble: Ensemble) -> dict[str, Tensor]:
    return {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in state_parameters(ensemble).items()}


def agree(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=lambda text, name=name: f"{name}: {text}")


def test_the_registry_is_the_vocabularys() -> None:
    assert set(STEPS) == set(vocabulary.STEPS)
    assert set(LEAVES_NORMS) <= set(STEPS)


def test_the_mean_of_the_losses_scales_the_gradients_of_their_sum() -> None:
    batch = batch_of(6)
    summed, whole = stepped(program_of("independent", NARROW, WIDE, average=False), batch)
    mean, halved = stepped(program_of("independent", NARROW, WIDE, average=True), batch)
    assert torch.equal(summed.losses, mean.losses)
    agree(halved, {name: gradient / 2 for name, gradient in whole.items()})


def test_a_split_batch_asks_each_member_for_its_own_images() -> None:
    batch, program = batch_of(7), program_of("split", NARROW, WIDE)
    outcome, found = stepped(program, batch)
    plain = ensemble_of(program).double()
    with plain.composed():
        first = F.cross_entropy(plain.members[0](batch.inputs[:3]), batch.labels[:3], reduction="sum")
        second = F.cross_entropy(plain.members[1](batch.inputs[3:]), batch.labels[3:], reduction="sum")
        ((first + second) / 7).backward()
    agree(found, gradients(plain))
    assert outcome.images.tolist() == [3, 4]
    torch.testing.assert_close(outcome.losses, torch.stack([first, second]).detach() / 7)
    assert outcome.votes is None


@pytest.mark.parametrize("distil", [False, True])
def test_a_sandwich_is_the_largest_the_smallest_and_some_between(distil: bool) -> None:
    program, batch = program_of("sandwich", MIDDLE, WIDE, NARROW, random=1, distil=distil), batch_of(6)
    outcome, found = stepped(program, batch)
    plain = ensemble_of(program).double()
    with plain.composed():
        wide = plain.members[1](batch.inputs)
        others = [plain.members[0](batch.inputs), plain.members[2](batch.inputs)]
        loss = F.cross_entropy(wide, batch.labels)
        target = wide.detach().softmax(-1) if distil else batch.labels
        (loss + sum(F.cross_entropy(other, target) for other in others)).backward()
    agree(found, gradients(plain))
    assert outcome.images.tolist() == [6, 6, 6]


def test_a_member_that_is_not_drawn_sees_nothing() -> None:
    program = program_of("sandwich", MIDDLE, WIDE, NARROW, random=0, distil=True)
    outcome, found = stepped(program, batch_of(6))
    assert outcome.images.tolist() == [0, 6, 6]
    assert outcome.losses[0] == outcome.hits[0] == 0
    assert not any(gradient.any() for name, gradient in found.items() if name.startswith("member/m0/"))


def test_what_a_member_has_that_was_never_drawn_is_no_number() -> None:
    program, batch = program_of("sandwich", MIDDLE, WIDE, NARROW, random=0, distil=True), batch_of(6)
    tally = Tally.empty(3)
    tally.add(StepCounts.of(stepped(program, batch)[0], batch.labels, ensemble_of(program)))
    result = tally.result()
    assert isnan(result.losses[0]) and isnan(result.accuracies[0])
    assert result.loss == sum(result.losses[1:])
    assert result.mean_counted == sum(result.accuracies[1:]) / 2


def test_draws_depend_on_the_seed_alone_and_reach_everyone() -> None:
    program = program_of("sandwich", NARROW, (1, 4, 5, 6), MIDDLE, (1, 5, 6, 6), WIDE, random=2, distil=True)
    seen: set[int] = set()
    for seed in range(30):
        hosts = [network.host for network in drawn(program, 2, seed)]
        assert hosts == [network.host for network in drawn(program, 2, seed)]
        assert (hosts[0], hosts[-1], len(hosts)) == (4, 0, 4)
        seen.update(hosts)
    assert seen == {0, 1, 2, 3, 4}
