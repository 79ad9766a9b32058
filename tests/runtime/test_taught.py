"""`step taught` against the sum that it stands for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from attrs import evolve
from swc.program.steps import StepPlan
from torch import Tensor

from support.programs import ensemble_of, images, tiny_program
from swc_runtime.ensemble import Ensemble, state_parameters
from swc_runtime.precision import Arithmetic
from swc_runtime.training.steps import STEPS, Batch, StepOptions

DOUBLE = Arithmetic("cpu", torch.float64, "tests")
PROGRAM = tiny_program(((1, 4, 4, 6), (1, 6, 6, 7)))
BATCH = Batch(images(6), torch.tensor([0, 1, 1, 0, 1, 0]))
TAUGHT_LOGITS = 3 * torch.randn(3, 6, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


def stepped(step: StepPlan, norm_batch: int | None = None) -> tuple[Tensor, dict[str, Tensor], list[int]]:
    """Losses, gradients by id, and how many images the teacher was asked about each time."""
    asked: list[int] = []

    def teacher(shown: Tensor) -> Tensor:
        asked.append(len(shown))
        return TAUGHT_LOGITS

    ensemble = ensemble_of(evolve(PROGRAM, step=step)).train()
    found = STEPS[step.name](ensemble, BATCH, StepOptions(DOUBLE, norm_batch=norm_batch, teacher=teacher))
    return found.losses, gradients(ensemble), asked


def gradients(ensemble: Ensemble) -> dict[str, Tensor]:
    return {name: p.grad for name, p in state_parameters(ensemble).items() if p.grad is not None}


def taught(weight: float, temperature: float) -> StepPlan:
    return StepPlan("taught", (("by", "full"), ("temperature", temperature), ("weight", weight)))


@pytest.mark.parametrize("norm_batch", [None, 3])
@pytest.mark.parametrize(("weight", "temperature"), [(0.7, 4.0), (1.0, 1.0), (0.3, 0.5)])
def test_losses_and_gradients_are_those_of_the_formula(
    weight: float, temperature: float, norm_batch: int | None
) -> None:
    losses, found, asked = stepped(taught(weight, temperature), norm_batch)
    assert asked == [6], "the teacher sees the whole batch, once for all members"
    plain = ensemble_of(PROGRAM).train()
    targets = (TAUGHT_LOGITS / temperature).softmax(-1).mean(0)
    parts = [slice(0, 6)] if norm_batch is None else [slice(0, 3), slice(3, 6)]
    expected = []
    logits = torch.cat([plain(BATCH.inputs[part]) for part in parts], dim=1)
    for own in logits:
        hard = F.cross_entropy(own, BATCH.labels)
        soft = -(targets * (own / temperature).log_softmax(-1)).sum(-1).mean()
        expected.append((1 - weight) * hard + weight * temperature**2 * soft)
    torch.testing.assert_close(losses, torch.stack(expected).detach())
    torch.stack(expected).sum().backward()
    assert gradients(plain).keys() == found.keys()
    for name, gradient in gradients(plain).items():
        torch.testing.assert_close(found[name], gradient)


def test_without_weight_it_is_independent_to_the_bit() -> None:
    losses, found, _ = stepped(taught(0.0, 2.0))
    own_losses, own, asked = stepped(StepPlan())
    assert torch.equal(losses, own_losses) and asked == []
    assert all(torch.equal(found[name], gradient) for name, gradient in own.items())


def test_a_member_that_says_what_its_teacher_says_learns_nothing_from_it() -> None:
    ensemble = ensemble_of(evolve(PROGRAM, step=taught(1.0, 3.0))).train()
    with torch.no_grad():
        own = ensemble_of(PROGRAM).train()(BATCH.inputs)
    STEPS["taught"](ensemble, BATCH, StepOptions(DOUBLE, teacher=lambda _: own[:1]))
    named = state_parameters(ensemble)
    assert named["member/m[0]/head.bias"].grad is not None and named["member/m[1]/head.bias"].grad is not None
    torch.testing.assert_close(named["member/m[0]/head.bias"].grad, torch.zeros(2, dtype=torch.float64))
    assert named["member/m[1]/head.bias"].grad.abs().max() > 1e-3


def test_there_must_be_a_teacher() -> None:
    with pytest.raises(ValueError, match="needs a teacher"):
        STEPS["taught"](ensemble_of(evolve(PROGRAM, step=taught(0.5, 2.0))), BATCH, StepOptions(DOUBLE))
