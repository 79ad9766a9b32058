"""How long steps wait for their batches, and what several processes add up.

    python -m benchmarks.data_wait [-o FOLDER]

Some steps of a spec of the paper and an epoch of the quickstart, on random pixels of the data sets' own shape and
number, with the spec's augmentation; the trainer's own counter says how long it waited. Below stands what a step of
several processes sends, for four members at a quarter of their parameters.
"""

from __future__ import annotations

from itertools import islice

import torch
from swc.compiler.driver import compile_file
from swc.program.program import Program
from swc.program.training import Phase
from swc.system.resources import specs

from benchmarks.device import DEVICE
from benchmarks.table import Row, arguments, give
from swc_runtime.data import EpochPlan, epoch_batches, num_batches
from swc_runtime.data.splits import MemorySplit
from swc_runtime.ensemble import build
from swc_runtime.precision import choose_arithmetic
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.reduction import traffic_of
from swc_runtime.training.trainer import Epoch, train_epoch

MOST = 0.01  # of an epoch's time
NUM_IMAGES = {"cifar100": 50_000, "digits": 1_437}


def random_split(program: Program) -> MemorySplit:
    """As many images as the data set has, of random pixels."""
    count, draw = NUM_IMAGES[program.data.name], torch.Generator().manual_seed(0)
    shape = (count, *program.data.image_shape)
    images = torch.randint(0, 256, shape, generator=draw, dtype=torch.uint8)
    return MemorySplit(program.data, images, torch.randint(program.data.num_classes, (count,), generator=draw)).to(
        DEVICE
    )


def wait_row(spec: str, steps: int | None) -> Row:
    """The share of the time that steps waited; `steps` None is a whole epoch."""
    program = compile_file(specs() / spec).program
    assert program.training is not None, "the spec has a train block"
    recipe, split = program.training.recipe, random_split(program)
    steps = steps or num_batches(len(split), recipe.batch)
    ensemble = build(program, device=DEVICE)
    batches = islice(epoch_batches(split, EpochPlan(recipe.augmentation, recipe.batch, 0, 0, 0, device=DEVICE)), steps)
    arithmetic = choose_arithmetic(recipe.precision, DEVICE)
    epoch = Epoch(Phase("waiting", 1, lr=1e-3), 0, steps)
    result = train_epoch(ensemble, make_optimiser(ensemble, recipe), batches, recipe, epoch, arithmetic)
    words = f"{result.waited / result.seconds:.2%}: {result.waited:.3f} of {result.seconds:.1f} s, {steps} steps"
    return Row(f"{spec}: time that steps wait for data / all", result.waited / result.seconds, words, at_most=MOST)


def traffic_row() -> Row:
    """Bytes of gradients that a step of several processes adds up, over those of composed weights."""
    ensemble = build(compile_file(specs() / "homogeneous.sw").program)
    found = traffic_of(ensemble)
    words = f"{found.reduced / found.composed:.3f}: {found.reduced / 1e6:.1f} / {found.composed / 1e6:.1f} MB"
    what = f"{ensemble.program.ensemble}: bytes added up each step / those of composed weights"
    return Row(what, found.reduced / found.composed, words, at_most=0.26)


if __name__ == "__main__":
    given = arguments(__doc__)
    rows = [wait_row("quickstart.sw", None), wait_row("multi_width.sw", 6), traffic_row()]
    give(rows, given.output, "data_wait")
