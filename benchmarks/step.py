"""A training step of an ensemble that shares half its parameters, against the same members sharing nothing.

    python -m benchmarks.step [-o FOLDER] [--rounds N]

Both sides are trained by the same loop: members one after another, the same optimiser, precision and memory layout, no
composition on the plain side. Times are wall times of whole steps, by turns (`paired`). Further rows ask whether the
plain side could be faster, with compiled members or a fused optimiser; time composition alone, forward and backward,
against one layer by layer; take the peak memory of processes of their own, for one, two and four members; and count
what lies in memory for good at a quarter of the parameters.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import product
from math import prod
from pathlib import Path

import torch
from swc.compiler.driver import compile_file
from swc.program.program import Program
from swc.program.training import Recipe
from swc.system.resources import specs
from torch import Tensor

from benchmarks.device import DEVICE, settled
from benchmarks.naive import as_product, naive_weights, written_out
from benchmarks.paired import paired
from benchmarks.table import Row, arguments, give, seen
from swc_runtime import build
from swc_runtime.ensemble import Ensemble
from swc_runtime.precision import choose_arithmetic, laid_out
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.steps import STEPS, Batch, StepOptions
from swc_runtime.weights.step_weights import StepWeights

HALF = Path(__file__).parent / "specs" / "half.sw"
MEMBERS = Path(__file__).parent / "specs" / "members.sw"
GOALS = {("float32", 64): 1.02, ("bfloat16", 64): 1.04, ("float32", 8): 1.05, ("bfloat16", 8): 1.05}


def program(side: str, members: int = 0) -> Program:
    """`shared` or `plain`; with `members`, so many networks alike."""
    if members:
        return compile_file(MEMBERS, {"members": str(members)}, side).program
    return compile_file(HALF, ensemble=side).program


def stepper(side: str, precision: str, batch: int, members: int = 0, faster: str = "") -> Callable[[], None]:
    """A whole training step: gradients cleared, members forward and backward, parameters updated.

    `faster` is "compiled members" or "fused optimiser", a way that a plain ensemble might go.
    """
    ensemble = build(program(side, members), device=DEVICE)
    recipe = Recipe("benchmark", precision=precision, batch=batch)  # type: ignore[arg-type]
    optimiser = make_optimiser(ensemble, recipe)
    if faster == "fused optimiser":
        for group in optimiser.param_groups:
            group.update(foreach=False, fused=True)
    if faster == "compiled members":
        for member in ensemble.members:
            member.compile()
    options = StepOptions(choose_arithmetic(recipe.precision, DEVICE))
    generator = torch.Generator().manual_seed(0)
    images = laid_out(torch.randn(batch, 3, 32, 32, generator=generator).to(DEVICE))
    labels = torch.randint(0, 100, (batch,), generator=generator).to(DEVICE)
    run = STEPS[ensemble.program.step.name]
    ensemble.train()

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        run(ensemble, Batch(images, labels), options)
        optimiser.step()
        settled()

    return step


def cases() -> list[tuple[str, int]]:
    """Precision and batch; bfloat16 only where it is not an emulation, as runs choose it."""
    native = choose_arithmetic("auto", DEVICE).rounds_to is not None
    return [(precision, batch) for precision, batch in GOALS if native or precision == "float32"]


def step_rows(rounds: int) -> list[Row]:
    """Shared over plain, for each precision and batch."""
    rows = []
    for precision, batch in cases():
        goal = GOALS[precision, batch]
        calls = max(1, 16 // batch * 2)
        found = paired(stepper("shared", precision, batch), stepper("plain", precision, batch), rounds, calls)
        rows.append(Row(f"step, {precision}, batch {batch}: shared / plain", found.high, seen(found), at_most=goal))
    return rows


def plain_rows(rounds: int) -> list[Row]:
    """Whether the plain side, which sharing is held against, is the fastest there is: others over it."""
    rows = []
    for faster, (precision, batch) in product(("fused optimiser", "compiled members"), cases()):
        ways = (stepper("plain", precision, batch, faster=way) for way in (faster, ""))
        found = paired(*ways, rounds, calls=max(1, 16 // batch * 2))
        rows.append(Row(f"plain step, {precision}, batch {batch}: {faster} / as it is", found.median, seen(found)))
    return rows


def compose_rows(rounds: int) -> list[Row]:
    """Composition alone, forward and backward, by the product per bank and layer by layer."""
    goal = 10.0 if DEVICE == "cuda" else 3.0
    rows = []
    made = {"half": program("shared"), "multi_width": compile_file(specs() / "multi_width.sw").program}
    ways = {"sums written out": written_out, "products": as_product}
    for (name, compiled), (way, combine) in product(made.items(), ways.items()):
        ensemble = build(compiled, device=DEVICE)
        found = paired(_layer_by_layer(ensemble, combine), _as_a_step_does(ensemble), rounds, calls=3)
        what = f"composition of {name}, forward and backward: layer by layer, {way} / ours"
        rows.append(Row(what, found.low, seen(found), at_least=goal))
    return rows


def _gradients(ensemble: Ensemble) -> list[Tensor]:
    """Gradients of the composed weights that lie as convolutions give them."""
    shapes = [weight.shape for weight in ensemble.weights]
    return [torch.randn(shape, device=DEVICE).to(memory_format=torch.channels_last) for shape in shapes]


def _layer_by_layer(ensemble: Ensemble, combine: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
    """Each weight by itself, and autograd's way back."""
    gradients = _gradients(ensemble)

    def run() -> None:
        ensemble.zero_grad(set_to_none=True)
        torch.autograd.backward(naive_weights(ensemble, combine), gradients)
        settled()

    return run


def _as_a_step_does(ensemble: Ensemble) -> Callable[[], None]:
    """What a step does beside running the members: leaves are made, and their gradients carried to the banks."""
    gradients = _gradients(ensemble)

    def run() -> None:
        ensemble.zero_grad(set_to_none=True)
        step = StepWeights(ensemble.weights, ensemble.plan, ensemble.kernels, ensemble.sources())
        for leaf, gradient in zip(step.leaves, gradients, strict=True):
            leaf.grad = gradient
        step.settle(range(len(gradients)))
        step.finish()
        settled()

    return run


def memory_rows() -> list[Row]:
    """Peak memory of two steps beyond what a process holds before it builds the ensemble."""
    cases = [("two networks", 0, 64), ("two networks", 0, 8), *((f"M = {count}", count, 8) for count in (1, 2, 4))]
    rows = []
    for name, members, batch in cases:
        shared, plain = (_peak_of(side, batch, members) for side in ("shared", "plain"))
        what = f"peak memory, {name}, float32, batch {batch}: shared / plain"
        words = f"{shared / plain:.3f}, {shared / 2**20:.0f} / {plain / 2**20:.0f} MiB"
        rows.append(Row(what, shared / plain, words, at_most=1.0))
    return rows


def counted_row() -> Row:
    """Bytes for weights, gradients and optimiser of 4 x WRN-28-10 at a quarter, counted from the programs.

    Stored scalars, their gradients and momentum are float32; composed weights, and the gradients of one member's, are
    bfloat16. The plain ensemble has a weight, a gradient and a momentum for each scalar, float32.
    """
    found = compile_file(specs() / "homogeneous.sw").program
    composed = [prod(weight.shape) for weight in found.weights]
    private = sum(prod(one.shape) for one in found.private)
    stored = sum(bank.num_templates * bank.template_size for bank in found.banks) + private
    shared = 3 * 4 * stored + 2 * sum(composed) + 2 * sum(composed) // len(found.members)
    plain = 3 * 4 * (sum(composed) + private)
    words = f"{shared / plain:.3f}, {shared / 1e6:.0f} / {plain / 1e6:.0f} MB (counted)"
    what = "weights, gradients, optimiser, 4 x WRN-28-10 at 36.5M: shared / plain"
    return Row(what, shared / plain, words, at_most=0.55)


def _peak_of(side: str, batch: int, members: int) -> int:
    command = [sys.executable, "-m", "benchmarks.step", "--peak", side, str(batch), str(members)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak(side: str, batch: int, members: int) -> int:
    """Bytes that building and two steps take at most; of the device on CUDA, resident ones on Linux elsewhere."""
    program(side, members)  # so that what compiling takes is not counted
    before = resident("VmRSS")
    step = stepper(side, "float32", batch, members)
    step()
    step()
    return torch.cuda.max_memory_allocated() if DEVICE == "cuda" else resident("VmHWM") - before


def resident(field: str) -> int:
    """Bytes of this process by `/proc`: `VmRSS` now, `VmHWM` at most so far."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


if __name__ == "__main__":
    given = arguments(__doc__, "--peak")
    if given.peak:
        print(peak(given.peak[0], *map(int, given.peak[1:])))
    else:
        timed = [*step_rows(given.rounds), *plain_rows(given.rounds), *compose_rows(given.rounds)]
        give([*timed, *memory_rows(), counted_row()], given.output, "step")
