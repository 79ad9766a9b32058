"""CuPy's kernels on a GPU: as the reference, ordered like torch's own launches, chosen by `auto` and by hand."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from support.examples import percent
from support.programs import ensemble_of, images, tiny_program
from swc_runtime.ensemble import Ensemble
from swc_runtime.measure.probe import measure_coefficients, sum_gradients
from swc_runtime.training.kernel_choice import choose_kernels, cupy_kernels, equip
from swc_runtime.weights.compose import StoredBanks
from swc_runtime.weights.kernels.cupy_launcher import CupyLauncher
from swc_runtime.weights.kernels.launched import LaunchedKernels
from swc_runtime.weights.plan import plan_composition

CUDA = torch.device("cuda")
READY = torch.cuda.is_available() and find_spec("cupy") is not None
pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not READY, reason="needs a CUDA device and CuPy"),
]
WIDE = ((1, 40, 72, 96), (1, 64, 64, 50), (1, 24, 128, 128))  # more than one tile to a bank
CLOSE = {torch.float32: {"rtol": 1e-4, "atol": 1e-4}, torch.float64: {"rtol": 1e-10, "atol": 1e-10}}


def on_cuda(program, dtype: torch.dtype) -> Ensemble:
    return ensemble_of(program, dtype).to(CUDA)


def kernels_for(ensemble: Ensemble) -> LaunchedKernels:
    counts = [bank.num_templates for bank in ensemble.program.banks]
    return cupy_kernels(ensemble.plan, counts, CUDA, ensemble.banks[0].dtype)


def both_ways(kernels, ensemble: Ensemble):
    parameters = [*ensemble.banks, *ensemble.coefficients]
    outputs = kernels.compose(ensemble.sources().stored)
    generator = torch.Generator().manual_seed(3)
    gradients = [torch.randn(o.shape, generator=generator, dtype=torch.float64).to(o) for o in outputs]
    return (*outputs, *torch.autograd.grad(outputs, parameters, gradients))


@pytest.mark.parametrize("dtype", CLOSE)
@pytest.mark.parametrize("tie", [False, True])
@percent(8)
@given(num_templates=st.integers(1, 8))
def test_forward_and_backward_are_those_of_the_reference(dtype, tie, num_templates):
    ensemble = on_cuda(tiny_program(WIDE, num_templates=num_templates, tie=tie), dtype)
    found = zip(both_ways(kernels_for(ensemble), ensemble), both_ways(ensemble.kernels, ensemble), strict=True)
    for got, expected in found:
        torch.testing.assert_close(got, expected, **CLOSE[dtype])


def test_gradcheck():
    ensemble = on_cuda(tiny_program(((1, 2), (1, 3)), (("0",),), tie=True), torch.float64)
    kernels = kernels_for(ensemble)
    parameters = [p.detach().clone().requires_grad_() for p in (*ensemble.banks, *ensemble.coefficients)]
    half = len(ensemble.banks)
    assert torch.autograd.gradcheck(lambda *p: kernels.compose(StoredBanks((), p[:half], p[half:])), parameters)


def test_the_same_numbers_give_the_same_bits():
    ensemble = on_cuda(tiny_program(WIDE, num_templates=8), torch.float32)
    kernels = kernels_for(ensemble)
    first, again = both_ways(kernels, ensemble), both_ways(kernels, ensemble)
    assert all(a.equal(b) for a, b in zip(first, again, strict=True))


def test_bfloat16_weights_are_the_rounded_ones():
    ensemble = on_cuda(tiny_program(WIDE), torch.float32)
    counts = [bank.num_templates for bank in ensemble.program.banks]
    there = torch.device("cuda", torch.cuda.current_device())
    launcher = CupyLauncher(there, torch.float32, torch.bfloat16)
    narrow = LaunchedKernels(ensemble.plan, counts, launcher, there, torch.float32, torch.bfloat16)
    stored = ensemble.sources().stored
    for made, wide in zip(narrow.compose(stored), kernels_for(ensemble).compose(stored), strict=True):
        torch.testing.assert_close(made, wide.to(torch.bfloat16), rtol=0, atol=0)


def test_launches_are_ordered_with_torchs_on_its_stream():
    """Templates are changed just before, and the result is read just after, on a stream kept busy."""
    ensemble = on_cuda(tiny_program(WIDE), torch.float32)
    kernels, stream = kernels_for(ensemble), torch.cuda.Stream()
    busy = torch.randn(2048, 2048, device=CUDA)
    expected = [w.detach() * 3 for w in ensemble.compose()]
    torch.cuda.synchronize()
    for _ in range(20):
        with torch.cuda.stream(stream), torch.no_grad():
            for _ in range(5):
                busy = (busy @ busy).clamp(-1, 1)
            banks = tuple(bank * 3 for bank in ensemble.banks)
            made = [weight.clone() for weight in kernels.compose(StoredBanks((), banks, tuple(ensemble.coefficients)))]
        stream.synchronize()
        for got, truth in zip(made, expected, strict=True):
            torch.testing.assert_close(got, truth, **CLOSE[torch.float32])


def test_an_ensemble_trains_and_is_measured_as_with_the_reference():
    batches = [(images(seed=seed), torch.arange(5) % 2) for seed in range(3)]
    found = []
    for name in ("torch", "cupy"):
        ensemble = on_cuda(tiny_program(tie=True), torch.float64)
        assert equip(ensemble, name) is None
        ensemble.begin_step()
        sum(member(images().to(CUDA)).square().sum() for member in ensemble.members).backward()
        ensemble.end_step()
        sums = sum_gradients(ensemble, batches, groups=2)
        similarities = [s.value for s in measure_coefficients(ensemble, batches, groups=2).similarities]
        gradients = [p.grad for p in (*ensemble.banks, *ensemble.coefficients)]
        found.append(([*gradients, *sums.groups.values()], similarities))
    for got, expected in zip(found[1][0], found[0][0], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-9)
    assert found[1][1] == pytest.approx(found[0][1], abs=1e-6)


def test_auto_measures_and_cupy_can_be_asked_for():
    program = tiny_program(WIDE)
    assert plan_composition(program).outputs
    assert "ms a step against" in choose_kernels("auto", CUDA, lambda: program).why
    assert choose_kernels("cupy", CUDA, lambda: program).name == "cupy"
