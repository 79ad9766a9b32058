"""The loss of a tree of members against a naive loop, and where its gradients go."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from swc_runtime.training.steps.hierarchical import distillation, hierarchical_loss, label_losses, nested_ensembles


def case(num_members: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    logits = 2 * torch.randn(num_members, 5, 3, dtype=torch.float64)
    return logits.requires_grad_(), torch.tensor([0, 2, 1, 1, 0])


def test_the_hierarchical_loss_is_that_of_a_naive_loop() -> None:
    logits, labels = case()
    weight, temperature = 0.3, 2.0
    expected = [0.0] * 8
    for image, label in enumerate(labels.tolist()):
        teacher = (sum(logits[m, image] for m in range(8)) / 8 / temperature).softmax(-1)
        for m in range(8):
            expected[m] -= (1 - weight) * logits[m, image].log_softmax(-1)[label].item() / 5
        for last in (0, 1, 3):
            student = (sum(logits[m, image] for m in range(last + 1)) / (last + 1) / temperature).log_softmax(-1)
            expected[last] -= (
                weight * temperature**2 * sum(t * s for t, s in zip(teacher, student, strict=True)).item() / 5
            )
    found = hierarchical_loss(logits, labels, weight, temperature)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_the_teacher_of_a_tree_learns_nothing_from_it() -> None:
    logits, _ = case()
    nested = nested_ensembles(logits)
    distillation(nested[:-1], nested[-1], 2.0).sum().backward()
    assert logits.grad[:4].any(dim=(1, 2)).all()
    assert not logits.grad[4:].any()


def test_a_student_that_agrees_with_its_teacher_is_left_alone() -> None:
    same = torch.randn(1, 4, 3, dtype=torch.float64).expand(4, 4, 3).clone().requires_grad_()
    nested = nested_ensembles(same)
    distillation(nested[:-1], nested[-1], 3.0).sum().backward()
    torch.testing.assert_close(same.grad, torch.zeros_like(same))


def test_without_weight_members_learn_the_labels_alone() -> None:
    logits, labels = case(4)
    found = hierarchical_loss(logits, labels, 0.0, 2.0)
    expected = torch.stack([F.cross_entropy(of_one, labels) for of_one in logits])
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(label_losses(logits, labels), expected)


def test_one_member_has_nothing_to_distil() -> None:
    logits, labels = case(1)
    assert torch.equal(hierarchical_loss(logits, labels, 0.5, 2.0), 0.5 * label_losses(logits, labels))


def test_the_teacher_is_a_constant_to_the_gradient() -> None:
    logits, labels = case(4)
    fixed = nested_ensembles(logits)[-1].detach()

    def loss(free: torch.Tensor) -> torch.Tensor:
        nested = nested_ensembles(free)[:-1]
        return (0.7 * label_losses(free, labels)).sum() + 0.3 * distillation(nested, fixed, 2.0).sum()

    (found,) = torch.autograd.grad(hierarchical_loss(logits, labels, 0.3, 2.0).sum(), logits)
    torch.testing.assert_close(found, torch.autograd.grad(loss(logits), logits)[0])


def test_nested_ensembles_need_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="6 members"):
        nested_ensembles(torch.zeros(6, 1, 2))
