"""The composition kernels: their tables, their own source run on the CPU, and on a GPU where there is one."""

from __future__ import annotations

import re
import shutil
from functools import partial

import pytest
import torch
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from swc.compiler.driver import compile_file
from swc.program.expressions import Scale
from swc.program.program import Program, TensorPlan
from swc.system.resources import specs

from support.examples import percent
from support.launchers import HostLauncher, PlainLauncher
from support.nvrtc import compiled
from support.programs import ensemble_of, images, of_a_family, tiny_program, with_gains
from swc_runtime.ensemble import Ensemble, build
from swc_runtime.measure.probe import measure_coefficients, sum_gradients
from swc_runtime.training.kernel_choice import SMALL, equip
from swc_runtime.weights.compose import StoredBanks
from swc_runtime.weights.kernels.cupy_launcher import ITEMS, KERNELS, THREADS, options
from swc_runtime.weights.kernels.launched import SOURCE, LaunchedKernels
from swc_runtime.weights.kernels.reference import TorchKernels
from swc_runtime.weights.kernels.tables import MAX_TEMPLATES, launch_tables
from swc_runtime.weights.plan import BankRows, Block, CompositionPlan, Output, plan_composition

COMPILER = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++ to run the kernels' source on the CPU")
LAUNCHERS = (pytest.param(PlainLauncher, id="tables"), pytest.param(HostLauncher, id="source", marks=COMPILER))
CPU = torch.device("cpu")
WIDTHS = st.lists(st.integers(1, 7), min_size=2, max_size=2)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    channels = tuple((1, *draw(WIDTHS)) for _ in range(draw(st.integers(1, 3))))
    clusters = draw(st.sampled_from([(("0",), ("1",)), (("0", "1"),), (("1",),)]))
    program = tiny_program(channels, clusters, draw(st.integers(1, 8)), draw(st.booleans()))
    return with_gains(program) if draw(st.booleans()) else program


def scaled(program: Program) -> Program:
    """The program with its first weight scaled, so that it reads a whole SuperWeight."""
    first = program.weights[0]
    outputs, inputs = TensorPlan("r", (first.shape[0],), 1), TensorPlan("s", (first.shape[1],), 1)
    weight = evolve(first, expression=Scale(first.expression, "r", "s"))
    return evolve(program, tensors=(outputs, inputs), weights=(weight, *program.weights[1:]))


def launched(ensemble: Ensemble, launcher, **options) -> LaunchedKernels:
    counts = [bank.num_templates for bank in ensemble.program.banks]
    dtype = ensemble.banks[0].dtype
    given = {"weights": options["weights"]} if "weights" in options else {}
    ready = launcher(dtype, **options, has_gains=ensemble.plan.has_gains)
    return LaunchedKernels(ensemble.plan, counts, ready, CPU, dtype, **given)


def made_by(launcher, plan, counts, device, dtype, weights=None) -> LaunchedKernels:
    ready = launcher(dtype, weights, has_gains=plan.has_gains)
    return LaunchedKernels(plan, counts, ready, device, dtype, weights)


def parts_of(ensemble: Ensemble) -> StoredBanks:
    return ensemble.sources().stored


def random_like(tensors, seed: int = 3):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(t.shape, generator=generator, dtype=torch.float64).to(t.dtype) for t in tensors]


def both_ways(kernels, ensemble: Ensemble, unseen: int | None = None):
    """Outputs and gradients; the output of number `unseen` has none."""
    stored = parts_of(ensemble)
    outputs = kernels.compose(stored)
    chosen = [n for n in range(len(outputs)) if n != unseen]
    gradients = random_like([outputs[n] for n in chosen])
    found = torch.autograd.grad(
        [outputs[n] for n in chosen],
        [*stored.templates, *stored.tables],
        gradients,
        materialize_grads=True,
        allow_unused=True,
    )
    return outputs, found


def assert_as_reference(ensemble: Ensemble, kernels, unseen: int | None = None, **tolerances) -> None:
    tolerances = tolerances or {"rtol": 1e-11, "atol": 1e-12}
    expected, expected_gradients = both_ways(ensemble.kernels, ensemble, unseen)
    made, gradients = both_ways(kernels, ensemble, unseen)
    for got, truth in zip((*made, *gradients), (*expected, *expected_gradients), strict=True):
        torch.testing.assert_close(got, truth, **tolerances)


@pytest.mark.parametrize("launcher", LAUNCHERS)
@percent(25)
@given(program=programs(), unseen=st.sampled_from([None, 0, -1]), whole=st.booleans())
def test_forward_and_backward_are_those_of_the_reference(launcher, program, unseen, whole):
    ensemble = ensemble_of(scaled(program) if whole else program)
    place = None if unseen is None or len(ensemble.plan.outputs) < 2 else unseen % len(ensemble.plan.outputs)
    assert_as_reference(ensemble, launched(ensemble, launcher), place)


def plan_of_linear_layers() -> CompositionPlan:
    """Two matrices with one vector, one of them cropped and joined with another bank's; and a bank that nobody sees."""
    banks = (
        BankRows("a", 15, ("a0", "a1", "a2"), ("a0", "a2"), (0, 0, 1)),
        BankRows("b", 8, ("b0",), ("b0",), (0,)),
        BankRows("c", 5, ("c0",), ("c0",), (0,)),
    )
    whole = Output((5, 3), (Block(0, 0, 0, (5, 3), (5, 3), (0, 0)),))
    parts = Block(0, 1, 0, (5, 3), (4, 2), (0, 0)), Block(1, 0, 0, (4, 2), (4, 2), (0, 2))
    return CompositionPlan(banks, (whole, Output((4, 4), parts)), (0, 1), ())


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_linear_layers_and_banks_that_nobody_sees(launcher):
    plan, counts = plan_of_linear_layers(), (2, 3, 1)
    sizes = list(zip(plan.banks, counts, strict=True))
    templates = random_like([torch.empty(num, bank.size).double() for bank, num in sizes])
    tables = random_like([torch.empty(len(bank.coefficients), num).double() for bank, num in sizes], 4)
    indices = [torch.tensor(bank.index) for bank in plan.banks]
    parameters = [tensor.requires_grad_() for tensor in (*templates, *tables)]
    found = []
    for kernels in (TorchKernels(plan), LaunchedKernels(plan, counts, launcher(torch.float64), CPU, torch.float64)):
        outputs = kernels.compose(StoredBanks(tuple(indices), tuple(templates), tuple(tables)))
        gradients = random_like(outputs)
        slots = kernels.slot_gradients(gradients, templates)
        found.append([*outputs, *torch.autograd.grad(outputs, parameters, gradients), *slots])
    for got, expected in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


@COMPILER
def test_a_compiled_ensemble_is_composed_as_by_the_reference():
    ensemble = build(compile_file(specs() / "quickstart.sw").program, dtype=torch.float64)
    assert_as_reference(ensemble, launched(ensemble, HostLauncher))


@COMPILER
def test_in_float32_they_are_those_of_the_reference_to_rounding():
    ensemble = ensemble_of(tiny_program(num_templates=5), torch.float32)
    assert_as_reference(ensemble, launched(ensemble, HostLauncher), rtol=1e-5, atol=1e-5)


@COMPILER
def test_the_order_of_threads_changes_no_bit():
    ensemble = ensemble_of(tiny_program(num_templates=3, tie=True), torch.float32)
    rising = both_ways(launched(ensemble, HostLauncher), ensemble)
    falling = both_ways(launched(ensemble, HostLauncher, falling=True), ensemble)
    assert all(a.equal(b) for a, b in zip((*rising[0], *rising[1]), (*falling[0], *falling[1]), strict=True))


@COMPILER
def test_bfloat16_weights_are_rounded_once_and_their_gradients_read_as_they_are():
    ensemble = ensemble_of(tiny_program(num_templates=1), torch.float32)
    with torch.no_grad():
        ensemble.coefficients[0].fill_(1)
        ensemble.banks[0][0, :5] = torch.tensor([torch.nan, torch.inf, -0.0, 1 + 2**-8, 1 + 3 * 2**-8])  # two ties
    wide, narrow = (launched(ensemble, HostLauncher, **o) for o in ({}, {"weights": torch.bfloat16}))
    parameters = [*ensemble.banks, *ensemble.coefficients]
    exact, rounded = (kernels.compose(parts_of(ensemble)) for kernels in (wide, narrow))
    for made, expected in zip(rounded, exact, strict=True):
        torch.testing.assert_close(made, expected.to(torch.bfloat16), rtol=0, atol=0, equal_nan=True)
    gradients = random_like(rounded)
    got = torch.autograd.grad(rounded, parameters, gradients)
    expected = torch.autograd.grad(exact, parameters, [gradient.float() for gradient in gradients])
    assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("amplify", [False, True], ids=["plain", "gains"])
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_an_ensemble_trains_and_is_measured_as_with_the_reference(launcher, amplify):
    program = with_gains(tiny_program(tie=True)) if amplify else tiny_program(tie=True)
    batches = [(images(seed=seed), torch.arange(5) % 2) for seed in range(3)]
    found = []
    for is_equipped in (False, True):
        ensemble = ensemble_of(program)
        if is_equipped:
            assert equip(ensemble, "cupy", partial(made_by, launcher)) is None
            assert not isinstance(ensemble.kernels, TorchKernels)
        ensemble.begin_step()
        sum(member(images()).square().sum() for member in ensemble.members).backward()
        ensemble.end_step()
        sums = sum_gradients(ensemble, batches, groups=2)
        slots = measure_coefficients(ensemble, batches, groups=2)
        gradients = [p.grad for p in (*ensemble.banks, *ensemble.coefficients)]
        found.append(([*gradients, *sums.groups.values()], slots))
    for got, expected in zip(found[1][0], found[0][0], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)
    similarities = [[s.value for s in slots.similarities] for _, slots in found]
    assert similarities[1] == pytest.approx(similarities[0], abs=1e-9)
    assert len(similarities[0]) > 0


def step_in_bfloat16(ensemble: Ensemble) -> list[torch.Tensor]:
    """A step as the trainer takes it under autocast; the gradients of what is stored."""
    ensemble.zero_grad()
    ensemble.begin_step(torch.bfloat16)
    for number, member in enumerate(ensemble.members):
        with torch.autocast("cpu", torch.bfloat16):
            loss = member(images().float()).square().sum()
        loss.backward()
        ensemble.end_member(number)
    ensemble.end_step()
    return [parameter.grad.clone() for parameter in (*ensemble.banks, *ensemble.coefficients)]


@COMPILER
def test_an_ensemble_steps_in_bfloat16_with_kernels_that_write_and_read_it(monkeypatch):
    """Nothing is cast on the way: neither what the kernels make nor what they pull back."""
    ensembles = [ensemble_of(of_a_family(tiny_program(tie=True)), torch.float32) for _ in range(2)]
    asked: list[torch.dtype | None] = []

    def make(*given) -> LaunchedKernels:
        asked.append(given[-1])
        return made_by(HostLauncher, *given)

    assert equip(ensembles[1], "cupy", make) is None
    for _ in range(2):  # the second in memory that is kept
        expected, found = (step_in_bfloat16(ensemble) for ensemble in ensembles)
        for got, truth in zip(found, expected, strict=True):
            torch.testing.assert_close(got, truth, rtol=2e-2, atol=2e-2 * truth.abs().max().item())
    assert asked == [None, torch.bfloat16]
    wide = [ensemble.compose() for ensemble in ensembles]
    for got, truth in zip(wide[1], wide[0], strict=True):
        torch.testing.assert_close(got, truth, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_gradients_in_another_layout_are_pulled_back(launcher):
    ensemble = ensemble_of(tiny_program())
    kernels = launched(ensemble, launcher)
    stored = parts_of(ensemble)
    outputs = kernels.compose(stored)
    gradients = random_like(outputs)
    plain, transposed = ([g.contiguous() for g in gradients], [g.mT.contiguous().mT for g in gradients])
    ways = [torch.autograd.grad(outputs, stored.templates, given, retain_graph=True) for given in (plain, transposed)]
    assert all(a.equal(b) for a, b in zip(*ways, strict=True))


def test_outputs_lie_channels_last_and_begin_at_whole_words():
    ensemble = ensemble_of(tiny_program())
    outputs = launched(ensemble, PlainLauncher).compose(parts_of(ensemble))
    assert all(output.is_contiguous(memory_format=torch.channels_last) for output in outputs)
    assert all(output.storage_offset() % 64 == 0 for output in outputs)


def test_tensors_of_another_type_are_refused():
    ensemble = ensemble_of(tiny_program())
    kernels = launched(ensemble, PlainLauncher)
    with pytest.raises(ValueError, match=r"made for torch\.float64"):
        kernels.compose(
            StoredBanks((), *(tuple(p.float() for p in part) for part in (ensemble.banks, ensemble.coefficients)))
        )


def test_with_too_many_templates_an_ensemble_keeps_the_reference_and_says_so():
    ensemble = ensemble_of(tiny_program(num_templates=9))
    said = equip(ensemble, "cupy", partial(made_by, PlainLauncher))
    assert said == (
        "torch's kernels compose this revision, not CuPy's: a bank has 9 templates, more than the 8 that they hold in "
        "registers"
    )
    assert isinstance(ensemble.kernels, TorchKernels)


def test_tables_beyond_32_bits_are_refused():
    plan = plan_composition(tiny_program())
    bank = evolve(plan.banks[0], size=2**31)
    with pytest.raises(ValueError, match="too many"):
        launch_tables(evolve(plan, banks=(bank, *plan.banks[1:])), [2] * len(plan.banks), 2**20)


# --- compiled for GPUs, and run on one --------------------------------------------------------------------------------


ARCHITECTURES = ("compute_75", "compute_80", "compute_90", "compute_100")
TYPES = ((torch.float32, None), (torch.float64, None), (torch.float32, torch.bfloat16))


@pytest.mark.parametrize("types", (*TYPES, (*TYPES[0], True)), ids=["float32", "float64", "bfloat16", "gains"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_source_compiles_for_gpus(architecture, types):
    ptx = compiled(SOURCE.read_text("utf-8"), (*options(*types), f"--gpu-architecture={architecture}"))
    assert set(re.findall(r"^\.visible \.entry (\w+)", ptx, re.M)) == set(KERNELS)
    assert not re.search(r"^\s*(?:@\S+\s+)?(?:atom|red)\.", ptx, re.M), "sums are taken in a settled order"


def test_the_source_and_its_callers_agree_on_sizes():
    text = SOURCE.read_text("utf-8")
    assert [int(n) for n in re.findall(r"^#define (?:THREADS|ITEMS|MAX_TEMPLATES) (\d+)$", text, re.M)] == [
        THREADS, ITEMS, MAX_TEMPLATES,
    ]  # fmt: skip


@pytest.mark.parametrize("types", [(torch.float16, None), (torch.float32, torch.float16)])
def test_types_without_kernels_are_refused(types):
    with pytest.raises(ValueError, match="no kernels for"):
        options(*types)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_small_plan_that_tries_cupy_out_composes_what_it_says(launcher):
    kernels = LaunchedKernels(SMALL, (2,), launcher(torch.float64), CPU, torch.float64)
    templates, table = torch.arange(6.0).double().view(2, 3), torch.ones(1, 2).double()
    (made,) = kernels.compose(StoredBanks((), (templates,), (table,)))
    assert made.tolist() == [3.0, 5.0, 7.0]
