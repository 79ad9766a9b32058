"""`swc eval`: what it measures of a run on real images, how it is written, and what it refuses."""

from __future__ import annotations

import csv
import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import evolve
from PIL import Image
from swc.compiler.ir.counts import count
from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.catalogue.evaluation import TooManySubsets
from swc.diagnostics.catalogue.files import OutputUnwritable
from swc.evaluate import measure, prediction_cache
from swc.evaluate.measure import _subsets
from swc.evaluate.prediction_cache import PredictionCache, facts_of, read_predictions
from swc.files import checksums
from swc.program.datasets import DATASETS
from swc.running.checkpoints import open_trained
from swc.trust.importing import digest_of_own

from support.runs import Place, place, trained
from swc_runtime.data import read_images
from swc_runtime.data.splits import MemorySplit
from swc_runtime.precision import Arithmetic
from swc_runtime.training import trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return trained(tmp_path_factory, batch=256)


def evaluated(run: Place, *arguments: str) -> dict:
    assert run.swc("eval", "--time-batch", "0", *arguments) == 0
    (found,) = json.loads((run.folder / "build/tiny/run/eval/evaluation.json").read_text())["evaluations"]
    return found


def test_members_subsets_and_ensemble_are_scored_as_training_scored_them(run: Place) -> None:
    found = evaluated(run)
    results = json.loads((run.folder / "build/tiny/run/results.json").read_text())
    names = [predictor["members"] for predictor in found["predictors"]]
    assert names == [["deep"], ["shallow"], ["deep", "shallow"]]
    wanted = [*results["members"], results["together"]]
    for predictor, scores in zip(found["predictors"], wanted, strict=True):
        assert {name: predictor["scores"][name] for name in ("top1", "nll", "ece")} == {
            name: scores[name] for name in ("top1", "nll", "ece")
        }
    assert found["mean_top1"] == pytest.approx(np.mean([s["top1"] for s in results["members"]]))
    assert found["predictors"][-1]["parameters"] == count(run.build().revisions[-1].graph).parameter_scalars
    assert found["num_images"] == 360 and found["stage"] == "epoch 2 of main"
    costs = [predictor["multiply_adds"] for predictor in found["predictors"]]
    assert costs[2] == costs[0] + costs[1] and costs[0] > costs[1]


def test_rounded_weights_are_evaluated_apart(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    plain = evaluated(run)
    folder = run.run / "eval"
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert run.swc("eval", "--time-batch", "0", "--stored", "int4", "--keep") == 0
    assert "weights stored in int4" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    (found,) = json.loads((folder / "int4/evaluation.json").read_text())["evaluations"]
    assert (plain["stored"], found["stored"]) == ("float32", "int4")
    for one, other in zip(plain["predictors"], found["predictors"], strict=True):
        assert one["stored_bytes"] == 4 * one["parameters"] == 4 * other["parameters"]
        assert other["stored_bytes"] < one["stored_bytes"] / 5
        assert one["scores"] != other["scores"]
    assert run.swc("eval", "--time-batch", "0", "--stored", "int4") == 0
    assert "predictions are those kept in" in capsys.readouterr().err
    (again,) = json.loads((folder / "int4/evaluation.json").read_text())["evaluations"]
    assert again == found
    (folder / "int4/predictions.safetensors").rename(folder / "predictions.safetensors")
    assert evaluated(run) == plain
    assert "is of other precision: predictions are recomputed" in capsys.readouterr().err
    (folder / "predictions.safetensors").unlink()


def test_times_and_their_quartiles_are_those_of_members_added_up(
    run: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.swc("eval", "--time-batch", "32") == 0
    (found,) = json.loads((run.run / "eval/evaluation.json").read_text())["evaluations"]
    times = [predictor["milliseconds"] for predictor in found["predictors"]]
    assert times[0] > 0 and times[2] == pytest.approx(times[0] + times[1])
    (low, high), *others = (predictor["quartiles"] for predictor in found["predictors"])
    assert 0 < low <= times[0] <= high
    assert others[1] == pytest.approx([low + others[0][0], high + others[0][1]])
    assert "times in batches of 32, medians and quartiles of the runs" in (said := capsys.readouterr().out)
    assert f"{low:.3g} to {high:.3g}" in said


def test_temperatures_are_fitted_on_images_that_are_not_scored(run: Place) -> None:
    plain, calibrated = evaluated(run), evaluated(run, "--temperature")
    assert (calibrated["num_images"], calibrated["num_calibration"]) == (288, 72)
    assert plain["num_calibration"] == 0
    for predictor in calibrated["predictors"]:
        assert 0.05 < predictor["temperature"] < 20
    assert all(predictor["temperature"] is None for predictor in plain["predictors"])


def test_csv_has_a_line_for_each_predictor(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.swc("eval", "--time-batch", "0", "--format", "csv", "build/tiny/run") == 0
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [line["members"] for line in lines] == ["deep", "shallow", "deep+shallow"]
    assert all(line["stored"] == "float32" and int(line["stored_bytes"]) > 0 for line in lines)
    assert all(line["milliseconds"] == "" and 0 <= float(line["aurc"]) <= 1 for line in lines)


def test_the_table_says_what_the_numbers_are_of(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.swc("eval", "--temperature", "--time-batch", "0") == 0
    shown = capsys.readouterr().out
    for words in ("after epoch 2 of main", "288 held-out images", "fitted on 72 other", "diversity", "ensemble"):
        assert words in shown, shown


def test_other_images_are_told_apart_in_any_folder(run: Place) -> None:
    noise = run.folder / "noise" / "some"
    noise.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    for number in range(40):
        Image.fromarray(generator.integers(0, 256, (8, 8), dtype=np.uint8)).save(noise / f"{number}.png")
    (outliers,) = evaluated(run, "--ood", str(run.folder / "noise"))["outliers"]
    assert outliers["num_images"] == 40
    assert [measure for measure, _ in outliers["by_measure"]] == ["probability", "entropy", "information"]
    assert all(0 <= value <= 1 for _, found in outliers["by_measure"] for value in found.values())


def test_what_cannot_be_evaluated_is_told(
    run: Place, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled = place(tmp_path_factory)
    assert compiled.swc("eval") == 1
    assert "SW640" in capsys.readouterr().err
    assert run.swc("eval", "tiny.sw") == 1  # a spec is no run
    assert "error[SW640]: `tiny.sw` holds no trained weights" in capsys.readouterr().err
    untrained = str(compiled.folder / "build/tiny")
    assert run.swc("eval", "build/tiny", untrained, "-o", "both.csv", "--format", "csv") == 1  # before any is measured
    assert "error[SW640]" in (told := capsys.readouterr().err) and untrained in told
    assert run.swc("eval", "--ood", "nowhere") == 1
    assert "no data set of that name" in capsys.readouterr().err
    (run.folder / "empty").mkdir(exist_ok=True)
    assert run.swc("eval", "--ood", "empty") == 1
    assert "there is no image in it" in capsys.readouterr().err
    assert run.swc("eval", "--ood", "cifar10") == 1  # without a download
    assert "error[SW643]: images of `cifar10` are 3x32x32, the members take 1x8x8" in capsys.readouterr().err
    assert run.swc("eval", "--device", "cuda:9") == 1


def test_what_would_end_an_evaluation_is_told_before_anything_is_predicted(
    run: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def predicted(*_: object) -> None:
        raise AssertionError("minutes pass here")

    monkeypatch.setattr(measure, "predict_logits", predicted)
    assert run.swc("eval", "--ood", "digits", "--ood", "nowhere") == 1
    assert "no data set of that name" in capsys.readouterr().err
    cut = run.folder / "cut"
    cut.mkdir()
    Image.fromarray(np.zeros((64, 64), dtype=np.uint8)).save(cut / "0.png")
    (cut / "1.png").write_bytes((cut / "0.png").read_bytes()[:-30])
    assert run.swc("eval", "--ood", "cut") == 1
    assert "error[SW501]: `cut/1.png` of the data set `cut` is damaged" in capsys.readouterr().err
    assert run.swc("eval", "-o", "missing/found.txt") == 1
    assert "error[SW604]" in capsys.readouterr().err


def test_a_run_that_is_not_finished_is_evaluated_and_told(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, train = place(tmp_path_factory, batch=256), trainer.train_epoch

    def stopped(*given: Any, **options: Any) -> Any:
        epoch = given[4]
        if (epoch.phase.name, epoch.number) == ("main", 1):
            raise KeyboardInterrupt
        return train(*given, **options)

    monkeypatch.setattr(trainer, "train_epoch", stopped)
    assert made.train() == 130
    assert made.swc("eval", "--time-batch", "0") == 0
    told = capsys.readouterr().err
    assert "warning[SW641]" in told and "after epoch 1 of main" in told


def test_many_members_have_too_many_subsets() -> None:
    sink = Sink()
    assert len(_subsets(12, sink)) == 4095 and not sink.diagnostics
    chosen = _subsets(13, sink)
    assert chosen[12] == (12,) and chosen[13] == (0, 1) and chosen[-1] == tuple(range(13)) and len(chosen) == 25
    assert isinstance(sink.diagnostics[0], TooManySubsets)


def test_evaluating_leaves_the_run_as_it_was(run: Place) -> None:
    folder = run.folder / "build/tiny/run"
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and "eval" not in path.parts}
    evaluated(run)
    assert {path: path.read_bytes() for path in kept} == kept
    assert run.swc("show") == 0


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
    folder = run.folder / "more_noise"
    folder.mkdir(exist_ok=True)
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(folder / "0.png")
    first = evaluated(run, "--keep", "--ood", "more_noise")
    capsys.readouterr()
    assert evaluated(run, "--ood", "more_noise") == first
    assert capsys.readouterr().err.count("predictions are those kept in") == 2


def test_what_was_found_before_is_kept_as_long_as_the_weights_are_the_same(
    run: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run.folder / "build/tiny/run/eval/evaluation.json"
    before = evaluated(run, "--ood", "digits")["outliers"]
    capsys.readouterr()
    assert evaluated(run)["outliers"] == before != []
    assert "kept from the evaluation before: outliers" in capsys.readouterr().err
    assert evaluated(run, "--temperature")["outliers"] == []  # other images are scored
    assert "dropped: outliers" in capsys.readouterr().err
    (one,) = evaluated(run, "--ood", "digits")["outliers"]
    both = evaluated(run, "--ood", "more_noise")["outliers"]
    assert both[0] == one and both[1]["data"] == "more_noise"
    assert evaluated(run, "--ood", "digits")["outliers"] == [both[1], one], "measured again, and none lost"
    path.write_text("{")
    assert evaluated(run)["outliers"] == []
    assert "damaged" in capsys.readouterr().err


def test_an_evaluation_of_a_newer_version_is_not_written_over(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    path = run.folder / "build/tiny/run/eval/evaluation.json"
    before = path.read_text("utf-8")
    newer = before.replace('"schema": 1', '"schema": 2')
    checksums.write_kept(path, newer)
    try:
        assert run.swc("eval", "--time-batch", "0") == 1
        assert "error[SW570]" in capsys.readouterr().err and path.read_text("utf-8") == newer
    finally:
        checksums.write_kept(path, before)


def test_what_was_measured_is_printed_where_the_run_cannot_be_written_to(
    run: Place, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *given: object) -> None:
        raise DiagnosticError(OutputUnwritable(path=str(path), reason="Read-only file system"))

    def read_only(path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(checksums, "write_kept", refuse)
    monkeypatch.setattr(Path, "touch", read_only)
    assert run.swc("eval", "--time-batch", "0") == 1
    shown = capfd.readouterr()
    assert "tiny on digits" in shown.out and "shallow" in shown.out
    assert "error[SW604]: cannot write" in shown.err and "evaluation.csv`: Read-only file system" in shown.err
    assert run.swc("eval", "--keep") == 1, "asked for files, it is told before it measures"
    assert capfd.readouterr().out == ""


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
