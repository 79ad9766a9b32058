"""A run that shares the projections of attention: killed and taken up again, re-shared, shown and exported."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from swc.running.checkpoints import open_trained

from support import parameter_nets
from support.runs import Place
from swc_runtime.records.checkpoint import load_checkpoint

SPEC = """
import "digits.sw"

ensemble tiny {
  data digits
  member wide   = python("attention_nets:Transformer", width: 16, depth: 1)
  member narrow = python("attention_nets:Transformer", width: 8, depth: 2)
  budget 80% of native
  share attention { clusters one }
  share linear { clusters one }
  train digits {
    batch 256
    phase search: 1 epochs at lr 0.05
      then split clusters below 0.2
      then continue
    phase main: 2 epochs
      after 1 epochs untie coefficients below 0.9
  }
}
"""
PROJECTION = "wide.encoder.layers.0.self_attn.in_proj_weight"


def made_in(folder: Path) -> Place:
    """A place with a compiled spec, and the members' code beside it."""
    text = Path(parameter_nets.__file__).read_text(encoding="utf-8")
    (folder / "attention_nets.py").write_text(text, encoding="utf-8")
    made = Place(folder)
    assert made.compile(SPEC) == 0
    return made


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = made_in(tmp_path_factory.mktemp("attention"))
    assert made.train() == 0
    return made


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_bits(undisturbed: Place, tmp_path: Path) -> None:
    made = made_in(tmp_path)
    process = made.start("--checkpoint-every", "0")
    end = time.monotonic() + 120
    while not made.checkpoint.exists() and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert made.checkpoint.exists()
    assert made.train() == 0
    (found, _), (wanted, _) = load_checkpoint(made.checkpoint), load_checkpoint(undisturbed.checkpoint)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if not torch.equal(found[name], wanted[name])] == []
    for number in range(3):
        assert made.revision(number, "program.json") == undisturbed.revision(number, "program.json")


def test_similarities_name_projections_by_their_whole_names(undisturbed: Place) -> None:
    measured = undisturbed.revision(0, "feedback.json")
    assert f'"{PROJECTION}"' in measured
    assert '"wide.encoder.layers.0.self_attn.out_proj"' in measured


def test_a_projection_is_shown_by_its_name(undisturbed: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (PROJECTION, "wide.encoder.layers.0.linear1", "wide.encoder.layers.0.linear1.weight"):
        assert undisturbed.swc("show", "--layer", name) == 0
        said = capsys.readouterr().out
        assert said.startswith(name.removesuffix(".weight") if "linear1" in name else name)
        assert "linear" in said


def test_exported_weights_are_those_that_the_run_has(undisturbed: Place) -> None:
    assert undisturbed.swc("export", "--format", "safetensors", "-o", "plain") == 0
    ensemble = open_trained(undisturbed.build()).ensemble("cpu").eval()
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = ensemble(images)
    for number, (name, size) in enumerate((("wide", (16, 1)), ("narrow", (8, 2)))):
        state = load_file(undisturbed.folder / "plain" / f"{name}.safetensors")
        assert state["encoder.layers.0.self_attn.in_proj_weight"].shape == (3 * size[0], size[0])
        plain = parameter_nets.Transformer(*size).eval()
        plain.load_state_dict(state)
        with torch.no_grad():
            torch.testing.assert_close(plain(images), expected[number], rtol=1e-5, atol=1e-5)
