"""The parts of `benchmarks.gpu` that measure: each writes its rows as JSON and prints them.

    python -m benchmarks.gpu_parts kernels|ensembles|killed [--device cuda|cpu] [-o FOLDER]

On the CPU they are small: the quickstart's ensemble in place of the shipped ones, a handful of images, and torch's
kernels against a composition layer by layer in place of CuPy's against torch's.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from attrs import asdict, evolve
from swc.compiler.driver import Compiled, compile_file, compile_spec
from swc.program.program import Program
from swc.program.spec import Budget
from swc.system.resources import specs
from torch import Tensor

from benchmarks.gpu import SEED
from benchmarks.naive import as_product, naive_weights
from benchmarks.paired import paired
from benchmarks.table import Row, seen
from swc_runtime import build
from swc_runtime.ensemble import Ensemble
from swc_runtime.precision import choose_arithmetic, laid_out
from swc_runtime.training.kernel_choice import KernelsName, choose_kernels, cupy_kernels, equip, why_not_cupy
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.steps import STEPS, Batch, StepOptions
from swc_runtime.weights.kernels.reference import Kernels

SHIPPED = ("multi_width", "multi_depth_width", "heterogeneous")
SMALL = ("quickstart",)
CLOSE = 1e-4  # of the largest number, in float32: as tests/runtime/test_kernels_on_cuda.py has it
PRECISIONS = ("float32", "bfloat16")


def ensembles_for(device: str) -> tuple[str, ...]:
    """The names of the specs that are measured."""
    return SMALL if device == "cpu" else SHIPPED


def compiled(name: str) -> Compiled:
    """A shipped ensemble."""
    return compile_file(specs() / f"{name}.sw")


def plain(shared: Compiled) -> Program:
    """The same members sharing nothing, each with the weights it would own alone."""
    unshared = tuple(evolve(share, policy="none", arguments=()) for share in shared.spec.shares)
    spec = evolve(shared.spec, shares=unshared, budget=Budget("unlimited"), training=None)
    return compile_spec(spec, shared.tables).program


# --- kernels against the reference ------------------------------------------------------------------------------------


def kernel_rows(device: str) -> Iterator[Row]:
    """Composed weights and gradients of stored tensors: the largest difference, over the largest number."""
    for name in ensembles_for(device):
        torch.manual_seed(SEED)
        ensemble = build(compiled(name).program, device=device)
        ours, theirs = both_kernels(ensemble, device)
        gap = max(
            difference(*pair) for pair in zip(both_ways(ensemble, ours), both_ways(ensemble, theirs), strict=True)
        )
        yield Row(f"{name}, float32: largest difference, weights and gradients", gap, f"{gap:.2g}", at_most=CLOSE)
        yield narrow_row(name, ensemble, device)


Compose = Callable[[], Sequence[Tensor]]


def both_kernels(ensemble: Ensemble, device: str) -> tuple[Compose, Compose]:
    """Two ways to compose: CuPy's kernels and torch's; on the CPU torch's, and layer by layer."""
    if device == "cpu":
        return ensemble.compose, lambda: naive_weights(ensemble, as_product)
    own = cupy(ensemble, device)
    return lambda: own.compose(ensemble.sources().stored), ensemble.compose


def cupy(ensemble: Ensemble, device: str, weights: torch.dtype | None = None) -> Kernels:
    """CuPy's kernels; RuntimeError where they cannot be had."""
    reason = why_not_cupy(torch.device(device))
    if reason:
        raise RuntimeError(reason)
    counts = [bank.num_templates for bank in ensemble.program.banks]
    return cupy_kernels(ensemble.plan, counts, torch.device(device), torch.float32, weights)


def both_ways(ensemble: Ensemble, compose: Compose) -> list[Tensor]:
    """The composed weights, and what gradients of them give for templates and coefficients."""
    parameters = [*ensemble.banks, *ensemble.coefficients]
    made = list(compose())
    generator = torch.Generator().manual_seed(SEED)
    gradients = [torch.randn(weight.shape, generator=generator).to(weight) for weight in made]
    return [*made, *torch.autograd.grad(made, parameters, gradients)]


def difference(found: Tensor, expected: Tensor) -> float:
    """The largest difference over the largest number."""
    found, expected = found.detach(), expected.detach()
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-30))


def narrow_row(name: str, ensemble: Ensemble, device: str) -> Row:
    """Weights composed in bfloat16: the rounded ones of float32, where the kernels round in the same place."""
    with torch.no_grad():
        wide = [weight.detach() for weight in ensemble.compose()]
        if device == "cpu":
            made = [weight.to(torch.bfloat16) for weight in naive_weights(ensemble, as_product)]
        else:
            made = cupy(ensemble, device, torch.bfloat16).compose(ensemble.sources().stored)
        gap = max(difference(one.float(), other) for one, other in zip(made, wide, strict=True))
    # bfloat16 keeps 8 bits: half a step is 2^-9 of a number
    return Row(f"{name}, bfloat16: largest difference of weights", gap, f"{gap:.2g}", at_most=2.0**-8)


# --- steps and memory of the shipped ensembles ------------------------------------------------------------------------


def ensemble_rows(device: str) -> Iterator[Row]:
    """Shared over plain: whole training steps in both precisions, and the peak memory of two."""
    for name in ensembles_for(device):
        shared = compiled(name)
        sides = (shared.program, plain(shared))
        kernels = choose_kernels("auto", device, lambda program=shared.program: program)  # type: ignore[misc]
        batch = 8 if device == "cpu" else shared.spec.training.recipe.batch  # type: ignore[union-attr]
        for precision in PRECISIONS[:1] if device == "cpu" else PRECISIONS:
            steps = [stepper(program, device, precision, batch, shared, kernels.name) for program in sides]
            found = paired(*steps, rounds=5, calls=1 if device == "cpu" else 3)
            del steps
            cleared(device)
            words = f"{seen(found)}, kernels {kernels.name}"
            yield Row(f"{name}, step, {precision}, batch {batch}: shared / plain", found.median, words)
            yield memory_row(
                f"{name}, peak memory, {precision}, batch {batch}", sides, device, precision, batch, shared
            )


def stepper(
    program: Program, device: str, precision: str, batch: int, shared: Compiled, kernels: KernelsName = "torch"
) -> Callable[[], None]:
    """A whole training step on drawn images: gradients cleared, forward and backward, parameters updated."""
    assert shared.spec.training is not None
    torch.manual_seed(SEED)
    ensemble = build(program, device=device)
    equip(ensemble, kernels)
    recipe = evolve(shared.spec.training.recipe, precision=precision, batch=batch)
    optimiser = make_optimiser(ensemble, recipe)
    options = StepOptions(choose_arithmetic(recipe.precision, device))
    facts = shared.spec.data
    generator = torch.Generator().manual_seed(SEED)
    images = laid_out(torch.randn(batch, *facts.image_shape, generator=generator).to(device))
    labels = torch.randint(0, facts.num_classes, (batch,), generator=generator).to(device)
    run = STEPS[program.step.name]
    ensemble.train()

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        run(ensemble, Batch(images, labels), options)
        optimiser.step()
        if device != "cpu":
            torch.cuda.synchronize(device)

    return step


def memory_row(what: str, sides: Sequence[Program], device: str, precision: str, batch: int, shared: Compiled) -> Row:
    """Peak memory of the device over building and two steps; nothing on the CPU, where one process has one peak."""
    if device == "cpu":
        return Row(f"{what}: shared / plain", 0.0, "not taken on the CPU")
    peaks = []
    for program in sides:
        cleared(device)
        torch.cuda.reset_peak_memory_stats(device)
        step = stepper(program, device, precision, batch, shared)
        step()
        step()
        peaks.append(torch.cuda.max_memory_allocated(device))
        del step
    ratio = peaks[0] / peaks[1]
    return Row(f"{what}: shared / plain", ratio, f"{ratio:.3f}, {peaks[0] / 2**20:.0f} / {peaks[1] / 2**20:.0f} MiB")


def cleared(device: str) -> None:
    """Give back what is not held any more."""
    gc.collect()
    if device != "cpu":
        torch.cuda.empty_cache()


# --- a training that is killed and resumed ----------------------------------------------------------------------------


def killed_rows(device: str) -> Iterator[Row]:
    """The quickstart, undisturbed and killed within an epoch: it goes on, and ends with scores alike."""
    scale = "0.05" if device == "cpu" else "0.25"
    with TemporaryDirectory() as made:
        folder = Path(made)
        swc(folder, "compile", str(specs() / "quickstart.sw"), "--quiet")
        train = ("train", "--device", device, "--epochs-scale", scale, "--offline")
        swc(folder, *train, "--run", "undisturbed")
        lines = kill(folder, *train, "--run", "killed", "--checkpoint-every", "0")
        yield Row("the training is killed after so many epochs", float(lines), str(lines), at_least=1)
        told = swc(folder, *train, "--run", "killed")
        went_on = "going on in phase" in told
        yield Row("it says that it goes on where it was", float(went_on), "yes" if went_on else "no", at_least=1)
        scores = [results(folder / run) for run in ("undisturbed", "killed")]
    gap = abs(scores[0]["top1"] - scores[1]["top1"])
    words = " / ".join(f"{one['top1']:.2%}" for one in scores)
    # on the CPU to the bit; kernels of a GPU add up in no settled order, and a short training tells them apart
    yield Row("top-1 of the ensemble: undisturbed / killed", gap, words, at_most=0.0 if device == "cpu" else 0.1)
    is_same = scores[0] == scores[1]
    yield Row("scores are the same to the bit", float(is_same), "yes" if is_same else "no")


def swc(folder: Path, *arguments: str) -> str:
    """Run a command of `swc`; gives what it told. CalledProcessError where it fails, after printing why."""
    done = subprocess.run(command_of(arguments), cwd=folder, capture_output=True, text=True, check=False)
    print(done.stderr)
    done.check_returncode()
    return done.stderr


def command_of(arguments: Sequence[str]) -> list[str]:
    """A command line of `swc` by this Python."""
    return [sys.executable, "-m", "swc", *arguments]


def kill(folder: Path, *arguments: str) -> int:
    """Begin a training, and kill it a moment after its first epoch; gives how many epochs it told."""
    process = subprocess.Popen(
        command_of(arguments), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    epochs = 0
    for line in process.stderr:
        print(line, end="")
        epochs += "  epoch " in line and "loss" in line
        if epochs:
            time.sleep(0.05)
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()
    return epochs


def results(run: Path) -> dict[str, Any]:
    """The ensemble's scores on held-out images."""
    found: dict[str, Any] = json.loads((run / "results.json").read_text("utf-8"))["together"]
    return found


PARTS: dict[str, Callable[[str], Iterator[Row]]] = {
    "kernels": kernel_rows,
    "ensembles": ensemble_rows,
    "killed": killed_rows,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one part; what it has found is kept row by row, so that a limit loses nothing but the rest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("-o", "--output", type=Path, default=Path("build/gpu"))
    given = parser.parse_args(arguments)
    given.output.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    place = given.output / f"{given.part}.json"
    place.unlink(missing_ok=True)
    for row in PARTS[given.part](given.device):
        print(f"{row.what}: {row.seen} (goal {row.goal}, met {row.met})", flush=True)
        rows.append(asdict(row) | {"goal": row.goal, "met": row.met})
        place.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
