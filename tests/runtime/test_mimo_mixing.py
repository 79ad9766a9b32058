"""Which images meet in a row of MIMO's training: repetitions, shares, and the seed."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swc_runtime.training.steps.joint import mixed

SIZES = {"num_images": st.integers(1, 9), "num_members": st.integers(1, 5), "repetitions": st.integers(1, 4)}
SHARES, SEEDS = st.sampled_from([0, 0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1]), st.integers(0, 2**63 - 1)


@given(share=SHARES, seed=SEEDS, **SIZES)
def test_every_member_sees_every_image_as_often(num_images, num_members, repetitions, share, seed) -> None:
    places = mixed(num_images, num_members, share, repetitions, seed)
    assert places.shape == (num_members, repetitions * num_images)
    assert all(torch.bincount(own).tolist() == [repetitions] * num_images for own in places)


@given(share=SHARES, seed=SEEDS, **SIZES)
def test_the_last_rows_show_all_members_the_same_image(num_images, num_members, repetitions, share, seed) -> None:
    places = mixed(num_images, num_members, share, repetitions, seed)
    num_common = round(share * places.shape[1])
    common = places[:, places.shape[1] - num_common :]
    assert torch.equal(common, common[:1].expand_as(common))


@given(share=SHARES, seed=SEEDS, **SIZES)
def test_the_same_seed_mixes_the_same(num_images, num_members, repetitions, share, seed) -> None:
    asked = num_images, num_members, share, repetitions, seed
    state = torch.get_rng_state()
    assert torch.equal(mixed(*asked), mixed(*asked))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("share", "num_common"), [(0, 0), (0.3, 300), (0.9, 900), (1, 1000)])
def test_other_rows_meet_by_chance_alone(share: float, num_common: int) -> None:
    first, second, third = mixed(1000, 3, share, 1, seed=4)
    by_chance = 1000 - num_common  # of these, one pair in so many meets: one row on average
    for one, other in ((first, second), (first, third), (second, third)):
        assert num_common <= int((one == other).sum()) <= num_common + (6 if by_chance else 0)


@pytest.mark.parametrize("repetitions", [1, 3])
def test_repeated_batches_are_shuffled_as_one(repetitions: int) -> None:
    first, second = mixed(50, 2, 0, repetitions, seed=1)
    assert first.tolist() != first.sort().values.tolist()
    assert first[:50].tolist() != second[:50].tolist()
    assert (len(set(first[:50].tolist())) == 50) == (repetitions == 1)


def test_another_seed_mixes_otherwise() -> None:
    assert not torch.equal(mixed(20, 2, 0.5, 1, seed=0), mixed(20, 2, 0.5, 1, seed=1))
