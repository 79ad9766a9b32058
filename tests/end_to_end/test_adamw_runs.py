"""A whole run with AdamW: split, continued, untied, killed inside epochs, and taken up to the same bits."""

from __future__ import annotations

import signal

import pytest
import torch

from support.runs import Place, spec_text
from swc_runtime.records.checkpoint import load_checkpoint, under_prefix

# kills its own process in the middle of its nth checkpoint
KILLED = """
import os, signal
from swc_runtime.records import checkpoint

left, write = {nth}, checkpoint._write

def half_written(path, data):
    global left
    left -= 1
    if left:
        return write(path, data)
    path.write_bytes(data[: len(data) // 2])
    os.kill(os.getpid(), signal.SIGKILL)

checkpoint._write = half_written
from swc.cli.main import main
main()
"""


def place(factory: pytest.TempPathFactory) -> Place:
    made = Place(factory.mktemp("adamw"))
    sgd = "sgd(lr: rate, momentum: 0.9, nesterov: yes, weight_decay: 5e-4)"
    text = spec_text(carry="continue").replace(sgd, "adamw(lr: rate, betas: [0.9, 0.99])")
    assert made.compile(text, "--set", "rate=0.003") == 0
    return made


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = place(tmp_path_factory)
    assert made.train() == 0
    return made


def test_a_run_learns_and_keeps_both_moments(undisturbed: Place) -> None:
    tensors, _ = load_checkpoint(undisturbed.checkpoint)
    assert {name.partition("/")[0] for name in tensors} == {"state", "first_moment", "second_moment", "steps"}
    losses = [sum(row["losses"]) for row in undisturbed.metrics() if row["kind"] == "epoch"]  # type: ignore[arg-type]
    assert losses[-1] < 0.7 * losses[0]
    counts = under_prefix("steps", tensors)
    fitted = {float(count) for name, count in counts.items() if not name.startswith("member/")}
    own = {float(count) for name, count in counts.items() if name.startswith("member/")}
    steps = max(fitted)
    assert fitted == {steps} and own == {steps * 3 / 2}  # three epochs; what was fitted began with the second


@pytest.mark.slow
@pytest.mark.parametrize("nth", [9, 30])
def test_a_killed_run_ends_with_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, undisturbed: Place, nth: int
) -> None:
    made = place(tmp_path_factory)
    process = made.start("--checkpoint-every", "0", code=KILLED.format(nth=nth))
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert made.train() == 0
    (found, _), (wanted, _) = load_checkpoint(made.checkpoint), load_checkpoint(undisturbed.checkpoint)
    assert found.keys() == wanted.keys()
    assert not [name for name in wanted if not torch.equal(found[name], wanted[name])]
    assert made.metrics() == undisturbed.metrics()
