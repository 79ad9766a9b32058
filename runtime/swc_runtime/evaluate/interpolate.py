"""Accuracy on the straight line between two members of one architecture: are they in one valley of the loss?

Takes an ensemble and batches; gives the accuracy at points of the line. Guarantees: the ensemble stays as it is;
BatchNorm takes the statistics of each batch, as those that were kept belong to neither end.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from swc_runtime.carry.plain import plain_member
from swc_runtime.ensemble import Ensemble, networks_of
from swc_runtime.evaluate.chance import chance_kept, draw_from
from swc_runtime.inputs import Inputs, copied, moved, tensors_of
from swc_runtime.members.modes import norms_of_the_batch
from swc_runtime.precision import Arithmetic, laid_out

Batches = Sequence[tuple[Inputs, Tensor]]


def alike(ensemble: Ensemble) -> tuple[tuple[int, int], ...]:
    """The pairs of members, by number, whose modules have parameters of the same names and shapes.

    Each is a network of its own: members of a joint one (`mimo`, `msdnet`) have no line between them.
    """
    kinds = {one.host: _kind(ensemble, one.host) for one in networks_of(ensemble.program) if not one.is_joint}
    return tuple(pair for pair in combinations(sorted(kinds), 2) if kinds[pair[0]] == kinds[pair[1]])


def _kind(ensemble: Ensemble, number: int) -> tuple[object, ...]:
    name = ensemble.program.members[number].name
    composed = [(weight.path, weight.shape) for weight in ensemble.weights if weight.member == name]
    private = [(path, tuple(p.shape)) for path, p in ensemble.members[number].named_parameters()]
    return (*sorted(composed), *sorted(private))


def along(
    ensemble: Ensemble, pair: tuple[int, int], batches: Batches, arithmetic: Arithmetic, num_points: int = 11
) -> tuple[float, ...]:
    """Top-1 at evenly spaced points from the first member to the second, both ends included.

    `batches` are inputs with labels [B], of two examples at least. ValueError for members that are not
    alike, fewer than two points, or no images. Source: supplementary, section 3.4 (figure 3).
    """
    if pair not in alike(ensemble):
        raise ValueError(f"members {pair[0]} and {pair[1]} are not of one architecture")
    if num_points < 2 or not batches:
        raise ValueError("it takes two points and some images at least")
    device = next(ensemble.parameters()).device
    between, first, second = (plain_member(ensemble, number).to(device) for number in (pair[0], *pair))
    steps = [point / (num_points - 1) for point in range(num_points)]
    found = []
    with chance_kept():
        for step in steps:
            mix(between, first, second, step)
            found.append(_top1(between, batches, arithmetic))
    return tuple(found)


def mix(between: nn.Module, first: nn.Module, second: nn.Module, step: float) -> None:
    """Give a module (1 - step) of the first's parameters and step of the second's, and the first's buffers."""
    between.load_state_dict(first.state_dict())
    with torch.no_grad():
        for parameter, other in zip(between.parameters(), second.parameters(), strict=True):
            parameter.lerp_(other, step)


def _top1(module: nn.Module, batches: Batches, arithmetic: Arithmetic) -> float:
    """With BatchNorm in train mode, and nothing else; what is predicted from numbers that are not finite is wrong."""
    device = next(module.parameters()).device
    hits = total = 0
    for number, (inputs, labels) in enumerate(batches):
        draw_from(number)  # so that a member that draws draws the same at every point
        with torch.no_grad(), arithmetic.autocast(), norms_of_the_batch(module):
            logits = module(*tensors_of(copied(laid_out(moved(inputs, device)))))  # which it may work on in place
        is_hit = (logits.argmax(-1) == labels.to(device)) & logits.softmax(-1).isfinite().all(-1)
        hits += int(is_hit.sum())
        total += len(labels)
    return hits / total
