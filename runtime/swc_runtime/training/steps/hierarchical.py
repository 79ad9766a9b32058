"""The loss of a tree of members: each learns the labels, and the whole teaches the ensembles that come before it.

Takes logits of M = 2^B members in the order in which they are asked; gives one loss per member, whose sum is what is
minimised. Guarantees: no gradient goes into the teacher; with weight 0 these are the members' cross-entropies.

Suffixes: M members, B images, C classes, L nested ensembles.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def hierarchical_loss(logits_MBC: Tensor, labels_B: Tensor, weight: float, temperature: float) -> Tensor:
    """Losses [M], means over the batch: (1 - `weight`) x cross-entropy + `weight` x distillation.

    Distillation is `temperature`^2 times the cross-entropy of an ensemble of the first 1, 2, 4, ..., M / 2 members
    under the predictions of all M, both at that temperature. It counts with the member that completes the ensemble:
    the first, the second, the fourth, .... ValueError where M is not a power of two.

    Source: hierarchical distillation, section 3 of Ruiz and Verbeek, Anytime Inference with Distilled Hierarchical
    Neural Ensembles (AAAI 2021), which has the full ensemble supervise the parts of the tree that small ensembles use;
    the factor for the temperature is that of Hinton et al., 2015. Chosen here: an ensemble's logits are the mean of its
    members', and both terms are sums, over M members and over log2 M ensembles.
    """
    losses_M = (1 - weight) * label_losses(logits_MBC, labels_B)
    nested_LBC = nested_ensembles(logits_MBC)
    distilled_L = distillation(nested_LBC[:-1], nested_LBC[-1], temperature)
    completed_by_L = [2**level - 1 for level in range(len(distilled_L))]
    added_M = torch.zeros_like(losses_M)
    added_M[completed_by_L] = weight * distilled_L
    return losses_M + added_M


def label_losses(logits_MBC: Tensor, labels_B: Tensor) -> Tensor:
    """Each member's cross-entropy [M] with the labels, a mean over the batch."""
    labels_MB = labels_B.expand(logits_MBC.shape[:2])
    return F.cross_entropy(logits_MBC.movedim(-1, 1), labels_MB, reduction="none").mean(dim=1)


def nested_ensembles(logits_MBC: Tensor) -> Tensor:
    """Logits [L, B, C] of the ensembles of the first 1, 2, 4, ..., M members; ValueError unless M is a power of two."""
    num_members = len(logits_MBC)
    if num_members < 1 or num_members & (num_members - 1):
        raise ValueError(
            f"{num_members} members are not the leaves of a binary tree: their number must be a power of two"
        )
    sizes = [2**level for level in range(num_members.bit_length())]
    return torch.stack([logits_MBC[:size].mean(dim=0) for size in sizes])


def distillation(students_LBC: Tensor, teacher_BC: Tensor, temperature: float) -> Tensor:
    """`temperature`^2 x the cross-entropy [L] of each student under the teacher, who learns nothing from it."""
    wanted_BC = F.softmax(teacher_BC.detach() / temperature, dim=-1)
    logs_LBC = F.log_softmax(students_LBC / temperature, dim=-1)
    return -(temperature**2) * (wanted_BC * logs_LBC).sum(dim=-1).mean(dim=-1)
