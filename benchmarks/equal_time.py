"""How long small systems train, against full-size networks that share nothing.

    python -m benchmarks.equal_time [-o FOLDER] [--rounds N]

Training batches of all by turns, as the trainer runs them: images augmented, members one after another, one thread.
The images are random pixels of the shape that the spec says. A ratio is that of the fastest rounds, as other work on
the machine only ever adds to a round; beside it stands that of the quarters that were fastest. The epochs of the
`_long` ensembles in `specs/small` are those of shared networks, times how much longer these take than narrow ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from statistics import quantiles
from time import perf_counter

import torch
from swc.compiler.driver import compile_file
from swc.program.program import Program
from swc.program.training import Phase
from swc.system.resources import specs

from benchmarks.device import DEVICE, settled
from benchmarks.table import Row, arguments, give
from swc_runtime.data import EpochPlan, epoch_batches
from swc_runtime.data.splits import MemorySplit
from swc_runtime.ensemble import build
from swc_runtime.precision import choose_arithmetic
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.trainer import Epoch, train_epoch

SMALL = specs() / "small"
BATCHES = 3  # of a round
NUM_IMAGES = 4_000
SYSTEMS = {
    "sharing_pays.sw": (
        "plain",
        *(f"{system}_{budget}" for system in ("shared", "bins", "tied", "narrow") for budget in (6, 12, 25, 50)),
        *(f"{system}_{budget}" for system in ("bins", "tied", "narrow") for budget in (18, 35)),
    ),
    "rivals.sw": (
        *("one_6", "one_12", "one_25", "one_50", "one_100"),
        *("hard", "batch_ensemble", "batch_ensemble_norms", "mimo_25", "packed_25", "slimmable", "shapeshifter_25"),
    ),
}  # of the figure on the first page, by their specs; a distilled network trains as one does, and its teacher predicts
LARGER = {"believed.sw": ("narrow_fine", "shared_fine", "tied_fine")}


def trainer(program: Program) -> Callable[[], float]:
    """Trains the ensemble with some batches, and gives the seconds of one."""
    assert program.training is not None, "the spec has a train block"
    recipe, draw = program.training.recipe, torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (NUM_IMAGES, *program.data.image_shape), generator=draw, dtype=torch.uint8)
    classes = torch.randint(program.data.num_classes, (NUM_IMAGES,), generator=draw)
    split = MemorySplit(program.data, pixels, classes).to(DEVICE)
    ensemble = build(program, device=DEVICE)
    optimiser, arithmetic = make_optimiser(ensemble, recipe), choose_arithmetic(recipe.precision, DEVICE)
    epoch = Epoch(Phase("timed", 1, lr=1e-3), 0, BATCHES)

    def run() -> float:
        plan = EpochPlan(recipe.augmentation, recipe.batch, 0, 0, 0, device=DEVICE)
        batches = islice(epoch_batches(split, plan), BATCHES)
        began = perf_counter()
        train_epoch(ensemble, optimiser, batches, recipe, epoch, arithmetic)
        settled()
        return (perf_counter() - began) / BATCHES

    return run


def rows(systems: Mapping[str, Sequence[str]], rounds: int) -> list[Row]:
    """The time that a batch of each takes, over that of the first of them."""
    programs = {name: compile_file(SMALL / spec, ensemble=name).program for spec, of in systems.items() for name in of}
    trainers = {name: trainer(program) for name, program in programs.items()}
    times: dict[str, list[float]] = {name: [] for name in trainers}
    for number in range(rounds + 1):
        for name in trainers if number % 2 else reversed(trainers):
            times[name].append(trainers[name]())
    counted = {name: found[1:] for name, found in times.items()}  # without the first round
    first, *others = counted
    return [_row(name, counted[name], first, counted[first]) for name in others]


def _row(name: str, times: Sequence[float], first: str, of_first: Sequence[float]) -> Row:
    fastest = min(times) / min(of_first)
    quarters = quantiles(times, n=4)[0] / quantiles(of_first, n=4)[0]
    words = f"{fastest:.2f}, by quarters {quarters:.2f}, {1000 * min(times):.0f} / {1000 * min(of_first):.0f} ms"
    return Row(f"a batch, {name} / {first}", fastest, words)


if __name__ == "__main__":
    given = arguments(__doc__)
    torch.set_num_threads(1)
    give([*rows(SYSTEMS, given.rounds), *rows(LARGER, given.rounds)], given.output, "equal_time")
