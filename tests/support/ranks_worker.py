"""What one of several processes does in the tests of ranks: trains, measures and predicts, and keeps what it found."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from attrs import evolve
from safetensors.torch import save_file
from swc.compiler.driver import compile_file
from swc.diagnostics import DiagnosticError
from swc.program.program import Program
from swc.program.steps import StepPlan
from swc.program.training import Optimiser, Phase, Recipe, WeightAverage
from swc.system.resources import specs
from torch import Tensor

from swc_runtime import build
from swc_runtime.data import EpochPlan, epoch_batches, open_data, own_seed, test_batches
from swc_runtime.data.batches import OwnBatches
from swc_runtime.data.shares import WHOLE, Deal, deal_of
from swc_runtime.data.splits import MemorySplit
from swc_runtime.ensemble import Ensemble, state_tensors
from swc_runtime.evaluate import predict
from swc_runtime.measure.probe import measure_coefficients, sketch_clusters, sum_gradients
from swc_runtime.measure.sketch import Sketch
from swc_runtime.precision import Arithmetic
from swc_runtime.ranks.ranks import Ranks, join_ranks, leave_ranks
from swc_runtime.ranks.synced_norms import synchronise
from swc_runtime.training.averages import AveragedWeights
from swc_runtime.training.norm_statistics import reestimate
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.trainer import Epoch, EpochResult, train_epoch

FULL = Arithmetic("cpu", torch.float64, "tests")
IMAGES, BATCH = 100, 32  # three batches of 32, and one of 4
RECIPE = Recipe("tests", batch=BATCH, precision="float32")
PHASE = Phase("main", 2, lr=0.02)
EPOCHS = 2


def program() -> Program:
    """The quickstart's ensemble: residual networks with BatchNorm."""
    return compile_file(specs() / "quickstart.sw").program


def split() -> MemorySplit:
    """The first digits."""
    found = open_data(program().data, None, True, print).train
    assert isinstance(found, MemorySplit)
    return evolve(found, images=found.images[:IMAGES], labels=found.labels[:IMAGES])


def batches(epoch: int, deal: Deal, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """The batches of an epoch in float64, or a rank's shares of them."""
    found = epoch_batches(split(), EpochPlan(RECIPE.augmentation, BATCH, seed, 0, epoch, deal=deal))
    return [(images.double(), labels) for images, labels in found]


def batches_of_each(ensemble: Ensemble, deal: Deal) -> list[OwnBatches]:
    """The steps of an epoch in which every network sees batches of its own."""
    hosts = [ensemble.program.members[network.host].name for network in ensemble.networks]
    each = [batches(0, deal, own_seed(0, name)) for name in hosts]
    return [OwnBatches(step) for step in zip(*each, strict=True)]


def trained_apart(ranks: Ranks, deal: Deal) -> dict[str, Tensor]:
    """An ensemble after an epoch in which every network saw batches of its own; large gradients are clipped."""
    recipe = evolve(RECIPE, norm_batch=BATCH // 2, clip_gradients=0.5)
    ensemble = fresh(ranks, StepPlan("independent", (("average", False), ("batches", "own"))))
    result = train_epoch(
        ensemble,
        make_optimiser(ensemble, recipe),
        batches_of_each(ensemble, deal),
        recipe,
        Epoch(PHASE, 0, 4, num_images=IMAGES),
        FULL,
        ranks=ranks,
    )
    assert result.ensemble is None, "members saw different images"
    found = {f"state/{key}": t.clone() for key, t in state_tensors(ensemble).items()}
    return found | {"numbers": torch.tensor([*result.losses, *result.accuracies, result.images, result.clipped])}


def fresh(ranks: Ranks, step: StepPlan | None = None) -> Ensemble:
    """An ensemble of this rank's members."""
    made = program() if step is None else evolve(program(), step=step)
    return build(made, dtype=torch.float64, own=ranks.own(len(made.members)))


def trained(
    recipe: Recipe, ranks: Ranks, deal: Deal, sync: bool = False
) -> tuple[Ensemble, list[EpochResult], AveragedWeights]:
    """An ensemble after two epochs, what they saw, and the average over their steps."""
    ensemble, average = fresh(ranks), AveragedWeights(WeightAverage.of("ema", decay=0.8))
    if sync:
        synchronise(ensemble, ranks)
    optimiser = make_optimiser(ensemble, recipe)
    results = [
        train_epoch(
            ensemble,
            optimiser,
            batches(number, deal),
            recipe,
            Epoch(PHASE, number, 4, num_images=IMAGES, average=average),
            FULL,
            ranks=ranks,
        )
        for number in range(EPOCHS)
    ]
    return ensemble, results, average


def numbers(results: list[EpochResult]) -> Tensor:
    """Losses, accuracies and the ensemble's accuracy, a row an epoch."""
    return torch.tensor([(*r.losses, *r.accuracies, r.ensemble, r.images) for r in results], dtype=torch.float64)


def measured(ranks: Ranks, deal: Deal) -> dict[str, Tensor]:
    """Gradient statistics, predictions and norms of a fresh ensemble."""
    ensemble = fresh(ranks)
    sums = sum_gradients(ensemble, batches(0, deal), groups=2, ranks=ranks)
    found = {f"sums/{layer}": groups for layer, groups in sums.groups.items()}
    sketched = sketch_clusters(ensemble, batches(0, deal), Sketch(4, 64), groups=2, ranks=ranks)
    found["sketches"] = torch.tensor([(s.value, s.error) for s in sketched.similarities])
    similarities = measure_coefficients(ensemble, batches(0, deal), groups=2, ranks=ranks)
    found["coefficients"] = torch.tensor([(s.value, s.error) for s in similarities.similarities])
    found["images"] = torch.tensor([sums.num_images, similarities.num_images])
    tests = ((images.double(), labels) for images, labels in test_batches(split(), BATCH))
    found["predictions"], found["labels"] = predict(ensemble, tests, FULL, ranks)
    return found


def everything(ranks: Ranks) -> dict[str, Tensor]:
    """All that is compared between one process and several."""
    parts = evolve(RECIPE, norm_batch=BATCH // 2)
    found = measured(ranks, deal_of(RECIPE, ranks, False))
    adamw = evolve(parts, optimiser=Optimiser.of("adamw", lr=1e-3))
    for name, recipe, sync in (("parts", parts, False), ("adamw", adamw, False), ("synced", RECIPE, True)):
        ensemble, results, average = trained(recipe, ranks, deal_of(recipe, ranks, sync), sync)
        found |= {f"{name}/average/{key}": tensor for key, tensor in average.tensors.items()}
        found[f"{name}/numbers"] = numbers(results)
        found |= {f"{name}/state/{key}": t for key, t in state_tensors(ensemble).items()}
    apart = trained_apart(ranks, deal_of(parts, ranks, False))
    found |= {f"apart/{name}": tensor for name, tensor in apart.items()}
    return found | by_members(evolve(ranks, placement="members"))


def by_members(ranks: Ranks) -> dict[str, Tensor]:
    """The same where the ranks share the members, each of which sees whole batches."""
    found = {f"members/{name}": tensor for name, tensor in measured(ranks, WHOLE).items()}
    found |= {f"members/apart/{name}": tensor for name, tensor in trained_apart(ranks, WHOLE).items()}
    ensemble, results, average = trained(RECIPE, ranks, WHOLE)
    found |= {f"members/average/{key}": tensor for key, tensor in average.tensors.items()}
    found["members/numbers"] = numbers(results)
    found |= {f"members/state/{key}": t.clone() for key, t in state_tensors(ensemble).items()}
    reestimate(ensemble, batches(0, WHOLE), FULL, ranks)
    return found | {f"members/estimated/{key}": t for key, t in state_tensors(ensemble).items() if "running" in key}


def disagreement(ranks: Ranks) -> str:
    """The code of the diagnostic where ranks that should have the same have not."""
    try:
        ranks.agree("number", bytes([ranks.rank]))
    except DiagnosticError as error:
        return error.diagnostics[0].code
    return ""


if __name__ == "__main__":
    torch.set_num_threads(1)
    met = join_ranks("cpu")
    result = everything(met)
    save_file(
        {name: t.contiguous().clone() for name, t in result.items()}, Path(sys.argv[1]) / f"{met.rank}.safetensors"
    )
    Path(sys.argv[1], f"{met.rank}.code").write_text(disagreement(met), encoding="utf-8")
    leave_ranks(together=True)
