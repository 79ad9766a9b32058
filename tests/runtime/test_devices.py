"""On every device: the ensemble composes, trains and is measured as the CPU does it in float64."""

from __future__ import annotations

import pytest
import torch
from swc.compiler.driver import compile_file
from swc.program.program import Program
from swc.program.training import Phase, Recipe
from swc.system.resources import specs

from swc_runtime import build
from swc_runtime.measure.probe import measure_clusters
from swc_runtime.models.mlp import PiecewiseLinearEmbeddings
from swc_runtime.precision import choose_arithmetic
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.trainer import Epoch, EpochResult, train_epoch

NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and torch sees none")
DEVICES = ("cpu", pytest.param("cuda", marks=(pytest.mark.cuda, NO_CUDA)))


@pytest.fixture(scope="module")
def program() -> Program:
    return compile_file(specs() / "quickstart.sw").program


def batches(dtype: torch.dtype) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [
        (torch.randn(16, 1, 8, 8, generator=generator, dtype=torch.float64).to(dtype), torch.arange(16) % 10)
        for _ in range(3)
    ]


def trained(program: Program, device: str, dtype: torch.dtype) -> EpochResult:
    ensemble = build(program, device=device, dtype=dtype)
    recipe = Recipe("test", precision="float32")
    epoch = Epoch(Phase("main", 1, lr=0.01), 0, 3)
    return train_epoch(
        ensemble, make_optimiser(ensemble, recipe), batches(dtype), recipe, epoch, choose_arithmetic("float32", device)
    )


@pytest.mark.parametrize("device", DEVICES)
def test_composed_weights_are_those_of_float64(program: Program, device: str) -> None:
    exact = build(program, dtype=torch.float64).compose()
    for weight, truth in zip(build(program, device=device).compose(), exact, strict=True):
        torch.testing.assert_close(weight.detach().cpu().double(), truth.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_steps_see_the_losses_of_float64(program: Program, device: str) -> None:
    exact, found = trained(program, "cpu", torch.float64), trained(program, device, torch.float32)
    assert found.losses == pytest.approx(exact.losses, rel=1e-3)
    assert found.images == exact.images == 48


@pytest.mark.parametrize("device", DEVICES)
def test_similarities_are_those_of_float64(program: Program, device: str) -> None:
    exact, _ = measure_clusters(build(program, dtype=torch.float64), batches(torch.float64))
    found, _ = measure_clusters(build(program, device=device), batches(torch.float32))
    pairs = {(s.first, s.second): s.value for s in exact.similarities}
    assert {(s.first, s.second) for s in found.similarities} == set(pairs)
    for similarity in found.similarities:
        assert similarity.value == pytest.approx(pairs[similarity.first, similarity.second], abs=1e-3)


@pytest.mark.cuda
@NO_CUDA
def test_bfloat16_on_cuda_trains_to_a_finite_loss(program: Program) -> None:
    ensemble = build(program, device="cuda")
    recipe = Recipe("test")
    arithmetic = choose_arithmetic("auto", "cuda")
    assert arithmetic.dtype is torch.bfloat16
    epoch = Epoch(Phase("main", 1, lr=0.01), 0, 3)
    result = train_epoch(ensemble, make_optimiser(ensemble, recipe), batches(torch.float32), recipe, epoch, arithmetic)
    assert 0 < result.loss < 100


@pytest.mark.parametrize("device", DEVICES)
def test_bins_of_embeddings_are_taken_where_the_numbers_are(device: str) -> None:
    numbers_BF = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    there, here = (PiecewiseLinearEmbeddings(2, 4, 8).to(place) for place in (device, "cpu"))
    there.fit_inputs(numbers_BF.to(device))
    here.fit_inputs(numbers_BF)
    for name in ("steps", "starts", "num_bins"):
        torch.testing.assert_close(getattr(there, name).cpu(), getattr(here, name))
    assert here.num_bins.tolist() == [8, 8]
