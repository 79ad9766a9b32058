"""What a step of several ranks leaves on each: gradients and statistics of unlike use, other buffers untouched."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from support.lockstep import Lockstep, together
from support.programs import ensemble_of, images, tiny_program
from swc_runtime.training.reduction import StepCounts, combine
from swc_runtime.training.steps import Batch

LABELS = torch.tensor([0, 1, 1, 0])
MASK = torch.tensor([0.0, -torch.inf, 0.25])


def ensembles(size: int, placement: str):
    made = []
    for rank in range(size):
        ensemble = ensemble_of(tiny_program(), torch.float32)
        ensemble.own = Lockstep(rank, size, "cpu", placement, meeting=None).own(3) or ensemble.own  # type: ignore[arg-type]
        for member in ensemble.members:
            member.register_buffer("mask", MASK.clone(), persistent=False)
            member.register_buffer("flags", torch.tensor([True, False]))
            member.register_buffer("big", torch.tensor(2**40 + 1))
        made.append(ensemble)
    return made


def stepped(made, placement: str, skip: set[int]) -> None:
    """Each rank runs its members on its images; rank r leaves the numbered members out where (r, number) is skipped."""

    def act(rank: Lockstep) -> None:
        ensemble = made[rank.rank]
        share = slice(None) if placement == "members" else slice(2 * rank.rank, 2 * rank.rank + 2)
        x, y = images(4, dtype=torch.float32)[share], LABELS[share]
        with ensemble.step():
            for number in ensemble.own:
                if (rank.rank, number) not in skip:
                    (F.cross_entropy(ensemble.members[number](x), y, reduction="sum") / 4).backward()
        like = torch.zeros(3)
        seen = StepCounts(like, like.clone(), like.clone(), torch.zeros(len(y), 2), torch.zeros(()), len(y))
        combine(ensemble, seen, Batch(x, y, 4), rank)

    together(len(made), placement, act)


@pytest.mark.parametrize("skip", [set(), {(1, 0)}, {(0, 1), (1, 2)}, {(0, 2), (1, 2)}])
def test_a_parameter_that_some_ranks_leave_out_has_one_gradient_on_all(skip) -> None:
    made = ensembles(2, "images")
    stepped(made, "images", skip)
    first, second = (dict(ensemble.named_parameters()) for ensemble in made)
    for name, parameter in first.items():
        assert (parameter.grad is None) == (second[name].grad is None), name
        assert parameter.grad is None or torch.equal(parameter.grad, second[name].grad), name
    unused = {name for name, parameter in first.items() if parameter.grad is None}
    assert any(name.startswith("members.2") for name in unused) == ((0, 2) in skip and (1, 2) in skip)


@pytest.mark.parametrize("placement", ["images", "members"])
def test_buffers_that_are_no_statistics_stay_as_they_are(placement) -> None:
    made = ensembles(3 if placement == "members" else 2, placement)
    stepped(made, placement, set())
    for ensemble in made:
        for member in ensemble.members:
            assert torch.equal(member.mask, MASK)
            assert member.flags.tolist() == [True, False] and int(member.big) == 2**40 + 1
    means = [ensemble.members[0].norms[0].running_mean for ensemble in made]
    assert all(torch.equal(mean, means[0]) and mean.any() for mean in means)
