"""Which kernels a run composes with, and why.

Takes what was asked for, a device and a program; gives `KernelChoice`. Guarantees: CuPy is imported only on CUDA and
where its kernels were not ruled out; `auto` takes them only where they were measured faster on the program itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from time import perf_counter
from typing import Literal

import torch
from attrs import frozen
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.training import NoKernels
from swc.program.program import Program

from swc_runtime.ensemble import Ensemble
from swc_runtime.precision import choose_arithmetic
from swc_runtime.weights.compose import StoredBanks, gains_of
from swc_runtime.weights.kernels.by_precision import KernelsByPrecision
from swc_runtime.weights.kernels.launched import LaunchedKernels
from swc_runtime.weights.kernels.reference import Kernels, TorchKernels
from swc_runtime.weights.kernels.tables import unsuitable
from swc_runtime.weights.plan import BankRows, Block, CompositionPlan, Output, plan_composition

KernelsName = Literal["torch", "cupy"]
NAMES = ("torch", "cupy")

# one slot of one bank, whose templates have three numbers
SMALL = CompositionPlan(
    (BankRows("bank", 3, ("slot",), ("alpha",), (0,)),),
    (Output((3,), (Block(0, 0, 0, (3,), (3,), (0,)),)),),
    (),
    ("slot",),
)

WARM, STEPS, ROUNDS = 3, 10, 3  # steps before the first round, steps of a round, rounds of which the best counts


@frozen
class KernelChoice:
    """The kernels of a run, and `why` in words."""

    name: KernelsName
    why: str

    def __str__(self) -> str:
        return f"{self.name} ({self.why})"


def choose_kernels(
    wanted: str, device: torch.device | str, program: Callable[[], Program], before: str | None = None
) -> KernelChoice:
    """Settle `auto`, `torch` or `cupy`; DiagnosticError where CuPy's are asked for and cannot be had.

    `program` is asked for only where something is to be measured. `before` names the kernels of a run that goes on:
    `auto` keeps them where it can, since others round differently.
    """
    if wanted == "torch":
        return KernelChoice("torch", "as asked")
    reason = why_not_cupy(torch.device(device))
    if wanted == "cupy":
        if reason:
            raise DiagnosticError(NoKernels(reason=reason))
        return KernelChoice("cupy", "as asked")
    if reason:
        return KernelChoice("torch", reason)
    if before in NAMES:
        return KernelChoice("cupy" if before == "cupy" else "torch", "as the run was begun")
    return measured(program(), torch.device(device), cupy_kernels)


def why_not_cupy(device: torch.device) -> str | None:
    """Why CuPy's kernels cannot be used on a device; None where they compose a small SuperWeight rightly."""
    if device.type != "cuda":
        return "CuPy's need CUDA"
    if find_spec("cupy") is None:
        return "CuPy is not installed"
    try:
        templates, table = torch.arange(6.0, device=device).view(2, 3), torch.ones(1, 2, device=device)
        (made,) = cupy_kernels(SMALL, (2,), device).compose(StoredBanks((), (templates,), (table,)))
        return None if made.tolist() == [3.0, 5.0, 7.0] else "CuPy does not work here: it composes wrongly"
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return f"CuPy does not work here: {next(iter(str(error).splitlines()), type(error).__name__)}"


def cupy_kernels(
    plan: CompositionPlan,
    num_templates: Sequence[int],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    weights: torch.dtype | None = None,
) -> LaunchedKernels:
    """CuPy's kernels for a plan that compose in `weights` (None: `dtype`); ValueError where they cannot do it."""
    from swc_runtime.weights.kernels.cupy_launcher import CupyLauncher

    index = torch.cuda.current_device() if device.index is None else device.index
    there = torch.device("cuda", index)
    return LaunchedKernels(
        plan, num_templates, CupyLauncher(there, dtype, weights, plan.has_gains), there, dtype, weights
    )


def equip(ensemble: Ensemble, name: KernelsName, make: Callable[..., Kernels] = cupy_kernels) -> str | None:
    """Let an ensemble compute with the kernels of that name; gives why it keeps torch's where others cannot do it."""
    if name == "torch" or not ensemble.plan.outputs:
        return None
    counts = [bank.num_templates for bank in ensemble.program.banks]
    like = ensemble.banks[0]
    try:
        ensemble.kernels = KernelsByPrecision(partial(make, ensemble.plan, counts, like.device, like.dtype))
    except ValueError as error:
        return f"torch's kernels compose this revision, not CuPy's: {error}"
    return None


def measured(program: Program, device: torch.device, make: Callable[..., Kernels]) -> KernelChoice:
    """The faster of torch's kernels and those of `make`, composing the program as its steps do, and back."""
    plan = plan_composition(program)
    counts = [bank.num_templates for bank in program.banks]
    if not plan.outputs:
        return KernelChoice("torch", "nothing is composed")
    if reason := unsuitable(counts):
        return KernelChoice("torch", reason)
    weights = choose_arithmetic(program.training.recipe.precision, device).rounds_to if program.training else None
    own = step_seconds(make(plan, counts, device, torch.float32, weights), plan, counts, device, weights)
    theirs = step_seconds(TorchKernels(plan), plan, counts, device, weights)
    if own < theirs:
        return KernelChoice("cupy", f"{1e3 * own:.3g} ms a step against torch's {1e3 * theirs:.3g}")
    return KernelChoice("torch", f"{1e3 * theirs:.3g} ms a step against CuPy's {1e3 * own:.3g}")


def step_seconds(
    kernels: Kernels,
    plan: CompositionPlan,
    num_templates: Sequence[int],
    device: torch.device,
    weights: torch.dtype | None = None,
) -> float:
    """Seconds of what a step does, composing in kept memory and pulling back, many of them; the best of some rounds."""
    sizes = list(zip(plan.banks, num_templates, strict=True))
    stored = StoredBanks(
        tuple(torch.tensor(bank.index, device=device) for bank in plan.banks),
        tuple(torch.zeros(num, bank.size, device=device) for bank, num in sizes),
        tuple(torch.zeros(len(bank.coefficients), num, device=device) for bank, num in sizes),
        tuple(gains_of(bank, device) for bank in plan.banks),
    )

    def steps(count: int) -> float:
        started = perf_counter()
        for _ in range(count):
            made = kernels.make(stored, weights)  # what was made serves as its own gradient
            kernels.pull(made, stored)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return perf_counter() - started

    steps(WARM)
    return min(steps(STEPS) for _ in range(ROUNDS)) / STEPS
