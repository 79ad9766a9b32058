"""Ranks that have unlike things to do: some images or networks and not others, or nothing that is shared."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest
import torch
from attrs import evolve
from swc.compiler.driver import compile_file
from swc.program.program import Program
from swc.program.steps import StepPlan
from swc.program.training import Phase, Recipe
from torch import Tensor, nn

from support.lockstep import Lockstep, together
from support.programs import ensemble_of, images, tiny_program
from swc_runtime.data.shares import WHOLE, Deal, deal_of
from swc_runtime.ensemble import Ensemble, build, state_tensors
from swc_runtime.measure.probe import measure_clusters, measure_coefficients, sketch_clusters
from swc_runtime.measure.sketch import Sketch
from swc_runtime.precision import Arithmetic
from swc_runtime.ranks.ranks import ALONE, Ranks, WorkDivision
from swc_runtime.training.input_statistics import fit_inputs
from swc_runtime.training.norm_statistics import reestimate
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.steps import Batch
from swc_runtime.training.trainer import Epoch, EpochResult, train_epoch

DOUBLE = Arithmetic("cpu", torch.float64, "tests")
NETWORKS = ((1, 4, 4, 6), (1, 6, 6, 7), (1, 5, 5, 6), (1, 4, 5, 6))
T = TypeVar("T")
IMAGES, BATCH = 18, 8  # two batches of two images a network, and one of two images
LABELS = torch.arange(IMAGES) % 2
RECIPE = Recipe("tests", batch=BATCH, precision="float32")


def of_every_rank(size: int, placement: str, act: Callable[[Ranks], T]) -> list[T]:
    """What each rank comes to, in order."""
    found: dict[int, T] = {}

    def keep(ranks: Lockstep) -> None:
        found[ranks.rank] = act(ranks)

    together(size, placement, keep)
    return [found[rank] for rank in range(size)]


@cache
def first_ensemble() -> Ensemble:
    """Networks that see parts of batches; made once, for threads would draw from one random state."""
    return ensemble_of(evolve(tiny_program(NETWORKS), step=StepPlan("split", ()))).double()


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-9, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")


# --- a batch in parts -------------------------------------------------------------------------------------------------


def shares(deal: Deal, batch: int = BATCH) -> list[tuple[Tensor, Tensor]]:
    """The batches of all images, or a rank's shares of them."""
    pictures = images(IMAGES, dtype=torch.float64)
    whole = [slice(start, min(start + batch, IMAGES)) for start in range(0, IMAGES, batch)]
    return [(pictures[one][share], LABELS[one][share]) for one in whole for share in [deal.share(one.stop - one.start)]]


def trained_on_parts(ranks: Ranks) -> tuple[dict[str, Tensor], EpochResult]:
    """Networks that see parts of batches, after an epoch."""
    ensemble, deal = deepcopy(first_ensemble()), deal_of(RECIPE, ranks, sync_norms=False)
    optimiser = make_optimiser(ensemble, RECIPE)
    epoch = Epoch(Phase("main", 1, lr=0.05), 0, 3, num_images=IMAGES, deal=deal)
    result = train_epoch(ensemble, optimiser, shares(deal), RECIPE, epoch, DOUBLE, ranks=ranks)
    return {name: tensor.clone() for name, tensor in state_tensors(ensemble).items()}, result


@pytest.mark.parametrize("size", [2, 4])
def test_a_network_sees_the_same_part_of_a_batch_on_any_number_of_ranks(size: int) -> None:
    state, result = trained_on_parts(ALONE)  # which makes the first ensemble
    trained = of_every_rank(size, "images", trained_on_parts)
    same(trained[0][0], state)  # whose counts of batches are kept: others do not count a batch without images for them
    for found, counted in trained:
        same(
            {n: t for n, t in found.items() if "tracked" not in n},
            {n: t for n, t in state.items() if "tracked" not in n},
        )
        assert counted.losses == pytest.approx(result.losses) and all(counted.losses)
        assert counted.accuracies == pytest.approx(result.accuracies)


def test_parts_of_a_batch_know_their_place_in_it() -> None:
    batch = Batch(images(6), torch.arange(6), num_images=20, seed=3, first=10)
    assert [(part.first, len(part.labels), part.total) for part in batch.parts(4)] == [(10, 4, 20), (14, 2, 20)]


# --- statistics of norms ----------------------------------------------------------------------------------------------


def estimated(ranks: Ranks, batches: list[tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    ensemble = deepcopy(first_ensemble())
    reestimate(ensemble, batches, DOUBLE, ranks)
    return {name: t.clone() for name, t in state_tensors(ensemble).items() if "running" in name}


def test_a_rank_without_images_has_no_part_in_the_statistics_of_norms() -> None:
    some = (images(4, dtype=torch.float64), LABELS[:4])
    none = (some[0][:0], some[1][:0])
    expected = estimated(ALONE, [some])
    for found in of_every_rank(2, "images", lambda ranks: estimated(ranks, [none if ranks.rank else some])):
        same(found, expected)


def test_a_small_last_batch_weighs_as_much_as_it_holds() -> None:
    pictures = images(8, dtype=torch.float64)
    parts = [(pictures[:6], LABELS[:6]), (pictures[6:], LABELS[6:8])]
    first, second = (estimated(ALONE, [part]) for part in parts)
    same(estimated(ALONE, parts), {name: 0.75 * first[name] + 0.25 * second[name] for name in first})


def test_statistics_of_norms_weigh_by_images() -> None:
    pictures = images(8, dtype=torch.float64)
    parts = [[(pictures[:6], LABELS[:6])], [(pictures[6:], LABELS[6:8])]]
    first, second = (estimated(ALONE, part) for part in parts)
    wanted = {name: 0.75 * first[name] + 0.25 * second[name] for name in first}
    for found in of_every_rank(2, "images", lambda ranks: estimated(ranks, parts[ranks.rank])):
        same(found, wanted)


# --- members that share nothing ---------------------------------------------------------------------------------------

APART = """
ensemble e {
  data digits
  member a = wrn(depth: 10, width: 0.25)
  member b = wrn(depth: 10, width: 0.25)
  budget unlimited
  share "a.*conv*" { clusters one coefficients by level }
}
"""
EMBEDDED = """
ensemble e {
  data digits
  member m[2] = mlp(depth: 1, width: 8, embeddings: piecewise_linear, bins: 4)
  budget unlimited
}
"""


def program_of(folder: Path, text: str) -> Program:
    (folder / "e.sw").write_text(text, "utf-8")
    return compile_file(folder / "e.sw").program


def test_a_rank_whose_members_share_nothing_measures_with_the_others(tmp_path: Path) -> None:
    program = program_of(tmp_path, APART)
    batches = [(torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(2)), torch.arange(4))]

    ensembles = [build(program, own=own) for own in ((0,), (1,))]

    def measured(ranks: Ranks) -> list[list[float]]:
        ensemble = ensembles[ranks.rank] if ranks.are_many else build(program)
        found = [
            measure_coefficients(ensemble, batches, groups=1, ranks=ranks),
            measure_clusters(ensemble, batches, groups=1, ranks=ranks)[0],
            sketch_clusters(ensemble, batches, Sketch(1, 64), groups=1, ranks=ranks),
        ]
        return [[similarity.value for similarity in feedback.similarities] for feedback in found]

    expected = measured(ALONE)
    assert all(expected)
    for found in of_every_rank(2, "members", measured):
        for one, other in zip(found, expected, strict=True):
            assert one == pytest.approx(other, rel=1e-4)


def test_every_rank_fits_the_bins_of_all_members(tmp_path: Path) -> None:
    """The first one's state becomes that of all, whichever members run there."""
    program = program_of(tmp_path, EMBEDDED)
    inputs = torch.randn(50, 1, 8, 8, generator=torch.Generator().manual_seed(2))

    def bins(own: tuple[int, ...] | None) -> dict[str, Tensor]:
        ensemble: Ensemble = build(program, own=own)
        fit_inputs(ensemble, lambda: [(inputs, torch.zeros(50))])
        return {name: tensor for name, tensor in state_tensors(ensemble).items() if "embed" in name}

    whole = bins(None)
    assert whole["member/m[1]/embed.num_bins"].any()
    same(bins((0,)), whole)


# --- buffers of the members' own --------------------------------------------------------------------------------------


def remembering(ensemble: Ensemble) -> Ensemble:
    """The ensemble, each of whose members keeps how often it ran, which it changes, and its last input, replaced."""

    def remember(member: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        (seen,) = inputs
        member.ran += 1
        member.last = seen.detach()[:1].mean()

    for member in ensemble.members:
        member.register_buffer("ran", torch.zeros((), dtype=torch.int64))
        member.register_buffer("last", torch.zeros((), dtype=torch.float64))
        member.register_buffer("constant", torch.tensor([True, False]))
        member.register_forward_hook(remember)
    return ensemble


@pytest.mark.parametrize("placement", ["images", "members"])
def test_every_rank_keeps_what_members_remember(placement: WorkDivision) -> None:
    program = tiny_program(NETWORKS)
    parts = [Ranks(rank, 2, "cpu", placement) for rank in range(2)]
    ensembles = [remembering(build(program, dtype=torch.float64, own=one.own(len(NETWORKS)))) for one in parts]

    def trained(ranks: Ranks) -> dict[str, Tensor]:
        ensemble, deal = ensembles[ranks.rank], deal_of(RECIPE, ranks, sync_norms=False)
        epoch = Epoch(Phase("main", 1, lr=0.05), 0, 3, num_images=IMAGES, deal=deal)
        train_epoch(ensemble, make_optimiser(ensemble, RECIPE), shares(deal), RECIPE, epoch, DOUBLE, ranks=ranks)
        return {name: t.clone() for name, t in state_tensors(ensemble).items() if "tracked" not in name}

    first, second = of_every_rank(2, placement, trained)
    same(second, first)
    last = images(IMAGES, dtype=torch.float64)[2 * BATCH].mean()
    for member in program.members:
        assert first[f"member/{member.name}/ran"] == 3
        torch.testing.assert_close(first[f"member/{member.name}/last"], last)


def test_one_process_has_the_whole_batch() -> None:
    assert Epoch(Phase("main", 1), 0, 1).deal == WHOLE
