"""Two processes started by `swc train --nproc`: they train, one is killed, and the run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from swc.compiler.driver import compile_file

from support.runs import Place, place
from support.steps import compiled, small_text
from swc_runtime.members.build import as_written
from swc_runtime.records.checkpoint import load_checkpoint, under_prefix

TOGETHER = ("--nproc", "2")


def start(made: Place, *arguments: str) -> subprocess.Popen[str]:
    code = "from swc.cli.main import main; main()"
    return made.start(*TOGETHER, *arguments, code=code)


def workers(parent: int) -> list[int]:
    """The processes that torchrun's engine has started, by their rank."""
    found: dict[str, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text("utf-8").rpartition(")")[2].split()
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if int(stat[1]) == parent:
            found |= {e.decode(): int(folder.name) for e in environment if e.startswith(b"RANK=")}
    return [found[name] for name in sorted(found)]


def wait_for_checkpoint(made: Place) -> None:
    deadline = time.monotonic() + 240
    while not made.checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the processes in /proc, which this system has not")
def test_a_killed_process_ends_the_run_which_goes_on_to_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    undisturbed, disturbed = place(tmp_path_factory), place(tmp_path_factory)
    whole = start(undisturbed)
    assert whole.wait(timeout=300) == 0

    asked = start(disturbed, "--checkpoint-every", "0")
    wait_for_checkpoint(disturbed)
    asked.terminate()
    assert asked.communicate(timeout=120)[1].endswith("\nstopped by SIGTERM\n")
    assert asked.returncode == 143

    cut = start(disturbed, "--checkpoint-every", "0")
    assert cut.stderr is not None
    while not cut.stderr.readline().startswith("search  epoch"):
        pass
    os.kill(workers(cut.pid)[1], signal.SIGKILL)
    _, told = cut.communicate(timeout=120)
    assert cut.returncode == 1
    assert "error[SW562]: process 1 of the 2 processes was lost" in told
    assert "Traceback" not in told
    assert "internal error" not in told

    again = start(disturbed)
    _, told = again.communicate(timeout=300)
    assert again.returncode == 0
    assert "going on in phase" in told
    assert told.count("training on") == 1
    (found, _), (wanted, _) = load_checkpoint(disturbed.checkpoint), load_checkpoint(undisturbed.checkpoint)
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
    assert disturbed.metrics() == undisturbed.metrics()


@pytest.mark.slow
def test_a_mistake_is_told_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = place(tmp_path_factory)
    process = start(made, "--sync-norms", "--device", "cuda:99")
    _, told = process.communicate(timeout=120)
    assert process.returncode == 1
    assert told.count("SW542") == 1
    assert not made.run.exists()


def test_nproc_under_torchrun_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = place(tmp_path_factory)
    command = [sys.executable, "-m", "swc", "train", *TOGETHER]
    environment = {**os.environ, "RANK": "0", "WORLD_SIZE": "2"}
    done = subprocess.run(command, cwd=made.folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "SW564" in done.stderr


@pytest.mark.slow
def test_members_are_trained_apart_as_together(tmp_path_factory: pytest.TempPathFactory) -> None:
    apart, together = place(tmp_path_factory), place(tmp_path_factory)
    process = start(apart, "--placement", "members")
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert together.train() == 0
    first = [next(row for row in made.metrics() if row["kind"] == "epoch") for made in (apart, together)]
    # the same to rounding, which a dozen steps in float32 let grow; tests/runtime/test_ranks.py compares in float64
    assert first[0]["losses"] == pytest.approx(first[1]["losses"], rel=5e-3)
    assert first[0]["accuracies"] == pytest.approx(first[1]["accuracies"], abs=0.01)


PATIENT = small_text("weight_average ema(decay: 0.8)", "phase main: up to 4 epochs, patience 1")


@pytest.mark.slow
@pytest.mark.parametrize("placement", ["images", "members"])
def test_processes_agree_on_the_best_state_and_its_average(
    tmp_path_factory: pytest.TempPathFactory, placement: str
) -> None:
    made = compiled(tmp_path_factory, PATIENT)
    process = start(made, "--placement", placement)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    scores = [row for row in made.metrics() if row["kind"] == "scores" and row["of"] == "ensemble"]
    last, averaged = ([row for row in scores if row.get("is_average", False) is which] for which in (False, True))
    best = min(last, key=lambda row: float(str(row["nll"])))
    results = made.results()
    assert results["best"] == {"epoch": best["epoch"], "trained": len(last)}
    assert len(last) == 4 or len(last) - int(str(best["epoch"])) == 1
    assert results["validation"]["together"]["nll"] == best["nll"]  # type: ignore[index]
    beside = averaged[int(str(best["epoch"])) - 1]
    assert results["average"]["validation"]["together"]["nll"] == pytest.approx(beside["nll"], rel=1e-6)  # type: ignore[index]
    tensors, meta = load_checkpoint(made.checkpoint)
    assert under_prefix("average", tensors).keys() == under_prefix("state", tensors).keys()
    assert meta.facts["average_steps"] == 2 * int(str(best["epoch"]))


@pytest.mark.slow
def test_more_processes_than_members_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = place(tmp_path_factory)
    process = made.start("--nproc", "3", "--placement", "members")
    _, told = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "error[SW565]: 3 processes cannot share 2 members" in told


PARTS = """
ensemble tiny {
  data digits(train: 50)
  member m[4] = wrn(depth: 10, width: 0.25)
  step split
  budget unlimited
  share conv as rank_one
  train {
    batch 16
    precision float32
    optimiser sgd(lr: 0.05, momentum: 0.9)
    phase main: 1 epochs
  }
}
"""


@pytest.mark.slow
def test_a_batch_is_parted_as_in_one_process(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The last of its batches has two images, for four networks."""
    together, apart = compiled(tmp_path_factory, PARTS), compiled(tmp_path_factory, PARTS)
    process = start(apart)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert together.train() == 0
    found, expected = (next(row for row in made.metrics() if row["kind"] == "epoch") for made in (apart, together))
    assert found["losses"] == pytest.approx(expected["losses"], rel=1e-5)
    assert all(found["losses"])  # type: ignore[arg-type]
    assert found["accuracies"] == expected["accuracies"]


FOLDED = """
ensemble tiny {
  data digits(train: 64)
  member a = wrn(depth: 10, width: 0.25)
  member b = wrn(depth: 10, width: 0.25) from "b.safetensors"
  budget 3k templates
  share "b.*conv*" { clusters one }
  train {
    batch 32
    optimiser sgd(lr: 0.05, momentum: 0.9)
    phase main: 1 epochs
  }
}
"""


@pytest.mark.slow
def test_processes_begin_with_given_weights_that_one_of_them_has_lost_of(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    made = compiled(tmp_path_factory, FOLDED.replace(' from "b.safetensors"', ""))
    program = compile_file(made.folder / "tiny.sw").program
    save_file(as_written(program, program.members[1], 5).state_dict(), made.folder / "b.safetensors")
    assert made.compile(FOLDED) == 0
    process = start(made, "--placement", "members")
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    assert "with given weights, and what is shared keeps" in told
    assert "all of their energy" not in told
