"""Other people's loops: plain torch, Lightning, and trackers of our own."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import swc
import torch
from safetensors.torch import save_file
from swc.compiler.driver import Compiled
from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.catalogue.tracking import TrackerFailed
from swc.folders.store import open_build, write_build
from swc.loops import LoopState, advance, begin, restored
from swc.loops.tracking import tracked
from swc.running.loop import train
from swc.running.observer import Observer
from swc.running.options import Options
from swc.running.run import open_run
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from swc_runtime.ensemble import Ensemble, state_parameters
from swc_runtime.members.build import initial_member

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/other_loops.md").read_text("utf-8")
SPEC = re.findall(r"```sw\n(.*?)```", PAGE, re.DOTALL)[0]
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SHOWN = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    path = tmp_path_factory.mktemp("loops") / "small.sw"
    path.write_text(SPEC)
    return swc.compile_file(path)


@pytest.fixture(scope="module")
def batches() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(5)
    images = torch.rand(3, 32, 1, 8, 8, generator=generator) * 2 - 1
    return list(zip(images, torch.randint(10, (3, 32), generator=generator), strict=True))


def adamw(ensemble: Ensemble) -> torch.optim.Optimizer:
    return torch.optim.AdamW(ensemble.parameters(), lr=1e-3)


def trained(revision: LoopState, batches: list[tuple[Tensor, Tensor]]) -> LoopState:
    for x, y in batches:
        revision.optimiser.zero_grad()
        torch.stack([F.cross_entropy(logits, y) for logits in revision.ensemble(x)]).sum().backward()
        revision.optimiser.step()
    return revision


def test_revisions_follow_the_phases(compiled: Compiled, batches: list[tuple[Tensor, Tensor]]) -> None:
    """The split restarts; the untying keeps outputs, moments and the rate that a schedule has set, to the bit."""
    search = trained(begin(compiled, adamw), batches)
    assert (search.num_epochs, search.is_last) == (1, False)
    main = advance(search, batches, adamw)
    assert len(main.compiled.graph.clusters) == 6 and main.optimiser.state == {}
    trained(main, batches)
    main.optimiser.param_groups[0]["lr"] = 1e-4
    last = advance(main, batches, adamw)
    assert last.is_last and last.num_epochs == 1
    assert last.optimiser.param_groups[0]["lr"] == 1e-4
    (x, _), *_ = batches
    with torch.no_grad():
        assert torch.equal(main.ensemble.eval()(x), last.ensemble.eval()(x))
    member = "member/deep/conv1.weight" if "member/deep/conv1.weight" in named(last) else next(iter(named(last)))
    for key in ("exp_avg", "exp_avg_sq"):
        assert torch.equal(named(main)[member][key], named(last)[member][key])
    with pytest.raises(ValueError, match="last revision"):
        advance(last, batches, adamw)


def named(revision: LoopState) -> dict[str, Any]:
    """What the optimiser keeps of the members' own parameters, by id."""
    from swc_runtime.ensemble import state_parameters

    own = {name: p for name, p in state_parameters(revision.ensemble).items() if name.startswith("member/")}
    return {name: revision.optimiser.state[parameter] for name, parameter in own.items()}


def test_a_state_goes_on_to_the_same_bits(
    compiled: Compiled, batches: list[tuple[Tensor, Tensor]], tmp_path: Path
) -> None:
    main = trained(advance(trained(begin(compiled, adamw), batches), batches, adamw), batches)
    torch.save(main.state_dict(), tmp_path / "kept.pt")
    kept = torch.load(tmp_path / "kept.pt", weights_only=True)
    again = restored(compiled, kept, adamw)
    assert again.compiled.revision == 1
    whole, later = (trained(advance(one, batches, adamw), batches).ensemble.eval() for one in (main, again))
    (x, _), *_ = batches
    with torch.no_grad():
        assert torch.equal(whole(x), later(x))
    with pytest.raises(ValueError, match="another spec"):
        restored(compiled, {**kept, "program": "0" * 64}, adamw)


def test_the_recipes_optimiser_is_the_default(compiled: Compiled, batches: list[tuple[Tensor, Tensor]]) -> None:
    revision = trained(begin(compiled), batches)
    assert isinstance(revision.optimiser, torch.optim.SGD)
    assert set(revision.optimiser_state.tensors) == {"momentum"}


def test_norms_are_estimated_again_where_given_weights_were_not_kept_whole(
    tmp_path: Path, batches: list[tuple[Tensor, Tensor]]
) -> None:
    text = SPEC.replace("width: 0.5)", 'width: 0.5) from "MEMBER.safetensors"').replace("50%", "SIZE")
    for name in ("deep", "shallow"):
        text = text.replace("MEMBER", name, 1)
    (tmp_path / "plain.sw").write_text(SPEC)
    program = swc.compile_file(tmp_path / "plain.sw").program
    for plan in program.members:
        save_file(initial_member(program, plan, 7).state_dict(), tmp_path / f"{plan.name}.safetensors")
    (tmp_path / "half.sw").write_text(text.replace("SIZE", "30%"))
    half = swc.compile_file(tmp_path / "half.sw")
    of_files, seen = (
        [
            buffer
            for name, buffer in begin(half, batches=given).ensemble.named_buffers()
            if name.endswith("running_mean")
        ]
        for given in (None, batches)
    )
    assert of_files and not any(mean.any() for mean in of_files), "the files are of networks that saw nothing"
    assert all(mean.any() for mean in seen)


def test_an_optimiser_that_nothing_is_known_of_is_refused_where_its_state_counts(
    compiled: Compiled, batches: list[tuple[Tensor, Tensor]]
) -> None:
    def adagrad(ensemble: Ensemble) -> torch.optim.Optimizer:
        return torch.optim.Adagrad(ensemble.parameters())

    main = advance(trained(begin(compiled, adagrad), batches), batches, adagrad)  # a restart carries nothing
    with pytest.raises(ValueError, match="the state of Adagrad"):
        advance(trained(main, batches), batches, adagrad)


def test_what_an_optimiser_keeps_beyond_its_row_is_not_dropped(
    compiled: Compiled, batches: list[tuple[Tensor, Tensor]]
) -> None:
    def amsgrad(ensemble: Ensemble) -> torch.optim.Optimizer:
        return torch.optim.AdamW(ensemble.parameters(), amsgrad=True)

    main = advance(trained(begin(compiled, amsgrad), batches), batches, amsgrad)
    with pytest.raises(ValueError, match="AdamW keeps `max_exp_avg_sq`, and nothing says"):
        advance(trained(main, batches), batches, amsgrad)


def test_another_optimiser_does_not_take_what_is_carried(
    compiled: Compiled, batches: list[tuple[Tensor, Tensor]]
) -> None:
    def sgd(ensemble: Ensemble) -> torch.optim.Optimizer:
        return torch.optim.SGD(ensemble.parameters(), lr=0.1)

    main = trained(advance(trained(begin(compiled, adamw), batches), batches, adamw), batches)
    with pytest.raises(ValueError, match="SGD as it was made does not go on with the `exp_avg`"):
        advance(main, batches, sgd)


def test_rates_of_the_spec_hold_in_any_loop(tmp_path: Path) -> None:
    path = tmp_path / "rated.sw"
    path.write_text(SPEC.replace("share conv", "share conv\n  share heads as rank_one(rate: 0.5)"))
    compiled = swc.compile_file(path)
    factors = {f"tensor/{plan.id}": plan.rate for plan in compiled.program.tensors}
    assert set(factors.values()) == {0.5, 1.0}
    for make, rate in ((adamw, 1e-3), (None, 0.1)):
        revision = begin(compiled, make)
        named = {parameter: name for name, parameter in state_parameters(revision.ensemble).items()}
        rates = {named[p]: group["lr"] for group in revision.optimiser.param_groups for p in group["params"]}
        assert rates == {name: rate * factors.get(name, 1.0) for name in named.values()}


def test_groups_stay_as_they_were_made_where_the_spec_has_no_rates(compiled: Compiled) -> None:
    def grouped(ensemble: Ensemble) -> torch.optim.Optimizer:
        return torch.optim.AdamW([{"params": [*ensemble.parameters()]}, {"params": [], "lr": 0.5}])

    assert [group["lr"] for group in begin(compiled, grouped).optimiser.param_groups] == [1e-3, 0.5]


def test_a_phase_begins_with_its_own_rate(tmp_path: Path) -> None:
    path = tmp_path / "slow.sw"
    path.write_text(re.sub(r"(phase \w+: \d+ epochs)", r"\1 at lr 0.03", SPEC, count=1))
    revision = begin(swc.compile_file(path))
    assert {group["lr"] for group in revision.optimiser.param_groups} == {0.03}


def test_a_spec_without_phases_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bare.sw"
    path.write_text("ensemble bare { data digits member a = wrn(depth: 10, width: 0.5) budget unlimited }")
    with pytest.raises(ValueError, match="`bare` has no train block"):
        begin(swc.compile_file(path))


# --- Lightning --------------------------------------------------------------------------------------------------------


def fitted(
    compiled: Compiled, batches: list[tuple[Tensor, Tensor]], folder: Path, start: str | None = None, **more: Any
) -> Any:
    """A module that was fitted, with a checkpoint after each epoch in a folder."""
    pytest.importorskip("lightning", reason="the extra `lightning` is not installed")
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint
    from swc.loops.lightning import EnsembleModule, RecompileCallback

    module = EnsembleModule(compiled, adamw, lambda optimiser: torch.optim.lr_scheduler.StepLR(optimiser, 1, 0.5))
    every = ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    options = {"max_epochs": module.num_epochs, "callbacks": [RecompileCallback(), every], **quiet, **more}
    trainer = Trainer(**options)
    loader: Any = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # a list is a data set
    trainer.fit(module, loader, loader, ckpt_path=start, weights_only=False)
    return module


@pytest.mark.filterwarnings("ignore")
def test_lightning_recompiles_and_takes_up_a_checkpoint_of_any_revision(
    compiled: Compiled, batches: list[tuple[Tensor, Tensor]], tmp_path: Path
) -> None:
    whole = fitted(compiled, batches, tmp_path / "whole")
    assert whole.revision.is_last and whole.num_epochs == 3
    # the schedule of the main phase: halved after its first epoch, before coefficients were untied, and after its last
    assert whole.revision.optimiser.param_groups[0]["lr"] == 0.25e-3
    later = fitted(compiled, batches, tmp_path / "later", str(tmp_path / "whole" / "epoch=1.ckpt"))
    (x, _), *_ = batches
    with torch.no_grad():
        assert torch.equal(whole.eval()(x), later.eval()(x))


@pytest.mark.filterwarnings("ignore")
def test_a_trainer_of_other_epochs_is_told(
    compiled: Compiled, batches: list[tuple[Tensor, Tensor]], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="the spec trains 3 epochs, and the trainer 2"):
        fitted(compiled, batches, tmp_path, max_epochs=2)


# --- trackers ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def build(compiled: Compiled, tmp_path: Path) -> Path:
    return write_build(compiled, tmp_path)


class Stopped(Observer):
    """Ends a run after its first epoch."""

    def epoch_done(self, state: Any, result: Any) -> None:
        if state.position.revision == 0:
            raise KeyboardInterrupt


def run_of(build: Path) -> Any:
    return open_run(open_build(str(build), prefer_run=False), Options(threads=1, device="cpu"), Sink(), print)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    yield f"file:{tmp_path / 'mlruns'}"


@pytest.mark.slow
def test_a_run_that_goes_on_is_one_run_in_mlflow(build: Path, store: str) -> None:
    from mlflow import MlflowClient
    from swc.loops.mlflow import MlflowTracker

    def found() -> list[Any]:
        client = MlflowClient(tracking_uri=store)
        return list(client.search_runs([client.get_experiment_by_name("small").experiment_id]))

    with pytest.raises(KeyboardInterrupt), tracked(run_of(build), MlflowTracker(store)) as observer:
        train(run_of(build), observer, Stopped())
    assert [one.info.status for one in found()] == ["KILLED"]
    run = run_of(build)
    with tracked(run, MlflowTracker(store)) as observer:
        final = train(run, observer)
    (one,) = found()
    assert one.info.status == "FINISHED"
    assert one.data.metrics["final/test/top1/ensemble"] == final.ensemble.top1
    assert one.data.params["seed"] == "0" and one.data.params["budget"] == "50% of native"
    history = MlflowClient(tracking_uri=store).get_metric_history(one.info.run_id, "main/loss/deep")
    assert [point.step for point in history] == [2, 3]


def test_a_store_that_cannot_be_used_is_told_before_anything_begins(
    build: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    from swc.loops.mlflow import MlflowTracker

    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    with pytest.raises(DiagnosticError) as caught:
        MlflowTracker(f"file:{tmp_path / 'mlruns'}")
    assert caught.value.diagnostics[0].code == "SW591"


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from swc.loops import mlflow

    monkeypatch.setattr(mlflow, "find_spec", lambda name: None)
    with pytest.raises(DiagnosticError) as caught:
        mlflow.MlflowTracker("file:runs")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "SW590" and "`mlflow`" in diagnostic.help()


@pytest.mark.slow
def test_the_guide_to_other_loops_runs_and_prints_what_it_says(tmp_path: Path) -> None:
    pytest.importorskip("lightning", reason="the extra `lightning` is not installed")
    (tmp_path / "small.sw").write_text(SPEC)
    program = "import torch\n\ntorch.set_num_threads(1)\n" + "\n".join(PYTHON)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [shown for shown in SHOWN if shown not in done.stdout] == []


class OutOfReach:
    """A tracker that can be told of nothing any more."""

    def end(self, how: str) -> None:
        raise DiagnosticError(TrackerFailed(tracker="it", where="here", reason="gone"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_ended_a_run_is_told_and_not_that_the_tracker_is_gone(error: type[BaseException]) -> None:
    tracker: Any = OutOfReach()
    with pytest.raises(error), tracked(None, tracker):  # type: ignore[arg-type]
        raise error
