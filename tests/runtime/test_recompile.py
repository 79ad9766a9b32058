"""The runtime's core on programs of the real compiler, through a split and an untie."""

from __future__ import annotations

import pytest
import torch
from attrs import evolve
from swc.compiler.driver import compile_spec, recompile
from swc.compiler.frontend import read_members
from swc.compiler.ir.counts import count
from swc.diagnostics import Sink
from swc.program.datasets import DATASETS
from swc.program.model_source import ModelSource
from swc.program.spec import Budget, Clusters, Member, Selector, Share, Spec
from swc.program.training import Phase, Recipe, SplitClusters, Training, UntieCoefficients

from support.programs import naive_weights
from swc_runtime import build
from swc_runtime.carry.transfer import carry_weights, untie
from swc_runtime.measure.probe import clusters_of, measure_clusters, measure_coefficients
from swc_runtime.measure.spectra import measure_spectra
from swc_runtime.members.build import initial_member
from swc_runtime.training.optimiser_state import NO_STATE

TRAINING = Training(
    Recipe("r"),
    (
        Phase("search", 1, lr=0.1, split=SplitClusters(0.1), carry="continue"),
        Phase("main", 2, untie=(UntieCoefficients(1, 0.9),)),
    ),
)


def spec_of(blocks):
    sizes = {"a": (10, 1), "b": (16, 0.5), "c": (16, 1.5)}
    members = tuple(
        Member(name, ModelSource("family", "wrn", (("depth", depth), ("width", width))))
        for name, (depth, width) in sizes.items()
    )
    share = Share(Selector("conv"), blocks=blocks, clusters=Clusters("depth", 2))
    return Spec("small", DATASETS["digits"], members, Budget("templates", 250e3), (share,), TRAINING)


@pytest.fixture(params=["chain", "grid"])
def first(request):
    spec = spec_of(request.param)
    return compile_spec(spec, read_members(spec, Sink()))


def batches():
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(6, 1, 8, 8, generator=generator), torch.randint(10, (6,), generator=generator)) for _ in range(4)
    ]


def test_the_counts_are_those_torch_counts_and_the_weights_the_naive_ones(first):
    ensemble = build(first.program)
    assert count(first.graph).parameter_scalars == sum(p.numel() for p in ensemble.parameters())
    for made, plain in zip(ensemble.compose(), naive_weights(first.program, ensemble), strict=True):
        torch.testing.assert_close(made, plain)


def test_split_continue_and_untie(first):
    ensemble = build(first.program)
    found, sums = measure_clusters(ensemble, batches())
    assert {layer for pair in found.similarities for layer in (pair.first, pair.second)} == {
        layer for layers in clusters_of(first.program) for layer in layers
    }
    second = recompile(first, found)
    spectra = measure_spectra(sums, second.program)
    assert [s.bank for s in spectra] == [bank.id for bank in second.program.banks]
    second = recompile(first, evolve(found, spectra=spectra))
    carried = carry_weights(ensemble, NO_STATE, second.program)
    assert all(0 <= residual.relative < 1 for residual in carried.residuals)
    third = recompile(second, measure_coefficients(carried.ensemble, batches()))
    after, _ = untie(carried.ensemble, NO_STATE, third.program)
    assert len(third.program.coefficients) > len(second.program.coefficients)
    for images, _ in batches():
        assert torch.equal(after(images), carried.ensemble(images))


def test_one_seed_one_start(first):
    one, two = build(first.program), build(first.program)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    twins = [initial_member(first.program, evolve(first.program.members[0], name=name), 0) for name in ("a", "z")]
    assert not all(torch.equal(a, b) for a, b in zip(twins[0].parameters(), twins[1].parameters(), strict=True))
