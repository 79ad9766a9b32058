"""An epoch of gradient statistics, against an epoch of training on the same batches.

    python -m benchmarks.statistics_cost [-o FOLDER] [--rounds N]

The quickstart's ensemble, on random pixels of its data set's shape, by turns (`paired`). Beside the times stands what
each kind of statistics keeps in memory over its pass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from swc.compiler.driver import compile_file
from swc.program.program import Program
from swc.program.training import Phase, Recipe
from swc.system.resources import specs
from torch import Tensor

from benchmarks.device import DEVICE, settled
from benchmarks.paired import paired
from benchmarks.table import Row, arguments, give, seen
from swc_runtime.ensemble import Ensemble, build
from swc_runtime.measure.probe import (
    NUM_GROUPS,
    clusters_of,
    measure_clusters,
    measure_coefficients,
    shapes_of,
    sketch_clusters,
)
from swc_runtime.measure.sketch import BUCKETS, Sketch, statistics_bytes
from swc_runtime.precision import Arithmetic, choose_arithmetic, laid_out
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.trainer import Epoch, train_epoch

GOAL = 1.01 if DEVICE == "cpu" else 1.02
NUM_BATCHES = 23  # as many as an epoch of the digits has
Batches = list[tuple[Tensor, Tensor]]


def random_batches(program: Program, recipe: Recipe) -> Batches:
    """An epoch of random pixels."""
    draw = torch.Generator().manual_seed(0)
    shape, classes = program.data.image_shape, program.data.num_classes
    return [
        (
            laid_out(torch.randn(recipe.batch, *shape, generator=draw).to(DEVICE)),
            torch.randint(classes, (recipe.batch,), generator=draw).to(DEVICE),
        )
        for _ in range(NUM_BATCHES)
    ]


def trainer(ensemble: Ensemble, recipe: Recipe, batches: Batches, arithmetic: Arithmetic) -> Callable[[], None]:
    """A plain epoch of training."""
    optimiser = make_optimiser(ensemble, recipe)
    epoch = Epoch(Phase("plain", 1, lr=1e-3), 0, len(batches))

    def train() -> None:
        train_epoch(ensemble, optimiser, batches, recipe, epoch, arithmetic)
        settled()

    return train


def statistics_rows(rounds: int) -> list[Row]:
    """One row for each kind of statistics."""
    program = compile_file(specs() / "quickstart.sw").program
    assert program.training is not None, "the quickstart is trained"
    recipe = program.training.recipe
    ensemble, batches = build(program, device=DEVICE), random_batches(program, recipe)
    arithmetic = choose_arithmetic(recipe.precision, DEVICE)
    train = trainer(ensemble, recipe, batches, arithmetic)
    kept = partial(statistics_bytes, clusters_of(program), shapes_of(program), NUM_GROUPS)
    kinds: tuple[tuple[str, Callable[..., object], str], ...] = (
        ("clusters, exact", measure_clusters, f", keeps {kept(None) / 1e6:.1f} MB"),
        (
            "clusters, sketched",
            partial(sketch_clusters, sketch=Sketch(NUM_BATCHES)),
            f", keeps {kept(BUCKETS) / 1e6:.1f} MB",
        ),
        ("coefficients", measure_coefficients, ""),
    )
    rows = []
    for name, kind, memory in kinds:
        found = paired(lambda k=kind: _measured(k, ensemble, batches, arithmetic), train, rounds)
        what = f"statistics of {name}: epoch / training epoch"
        rows.append(Row(what, found.median, seen(found) + memory, at_most=GOAL))
    return rows


def _measured(kind: Callable[..., object], ensemble: Ensemble, batches: Batches, arithmetic: Arithmetic) -> None:
    kind(ensemble, batches, context=arithmetic.autocast)
    settled()


if __name__ == "__main__":
    given = arguments(__doc__)
    give(statistics_rows(given.rounds), given.output, "statistics")
