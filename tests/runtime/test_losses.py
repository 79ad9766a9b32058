"""Losses: their formulas, sums over images that can be cut anywhere, and what is said of one that is no sum."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from swc.program.training import Loss
from swc.registry.losses import LOSSES
from torch import Tensor

from swc_runtime.training.losses import loss_of

LABELS = torch.tensor([0, 2, 1, 1, 0, 2, 2])


def logits(scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return scale * torch.randn(len(LABELS), 3, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs_to_the_bit(smoothing: float) -> None:
    found = loss_of(Loss.of(label_smoothing=smoothing))(logits().float(), LABELS)
    assert torch.equal(found, F.cross_entropy(logits().float(), LABELS, reduction="sum", label_smoothing=smoothing))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_is_its_formula(gamma: float) -> None:
    expected = 0.0
    for row, label in zip(logits().softmax(-1).tolist(), LABELS.tolist(), strict=True):
        expected -= (1 - row[label]) ** gamma * float(torch.tensor(row[label], dtype=torch.float64).log())
    assert float(loss_of(Loss.of("focal", gamma=gamma))(logits(), LABELS)) == pytest.approx(expected, rel=1e-12)


def test_focal_with_gamma_zero_is_cross_entropy() -> None:
    free = [logits().requires_grad_(), logits().requires_grad_()]
    found = [loss_of(one)(own, LABELS) for one, own in zip((Loss.of("focal", gamma=0), Loss()), free, strict=True)]
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(*(torch.autograd.grad(one, own)[0] for one, own in zip(found, free, strict=True)))


@pytest.mark.parametrize("gamma", [0.01, 0.5, 1.0, 2.0])
def test_focal_bears_images_that_are_certain(gamma: float) -> None:
    certain = (1e4 * F.one_hot(LABELS, 3).float()).requires_grad_()  # p is 1 to the last bit
    found = loss_of(Loss.of("focal", gamma=gamma))(certain, LABELS)
    (gradient,) = torch.autograd.grad(found, certain)
    assert float(found.detach()) == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))


def targets(name: str) -> Tensor:
    """Classes [B], or three numbers or labels for each image [B, C], as the task of a loss has them."""
    return LABELS if LOSSES[name].task == "classification" else F.one_hot(LABELS, 3).double()


@pytest.mark.parametrize("name", LOSSES.names)
def test_parts_of_a_batch_add_up(name: str) -> None:
    loss, wanted = loss_of(Loss.of(name)), targets(name)
    parts = sum(loss(logits()[part], wanted[part]) for part in (slice(0, 3), slice(3, 4), slice(4, None)))
    torch.testing.assert_close(parts, loss(logits(), wanted))


@pytest.mark.parametrize("name", LOSSES.names)
def test_gradients_are_those_of_differences(name: str) -> None:
    assert torch.autograd.gradcheck(lambda own: loss_of(Loss.of(name))(own, targets(name)), logits().requires_grad_())


def test_a_loss_that_is_no_sum_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swc_runtime.training.losses.focal", lambda own, labels, gamma: own.sum(-1))
    with pytest.raises(ValueError, match=r"the loss `focal` gives the shape \[7\], not one number"):
        loss_of(Loss.of("focal"))(logits(), LABELS)
