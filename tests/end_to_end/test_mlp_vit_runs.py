"""Runs of perceptrons and vision transformers: where bins come from, bits of resumed runs, an exported file."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from swc.running import disk
from swc.running.checkpoints import open_trained, save_state
from swc.running.run import Run
from swc.running.state import State

from support.runs import Place
from swc_runtime.data import test_batches as batches_of
from swc_runtime.records.checkpoint import load_checkpoint

SPEC = """
import "digits.sw"
ensemble tiny {
  data digits(train: 200, validation: 50)
  member m[2] = mlp(depth: 2, width: 8, dropout: 0.2, embeddings: piecewise_linear, size: 3, bins: 4)
  member v = vit(patch: 4, depth: 2, width: 8, heads: 2, dropout: 0.1, stochastic_depth: 0.2)
  budget unlimited
  share "m*.hidden.*" as rank_one
  share attention as low_rank(rank: 2)
  train digits {
    batch 64
    phase first: 1 epochs
    phase main: 2 epochs
  }
}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("place"))
    assert made.compile(SPEC) == 0
    assert made.train() == 0
    return made


def test_bins_are_quantiles_of_the_training_part(run: Place) -> None:
    from swc.folders.dataset import open_dataset

    spec = run.build().spec
    dataset = open_dataset(spec, None, False, lambda _: None)
    pixels = torch.cat([images for images, _ in batches_of(dataset.train, 64)]).flatten(1)
    tensors, _ = load_checkpoint(run.checkpoint)
    for member in ("m[0]", "m[1]"):
        steps, starts, numbers = (
            tensors[f"state/member/{member}/embed.{name}"] for name in ("steps", "starts", "num_bins")
        )
        for feature in (10, 20, 21):
            edges = torch.quantile(pixels[:, feature].double(), torch.linspace(0, 1, 5).double()).float().unique()
            assert numbers[feature] == len(edges) - 1 > 0
            reached = starts[feature, : len(edges) - 1] + steps[feature, : len(edges) - 1] * edges[:-1]
            torch.testing.assert_close(reached, torch.zeros(len(edges) - 1), atol=1e-5, rtol=0)


class KilledError(BaseException):
    """What ends a run as a signal would, past all that handles errors."""


def test_a_run_that_is_taken_up_again_ends_with_the_same_bits(
    run: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def saving(run: Run, state: State, marks: dict[str, int]) -> None:
        save_state(run, state, marks)
        if state.position.phase == 1:
            raise KilledError

    other = Place(tmp_path)
    assert other.compile(SPEC) == 0
    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(disk, "save_state", saving)
        other.train()
    assert other.train() == 0
    found, expected = (load_checkpoint(place.checkpoint)[0] for place in (other, run))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


@pytest.mark.slow
def test_an_exported_python_file_answers_as_the_run(run: Place, tmp_path: Path) -> None:
    assert run.swc("export", "--format", "python", "--output", str(tmp_path)) == 0
    (path,) = tmp_path.glob("*.py")
    spec = spec_from_file_location("exported", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    ensemble = open_trained(run.build()).ensemble(torch.device("cpu"))
    images = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(module.load()(images), ensemble.eval()(images), rtol=1e-4, atol=1e-5)
