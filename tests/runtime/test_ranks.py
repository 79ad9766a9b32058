"""Several processes train as one does: same losses, same parameters, same statistics, to rounding."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from swc.diagnostics import Diagnostic, DiagnosticError
from swc.diagnostics.catalogue.ranks import IdleRanks, LastBatchTooSmall, StepNotDealt
from swc.language.semantics.check import check_text
from swc.program.training import Recipe
from swc.running import machine
from swc.running.options import Options
from torch import Tensor

from support import ranks_worker
from support.programs import ensemble_of, images, tiny_program
from swc_runtime.data.shares import Deal, check_last, deal_of, part_sizes
from swc_runtime.ensemble import state_parameters
from swc_runtime.ranks.ranks import ALONE, Ranks, join_ranks
from swc_runtime.training.reduction import traffic_of

NUM_RANKS = 2
Tensors = dict[str, Tensor]


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return str(probe.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have left what they found."""
    folder = tmp_path_factory.mktemp("ranks")
    common = {**os.environ, "WORLD_SIZE": str(NUM_RANKS), "MASTER_ADDR": "localhost", "MASTER_PORT": free_port()}
    command = [sys.executable, ranks_worker.__file__, str(folder)]
    started = [subprocess.Popen(command, env={**common, "RANK": str(rank)}) for rank in range(NUM_RANKS)]
    assert [process.wait(timeout=300) for process in started] == [0] * NUM_RANKS
    return folder


@pytest.fixture(scope="module")
def several(folder: Path) -> list[Tensors]:
    """What each of two processes found."""
    return [load_file(folder / f"{rank}.safetensors") for rank in range(NUM_RANKS)]


@pytest.fixture(scope="module")
def alone() -> Tensors:
    """What one process finds."""
    return ranks_worker.everything(ALONE)


def under(prefix: str, tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def check_close(found: Tensors, expected: Tensors) -> None:
    assert found.keys() == expected.keys()
    assert found
    for name, tensor in expected.items():
        torch.testing.assert_close(
            found[name], tensor.detach(), rtol=1e-7, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}"
        )


def test_every_rank_ends_with_the_same_bits(several: list[Tensors]) -> None:
    first, second = several
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name]) and "tracked" not in name] == []


@pytest.mark.parametrize("recipe", ["parts", "adamw"])
def test_losses_are_those_of_one_process_with_norm_batch(several: list[Tensors], alone: Tensors, recipe: str) -> None:
    check_close(under(f"{recipe}/numbers", several[0]), under(f"{recipe}/numbers", alone))
    assert several[0][f"{recipe}/numbers"][0, -1] == ranks_worker.IMAGES


@pytest.mark.parametrize("recipe", ["parts", "adamw"])
@pytest.mark.parametrize("which", ["state", "average"])
def test_parameters_are_those_of_one_process_with_norm_batch(
    several: list[Tensors], alone: Tensors, recipe: str, which: str
) -> None:
    found, expected = under(f"{recipe}/{which}", several[0]), under(f"{recipe}/{which}", alone)
    statistics = [name for name in expected if "running" in name or "tracked" in name]
    assert statistics
    check_close(
        {name: t for name, t in found.items() if name not in statistics},
        {name: t for name, t in expected.items() if name not in statistics},
    )


def test_running_statistics_are_the_mean_of_the_ranks(several: list[Tensors], alone: Tensors) -> None:
    names = [name for name in under("parts/state", alone) if "running_mean" in name]
    for name in names:  # one process moves twice a step, two ranks once: close, but not the same
        found, expected = several[0][name], alone[name]
        assert not torch.allclose(found, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("deal", ["apart", "members/apart"])
def test_batches_of_their_own_are_those_of_one_process(several: list[Tensors], alone: Tensors, deal: str) -> None:
    found, expected = under(f"{deal}/", several[0]), under(f"{deal}/", alone)
    norms = ("running", "tracked")  # of a rank's parts, as in other runs
    check_close(*({n: t for n, t in side.items() if not any(k in n for k in norms)} for side in (found, expected)))


def test_synced_norms_are_one_process_with_the_whole_batch(several: list[Tensors], alone: Tensors) -> None:
    check_close(under("synced/", several[0]), under("synced/", alone))


def test_ranks_that_share_members_are_one_process(several: list[Tensors], alone: Tensors) -> None:
    check_close(under("members/", several[0]), under("members/", alone))


def test_gradient_statistics_are_those_of_one_process(several: list[Tensors], alone: Tensors) -> None:
    check_close(under("sums/", several[0]), under("sums/", alone))
    for name in ("coefficients", "sketches"):
        torch.testing.assert_close(several[0][name], alone[name], rtol=1e-4, atol=1e-5)
    assert several[0]["images"].tolist() == [ranks_worker.IMAGES] * 2


def test_ranks_that_differ_are_told(folder: Path) -> None:
    assert [(folder / f"{rank}.code").read_text("utf-8") for rank in range(NUM_RANKS)] == ["SW563"] * NUM_RANKS


def test_predictions_are_those_of_one_process(several: list[Tensors], alone: Tensors) -> None:
    check_close(under("predictions", several[0]), under("predictions", alone))
    assert torch.equal(several[0]["labels"], alone["labels"])


def test_a_rank_draws_noise_of_its_own() -> None:
    from swc.program.training import Phase

    from swc_runtime.training.trainer import Epoch, noise_of

    epoch = Epoch(Phase("main", 1), 0, 4)
    drawn = {noise_of(Recipe("r"), epoch, Ranks(rank, 8)) + step for rank in range(8) for step in range(1000)}
    assert len(drawn) == 8000
    assert max(drawn) < 2**63


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join_ranks("cpu") is ALONE
    numbers = torch.arange(3.0)
    ALONE.add_up(numbers)
    assert numbers.tolist() == [0, 1, 2]


@given(
    num_images=st.integers(2, 200),
    size=st.integers(1, 6),
    part=st.one_of(st.none(), st.integers(2, 40)),
    num_parts=st.integers(1, 3),
)
def test_shares_cover_a_batch_in_whole_parts(num_images: int, size: int, part: int | None, num_parts: int) -> None:
    if part is not None:
        num_images = min(num_images, part * num_parts * size)
    shares = [Deal(rank, size, part, num_parts).share(num_images) for rank in range(size)]
    seen = [image for share in shares for image in range(num_images)[share]]
    assert seen == list(range(num_images))
    if part is not None and size > 1:
        cut = [n for s in shares if (own := len(range(num_images)[s])) for n in part_sizes(own, part)]
        assert cut == part_sizes(num_images, part)


@pytest.mark.parametrize(
    ("batch", "norm_batch", "size", "sync", "code"),
    [
        (128, None, 3, False, "SW560"),
        (128, 64, 4, False, "SW560"),
        (128, 48, 2, False, "SW560"),
        (4, None, 4, False, "SW560"),
        (128, 64, 2, True, "SW561"),
    ],
)
def test_what_cannot_be_dealt_is_refused(batch: int, norm_batch: int | None, size: int, sync: bool, code: str) -> None:
    recipe = evolve(Recipe("r"), batch=batch, norm_batch=norm_batch)
    with pytest.raises(DiagnosticError) as raised:
        deal_of(recipe, Ranks(0, size), sync)
    assert [d.code for d in raised.value.diagnostics] == [code]


@pytest.mark.parametrize(("num_images", "refused"), [(99, True), (98, True), (97, False), (96, False), (100, False)])
def test_a_last_batch_with_too_few_images_for_synced_norms_is_refused(num_images: int, refused: bool) -> None:
    recipe = Recipe("r", batch=32)  # 97 leave a single image, which is left out of training
    deal = deal_of(recipe, Ranks(0, 4), sync_norms=True)
    check_last(deal_of(recipe, Ranks(0, 4), sync_norms=False), recipe, num_images)
    check_last(deal_of(recipe, ALONE, sync_norms=True), recipe, num_images)
    if not refused:
        check_last(deal, recipe, num_images)
        return
    with pytest.raises(DiagnosticError) as raised:
        check_last(deal, recipe, num_images)
    assert raised.value.diagnostics == (LastBatchTooSmall(num_images=num_images - 96, size=4),)


def refused(text: str, placement: str = "images", sync_norms: bool = False, size: int = 2) -> Diagnostic | None:
    """What several processes are refused for."""
    spec = check_text(f"ensemble e {{ data digits {text} budget unlimited train {{ phase p: 1 epochs }} }}", "e.sw")
    ranks = Ranks(0, size, placement=placement)  # type: ignore[arg-type]
    assert spec.training is not None
    with patch("swc_runtime.ranks.ranks.join_ranks", return_value=ranks):
        try:
            machine._shared(spec, spec.training.recipe, Options(sync_norms=sync_norms), "cpu")
        except DiagnosticError as error:
            return error.diagnostics[0]
    return None


MIMO = "member m[3] = mimo(depth: 10, width: 1) step joint"
FOUR = "member m[4] = wrn(depth: 10, width: 1) "


def test_members_of_one_network_are_not_parted() -> None:
    found = refused(MIMO, "members")
    assert found == IdleRanks(size=2, num_members=3, num_networks=1)
    assert found.message() == "2 processes cannot share 3 members that are one network"
    assert refused(MIMO) is None
    two = refused(f"{MIMO} member other[2] = mimo(depth: 10, width: 1)", "members", size=3)
    assert two == IdleRanks(size=3, num_members=5, num_networks=2)
    assert two.message() == "3 processes cannot share 5 members that are 2 networks"


def test_a_step_that_needs_all_networks_or_images_in_a_process_is_refused_where_it_has_not() -> None:
    found = refused(f"{FOUR} step sandwich", "members")
    assert found == StepNotDealt(step="sandwich", option="--placement members")
    assert "--placement images" in (found.help() or "")
    found = refused(f"{FOUR} step split", sync_norms=True)
    assert found == StepNotDealt(step="split", option="--sync-norms")
    assert "leave `--sync-norms` away" in (found.help() or "")
    for step in ("split", "sandwich", "independent"):
        assert refused(f"{FOUR} step {step}") is None
    assert refused(f"{FOUR} step split", "members") is None
    assert refused(f"{FOUR} step split", sync_norms=True, size=1) is None


def test_members_are_dealt_in_turn() -> None:
    ranks = [Ranks(rank, 2, placement="members") for rank in range(2)]
    assert [rank.own(5) for rank in ranks] == [(0, 2, 4), (1, 3)]
    assert Ranks(0, 2).own(5) is None
    assert deal_of(Recipe("r", batch=7, norm_batch=3), ranks[1], False).share(7) == slice(0, 7)


def test_one_process_takes_everything_whatever_the_recipe() -> None:
    assert deal_of(Recipe("r", batch=7, norm_batch=3), ALONE, False).share(7) == slice(0, 7)


def test_gradients_travel_as_those_of_what_is_stored() -> None:
    ensemble = ensemble_of(tiny_program(((1, 4, 4, 6), (1, 6, 6, 5))))
    ensemble(images(2)).sum().backward()
    traffic = traffic_of(ensemble)
    stored = sum(p.numel() * p.element_size() for p in state_parameters(ensemble).values())
    assert traffic.reduced == stored
    assert traffic.composed > traffic.reduced
