"""`swc eval`: what it measures of a run on real images, how it is written, and what it refuses."""

from __future__ import annotations

import csv
import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from swc.cli import output
from swc.compiler.ir.counts import count
from swc.diagnostics import DiagnosticError, Sink
from swc.diagnostics.catalogue.evaluation import TooManySubsets
from swc.diagnostics.catalogue.files import OutputUnwritable
from swc.evaluate import measure
from swc.evaluate.measure import _subsets
from swc.files import checksums

from support.runs import Place, black, copied, evaluated, place
from swc_runtime.training import trainer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return copied(tmp_path_factory)


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


def test_what_was_found_before_is_kept_as_long_as_the_weights_are_the_same(
    run: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run.folder / "build/tiny/run/eval/evaluation.json"
    black(run.folder / "black")
    before = evaluated(run, "--ood", "digits")["outliers"]
    capsys.readouterr()
    assert evaluated(run)["outliers"] == before != []
    assert "kept from the evaluation before: outliers" in capsys.readouterr().err
    assert evaluated(run, "--temperature")["outliers"] == []  # other images are scored
    assert "dropped: outliers" in capsys.readouterr().err
    (one,) = evaluated(run, "--ood", "digits")["outliers"]
    both = evaluated(run, "--ood", "black")["outliers"]
    assert both[0] == one and both[1]["data"] == "black"
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

    def read_only(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(checksums, "write_kept", refuse)
    monkeypatch.setattr(output, "TemporaryFile", read_only)
    assert run.swc("eval", "--time-batch", "0") == 1
    shown = capfd.readouterr()
    assert "tiny on digits" in shown.out and "shallow" in shown.out
    assert "error[SW604]: cannot write" in shown.err and "evaluation.csv`: Read-only file system" in shown.err
    assert run.swc("eval", "--keep") == 1, "asked for files, it is told before it measures"
    assert capfd.readouterr().out == ""
