"""Kept predictions of `swc eval`: used for what they were made of alone, and written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from attrs import evolve
from PIL import Image
from swc.evaluate import measure, prediction_cache
from swc.evaluate.prediction_cache import PredictionCache, facts_of, read_predictions
from swc.program.datasets import DATASETS
from swc.running.checkpoints import open_trained
from swc.trust.importing import digest_of_own

from support.runs import Place, black, copied, evaluated
from swc_runtime.data import read_images
from swc_runtime.data.splits import MemorySplit
from swc_runtime.precision import Arithmetic


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return copied(tmp_path_factory)


def test_kept_predictions_give_the_numbers_of_computed_ones(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    computed = evaluated(run, "--temperature")
    capsys.readouterr()
    assert evaluated(run, "--temperature", "--keep") == computed
    assert "kept the predictions in" in capsys.readouterr().err
    assert evaluated(run, "--temperature") == computed
    assert f"predictions are those kept in {run.run}/eval/predictions.safetensors" in capsys.readouterr().err


def test_kept_predictions_are_logits_with_labels_and_what_they_depend_on(run: Place) -> None:
    evaluated(run, "--keep")
    facts, (logits, labels) = read_predictions(run.run / "eval/predictions.safetensors")
    assert logits.shape == (2, 360, 10) and logits.dtype == torch.float32 and labels.shape == (360,)
    assert not torch.allclose(logits.exp().sum(-1), torch.ones(2, 360)), "probabilities, not logits"
    assert list(facts) == sorted(
        ("code of members", "images", "libraries", "precision", "preprocessing", "program", "weights")
    )
    assert logits.softmax(-1).argmax(-1).eq(labels).float().mean() > 0.2


class Nothing:
    """A pass that must not be."""

    def __call__(self, *_: object) -> object:
        raise AssertionError("a second pass was made")


def test_kept_predictions_need_no_second_pass(run: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluated(run, "--keep")
    monkeypatch.setattr(measure, "predict_logits", Nothing())
    assert evaluated(run, "--keep") == first


def changed_weights(cache: PredictionCache) -> None:
    name = next(name for name in cache.saved.tensors if name.startswith("state/bank/"))
    cache.saved.tensors[name] = cache.saved.tensors[name] + 1


def changed_precision(cache: PredictionCache) -> None:
    cache.arithmetic = evolve(cache.arithmetic, dtype=torch.bfloat16)


@pytest.mark.parametrize(("change", "what"), [(changed_weights, "weights"), (changed_precision, "precision")])
def test_predictions_of_something_else_are_not_used(
    cache: PredictionCache, change: Callable[[PredictionCache], None], what: str
) -> None:
    change(cache)
    told: list[str] = []
    cache.announce = told.append
    cache.predictions("some", split(0), lambda: (torch.zeros(2, 3, 4), torch.zeros(3)))
    assert told == [f"{cache.folder}/some.safetensors is of other {what}: predictions are recomputed"]


def split(seed: int, **facts: object) -> MemorySplit:
    images = torch.randint(256, (3, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return MemorySplit(evolve(DATASETS["digits"], **facts), images, torch.arange(3))


@pytest.fixture
def cache(run: Place, tmp_path: Path) -> PredictionCache:
    """One that keeps predictions for `split(0)`, but writes no more."""
    saved = open_trained(run.build())
    made = PredictionCache(tmp_path, saved, Arithmetic("cpu", torch.float32, ""), "", True, print, pytest.fail)
    made.predictions("some", split(0), lambda: (torch.ones(2, 3, 4), torch.arange(3)))
    return PredictionCache(tmp_path, saved, made.arithmetic, "", False, print, pytest.fail)


def test_predictions_for_other_images_are_not_used(cache: PredictionCache) -> None:
    told: list[str] = []
    cache.announce = told.append

    def asked(images: MemorySplit) -> float:
        return float(cache.predictions("some", images, lambda: (torch.zeros(2, 3, 4), torch.arange(3)))[0].max())

    assert asked(split(0)) == 1.0
    assert (asked(split(1)), asked(split(0, mean=(0.5,))), asked(evolve(split(0), labels=torch.ones(3)))) == (0, 0, 0)
    assert [line.partition(": ")[0].rpartition(" of ")[2] for line in told[1:]] == [
        "other images",
        "other preprocessing",
        "other images",
    ]


def test_a_damaged_file_of_predictions_is_not_used(cache: PredictionCache) -> None:
    path = cache.folder / "some.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    told: list[str] = []
    cache.announce = told.append
    logits, _ = cache.predictions("some", split(0), lambda: (torch.zeros(2, 3, 4), torch.arange(3)))
    assert logits.max() == 0 and "its checksum does not match" in told[0]
    path.write_bytes(bytes(data[:100]))
    cache.predictions("some", split(0), lambda: (torch.zeros(2, 3, 4), torch.arange(3)))
    assert "is damaged (it holds no predictions" in told[1]


def test_predictions_of_other_code_of_members_are_not_used(run: Place, cache: PredictionCache) -> None:
    told: list[str] = []
    other = evolve(cache, code="0" * 64, announce=told.append)
    logits, _ = other.predictions("some", split(0), lambda: (torch.zeros(2, 3, 4), torch.arange(3)))
    assert logits.max() == 0 and "is of other code of members" in told[0]
    assert digest_of_own(run.build().spec) == "", "members of our own families have no code to ask for"


def test_the_reference_reads_kept_predictions_as_they_are(run: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/eval.md").read_text("utf-8")
    ((code,),) = [re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)]
    found = evaluated(run, "--keep")
    monkeypatch.chdir(run.folder)
    scope: dict = {}
    exec(code.replace("quickstart", "tiny"), scope)
    assert float(scope["accuracy"]) == pytest.approx(found["predictors"][-1]["scores"]["top1"])


def test_images_in_files_are_known_by_size_and_time(tmp_path: Path) -> None:
    for number in range(2):
        Image.fromarray(np.full((8, 8), number, dtype=np.uint8)).save(tmp_path / f"{number}.png")
    files = read_images(DATASETS["digits"], tmp_path)
    before = facts_of(files)
    assert facts_of(files) == before
    os.utime(tmp_path / "1.png", ns=(1, 1))
    assert facts_of(files)["images"] != before["images"]


def test_predictions_for_other_data_sets_are_kept_too(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    black(run.folder / "black")
    first = evaluated(run, "--keep", "--ood", "black")
    capsys.readouterr()
    assert evaluated(run, "--ood", "black") == first
    assert capsys.readouterr().err.count("predictions are those kept in") == 2


def test_scores_are_printed_and_written_where_predictions_fit_on_no_disk(
    run: Place, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prediction_cache, "fill", full)
    record = run.run / "eval" / "evaluation.json"
    record.unlink(missing_ok=True)
    (record.parent / "predictions.safetensors").unlink(missing_ok=True)
    assert run.swc("eval", "--time-batch", "0", "--keep", "--temperature") == 1
    shown = capfd.readouterr()
    assert "tiny on digits" in shown.out and "shallow" in shown.out and record.is_file()
    assert "predictions.safetensors`: no space left on device" in shown.err
    assert not (record.parent / "predictions.safetensors").exists()
