"""Where the time of a training step goes: the parts of one that shares, beside those of one that does not.

    python -m benchmarks.parts [-o FOLDER] [--rounds N]

The two ensembles of `benchmarks.step`, each step taken apart by a clock: composing, the members forward and backward,
putting gradients in the weights' place, carrying them to the banks, updating. Medians of steps by turns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter

import torch
import torch.nn.functional as F
from swc.program.training import Recipe

from benchmarks.device import DEVICE, settled
from benchmarks.step import program
from benchmarks.table import Row, arguments, give
from swc_runtime import build
from swc_runtime.precision import choose_arithmetic, laid_out
from swc_runtime.training.optimiser import make_optimiser

SIDES = ("shared", "plain")
PARTS = ("clear gradients", "compose", "members", "settle gradients", "carry to the banks", "update")
CASES = (("float32", 64), ("float32", 8), ("bfloat16", 8))

Times = defaultdict[str, list[float]]


@contextmanager
def _timed(times: Times, part: str) -> Iterator[None]:
    started = perf_counter()
    yield
    settled()
    times[part].append(perf_counter() - started)


def stepper(side: str, precision: str, batch: int, times: Times) -> Callable[[], None]:
    """A step like those of `benchmarks.step` that adds its parts to `times`."""
    ensemble = build(program(side), device=DEVICE)
    optimiser = make_optimiser(ensemble, Recipe("benchmark", precision=precision, batch=batch))  # type: ignore[arg-type]
    arithmetic = choose_arithmetic(precision, DEVICE)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    images = laid_out(torch.randn(batch, 3, 32, 32, generator=generator).to(DEVICE))
    labels = torch.randint(0, 100, (batch,), generator=generator).to(DEVICE)
    ensemble.train()

    def step() -> None:
        with _timed(times, "clear gradients"):
            optimiser.zero_grad(set_to_none=True)
        with _timed(times, "compose"):
            ensemble.begin_step(arithmetic.rounds_to)
        settling: Times = defaultdict(list)
        with _timed(times, "members"):
            for number in ensemble.own:
                with arithmetic.autocast():
                    logits = ensemble.members[number](images)
                F.cross_entropy(logits.float(), labels).backward()
                with _timed(settling, "settle"):
                    ensemble.end_member(number)
        times["settle gradients"].append(sum(settling["settle"]))
        times["members"][-1] -= times["settle gradients"][-1]
        with _timed(times, "carry to the banks"):
            ensemble.end_step()
        with _timed(times, "update"):
            optimiser.step()

    return step


def rows_of(precision: str, batch: int, rounds: int) -> list[Row]:
    """One row for each part: milliseconds of both sides."""
    times: dict[str, Times] = {side: defaultdict(list) for side in SIDES}
    steps = [stepper(side, precision, batch, times[side]) for side in SIDES]
    for turn in range(rounds + 1):
        for step in steps if turn % 2 else reversed(steps):
            step()
    shown = {side: {part: 1e3 * median(times[side][part][1:]) for part in PARTS} for side in SIDES}
    whole = {side: sum(shown[side].values()) for side in SIDES}
    head = f"{precision}, batch {batch}"
    rows = [_row(f"{head}: {part}", *(shown[side][part] for side in SIDES)) for part in PARTS]
    return [*rows, _row(f"{head}: step", *(whole[side] for side in SIDES))]


def _row(what: str, shared: float, plain: float) -> Row:
    return Row(what, shared - plain, f"shared {shared:8.2f} ms, plain {plain:8.2f} ms, {shared - plain:+7.2f} ms")


if __name__ == "__main__":
    given = arguments(__doc__)
    give([row for case in CASES for row in rows_of(*case, given.rounds)], given.output, "parts")
