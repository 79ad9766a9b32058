"""What an epoch of gradient statistics costs over an epoch of training.

Takes a spec, gives a table: per kind of statistics the ratio to a plain epoch (median over paired rounds, least and
most) and the memory it keeps. Guarantees: every round runs each kind once, in turn, on the same batches of random
pixels in the data set's shape; times are CPU time of the process (user and system), or on CUDA wall time between
synchronisations; the first round warms up and does not count.

    python benchmarks/statistics_cost.py [--spec SPEC.sw] [--batches N] [--rounds N] [--sketch M] [--device cuda]
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import torch
from attrs import frozen
from swc.driver import Compiled, compile_file
from swc.program.program import Program
from swc.program.training import Phase, Recipe

from swc_runtime.ensemble import Ensemble, build
from swc_runtime.optimiser import make_optimiser
from swc_runtime.precision import Arithmetic, choose_arithmetic, laid_out
from swc_runtime.probe import (
    NUM_GROUPS,
    clusters_of,
    measure_clusters,
    measure_coefficients,
    shapes_of,
    sketch_clusters,
)
from swc_runtime.sketch import Sketch, statistics_bytes
from swc_runtime.trainer import Epoch, train_epoch

SPEC = Path(__file__).parents[1] / "specs" / "quickstart.sw"
Batches = list[tuple[torch.Tensor, torch.Tensor]]


@frozen
class Bench:
    """An ensemble with batches to run."""

    compiled: Compiled
    ensemble: Ensemble
    recipe: Recipe
    batches: Batches
    arithmetic: Arithmetic

    @property
    def program(self) -> Program:
        """The program of the ensemble."""
        assert self.compiled.program is not None
        return self.compiled.program

    def train(self) -> None:
        """A plain epoch."""
        optimiser = make_optimiser(self.ensemble, self.recipe)
        epoch = Epoch(Phase("plain", 1, lr=1e-3), 0, len(self.batches))
        train_epoch(self.ensemble, optimiser, self.batches, self.recipe, epoch, self.arithmetic)

    def measure(self, kind: Callable[..., object]) -> None:
        """A statistics epoch."""
        kind(self.ensemble, self.batches, context=self.arithmetic.autocast)


def opened(arguments: argparse.Namespace) -> Bench:
    """The spec compiled and built, and random batches for it."""
    compiled = compile_file(arguments.spec)
    program = compiled.program
    assert program is not None and program.training is not None, "the spec has a train block"
    recipe, facts = program.training.recipe, program.data
    size = arguments.batch or recipe.batch
    draw = torch.Generator().manual_seed(0)
    batches = [
        (
            laid_out(torch.randn(size, *facts.image_shape, generator=draw).to(arguments.device)),
            torch.randint(facts.num_classes, (size,), generator=draw).to(arguments.device),
        )
        for _ in range(arguments.batches)
    ]
    ensemble = build(program, device=arguments.device)
    return Bench(compiled, ensemble, recipe, batches, choose_arithmetic(recipe.precision, arguments.device))


def seconds(run: Callable[[], None], device: str) -> float:
    """How long a run takes the processor, or on CUDA how long until the device is done."""
    if device == "cpu":
        begun = process_time()
        run()
        return process_time() - begun
    torch.cuda.synchronize()
    begun = perf_counter()
    run()
    torch.cuda.synchronize()
    return perf_counter() - begun


def kinds_of(bench: Bench, buckets: int) -> dict[str, Callable[[], None]]:
    """Every kind of epoch by its name; the plain one first."""
    sketch = partial(sketch_clusters, sketch=Sketch(len(bench.batches), buckets))
    return {
        "plain": bench.train,
        "clusters, exact": partial(bench.measure, measure_clusters),
        f"clusters, sketch {buckets}": partial(bench.measure, sketch),
        "coefficients": partial(bench.measure, measure_coefficients),
    }


def report(bench: Bench, taken: dict[str, list[float]], buckets: int) -> None:
    """The table."""
    shapes, clusters = shapes_of(bench.program), clusters_of(bench.program)
    memory = {
        name: statistics_bytes(clusters, shapes, NUM_GROUPS, buckets if "sketch" in name else None)
        for name in taken
        if "clusters" in name
    }
    plain = taken.pop("plain")
    print(f"{'epoch':<24} {'ratio':>7} {'least':>7} {'most':>7}  keeps")
    print(f"{'plain':<24} {'1':>7} {'':>7} {'':>7}  ({median(plain):.3f} s)")
    for name, times in taken.items():
        ratios = [one / base for one, base in zip(times, plain, strict=True)]
        kept = f"{memory[name] / 1e6:.1f} MB" if name in memory else ""
        print(f"{name:<24} {median(ratios):>7.3f} {min(ratios):>7.3f} {max(ratios):>7.3f}  {kept}")


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description="what gradient statistics cost over plain training")
    parser.add_argument("--spec", type=Path, default=SPEC)
    parser.add_argument("--batches", type=int, default=23, help="batches in an epoch; the digits have 23")
    parser.add_argument("--batch", type=int, default=None, help="images in a batch; the recipe's if left out")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sketch", type=int, default=4096)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    bench = opened(arguments)
    kinds = kinds_of(bench, arguments.sketch)
    rounds = [{n: seconds(run, arguments.device) for n, run in kinds.items()} for _ in range(arguments.rounds + 1)]
    chip = torch.cuda.get_device_name() if arguments.device != "cpu" else platform.processor() or platform.machine()
    print(f"{chip}, {arguments.threads} threads, torch {torch.__version__}, {bench.arithmetic}")
    size = len(bench.batches[0][1])
    print(f"{bench.program.ensemble}: {len(bench.batches)} batches of {size}, {arguments.rounds} paired rounds")
    report(bench, {name: [taken[name] for taken in rounds[1:]] for name in kinds}, arguments.sketch)


if __name__ == "__main__":
    main()
