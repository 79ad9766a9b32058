"""Members with given weights in several processes: all begin alike, whichever of them lost something by folding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from attrs import evolve
from safetensors.torch import load_file, save_file
from swc.compiler.driver import compile_file
from swc.diagnostics import Sink
from swc.folders.store import open_build
from swc.running.actions import carry_nothing
from swc.running.loop import take_up
from swc.running.observer import Observer
from swc.running.options import Options
from swc.running.run import Run, open_run
from torch import Tensor

from support.lockstep import Lockstep, together
from support.runs import Place
from swc_runtime.data.shares import deal_of
from swc_runtime.ensemble import state_tensors
from swc_runtime.members.build import as_written

# only the second member shares anything, so that of two processes that share the members one alone loses something
SPEC = """
ensemble tiny {
  data digits(train: 64, validation: 32)
  member a = wrn(depth: 10, width: 0.25) from "a.safetensors"
  member b = wrn(depth: 10, width: 0.25) from "b.safetensors"
  budget 3k templates
  share "b.*conv*" { clusters one }
  train {
    batch 32
    precision float32
    optimiser sgd(lr: 0.1, momentum: 0.9)
    phase main: 1 epochs
  }
}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled spec beside its files of weights, with a run that has been opened."""
    made = Place(tmp_path_factory.mktemp("given"))
    text = SPEC.replace(' from "a.safetensors"', "").replace(' from "b.safetensors"', "")
    (made.folder / "fresh.sw").write_text(text, "utf-8")
    program = compile_file(made.folder / "fresh.sw").program
    for plan in program.members:
        state = as_written(program, plan, 5).state_dict()
        norms = {name: tensor + 1 for name, tensor in state.items() if "running" in name}
        save_file(state | norms, made.folder / f"{plan.name}.safetensors")
    assert made.compile(SPEC.replace('from "', f'from "{made.folder}/')) == 0
    return made.folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    options = Options(threads=1, device="cpu", workers=None)
    return open_run(open_build(folder / "build/tiny", prefer_run=False), options, Sink(), lambda _: None)


def begun(run: Run) -> dict[str, Tensor]:
    """The state that a run begins with, which is that after `then restart` too."""
    state = take_up(run, Observer())
    found = {name: tensor.clone() for name, tensor in state_tensors(state.ensemble).items()}
    again, _ = carry_nothing(run, state.compiled, Observer())
    for name, tensor in state_tensors(again).items():
        torch.testing.assert_close(tensor, found[name], msg=lambda text, name=name: f"{name}: {text}")
    return found


def norms_of(state: dict[str, Tensor], member: str) -> dict[str, Tensor]:
    return {
        name: tensor for name, tensor in state.items() if "running" in name and name.startswith(f"member/{member}/")
    }


@pytest.fixture(scope="module")
def alone(run: Run) -> dict[str, Tensor]:
    """What one process begins with."""
    return begun(run)


@pytest.mark.parametrize(("placement", "sync_norms"), [("images", False), ("images", True), ("members", False)])
def test_processes_begin_alike_where_folding_lost_something(
    run: Run, alone: dict[str, Tensor], folder: Path, placement: str, sync_norms: bool
) -> None:
    found: dict[int, dict[str, Tensor]] = {}

    def begin(ranks: Lockstep) -> None:
        machine = evolve(run.machine, ranks=ranks, deal=deal_of(run.recipe, ranks, sync_norms), sync_norms=sync_norms)
        found[ranks.rank] = begun(evolve(run, machine=machine))

    together(2, placement, begin)
    for name, tensor in found[0].items():
        assert torch.equal(found[1][name], tensor), name
    given = load_file(folder / "b.safetensors")
    assert all((norm - given[name.split("/")[-1]]).abs().max() > 0.01 for name, norm in norms_of(found[0], "b").items())
    if placement == "members" or sync_norms:  # norms see whole batches, as in one process
        for name, tensor in alone.items():
            torch.testing.assert_close(found[0][name], tensor, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
