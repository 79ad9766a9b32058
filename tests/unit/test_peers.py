"""The systems that `benchmarks.peers` compares: their parameters, losses and shapes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from benchmarks.peer_systems import NUM_CLASSES, NUM_MEMBERS, SYSTEMS, has_peers, plain_members, program
from benchmarks.peers import batch, multiply_adds
from swc.program.diff import count_program

NATIVE = NUM_MEMBERS * sum(p.numel() for p in plain_members()[0].parameters())


@pytest.mark.parametrize("side", ["shared", "plain"])
def test_ours_trains_what_the_compiler_counts(side: str) -> None:
    assert SYSTEMS[side].make().num_parameters == count_program(program(side)).parameter_scalars


@pytest.mark.parametrize("name", ["plain", "loop", "vmap"])
def test_without_sharing_all_parameters_of_all_members_are_trained(name: str) -> None:
    assert SYSTEMS[name].make().num_parameters == NATIVE


def test_a_quarter_of_what_is_shared_is_stored() -> None:
    shared = count_program(program("shared"))
    shareable = NATIVE - shared.private_scalars
    assert 0.24 < shared.template_scalars / shareable <= 0.25


@pytest.fixture
def float64() -> Iterator[None]:
    """Modules and images made in float64, so that the order of sums cannot be seen."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_vmap_and_the_loop_train_alike(float64: None) -> None:
    images, labels = batch(4)
    loop, vmap = SYSTEMS["loop"].make(), SYSTEMS["vmap"].make()
    for system in (loop, vmap):
        system.modules.train()
    torch.testing.assert_close(vmap.backward(images, labels), loop.backward(images, labels))
    stacks = zip(*(member.parameters() for member in loop.modules), strict=True)
    for stacked, own in zip(vmap.optimiser.param_groups[0]["params"], stacks, strict=True):
        torch.testing.assert_close(stacked.grad, torch.stack([parameter.grad for parameter in own]))
    for system in (loop, vmap):  # the running statistics that training left behind are the same as well
        system.modules.eval()
    torch.testing.assert_close(vmap.logits(images), loop.logits(images))


@pytest.mark.parametrize("name", ["shared", "plain", "vmap"])
def test_all_members_compute_what_the_loop_computes(name: str) -> None:
    assert multiply_adds(SYSTEMS[name].make()) == multiply_adds(SYSTEMS["loop"].make())


@pytest.mark.peers
@pytest.mark.skipif(not has_peers(), reason="torch-uncertainty is not installed: `make test-peers` installs it")
@pytest.mark.parametrize("name", sorted(name for name, entry in SYSTEMS.items() if entry.needs_peers))
def test_a_peer_gives_logits_of_every_member(name: str) -> None:
    images, labels = batch(4)
    system = SYSTEMS[name].make()
    system.modules.train()
    assert system.backward(images, labels).isfinite()
    assert all(p.grad is not None for group in system.optimiser.param_groups for p in group["params"])
    system.modules.eval()
    assert system.logits(images).shape == (NUM_MEMBERS, len(labels), NUM_CLASSES)
