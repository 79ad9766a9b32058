"""`swc eval`: what it measures of a run on real images, how it is written, and what it refuses."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from swc.diagnostics import Sink
from swc.diagnostics.catalogue.evaluation import TooManySubsets
from swc.evaluation.measure import _subsets
from swc.ir.counts import count

from runs import Place, place, trained


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


def test_times_are_those_of_members_added_up(run: Place) -> None:
    assert run.swc("eval", "--time-batch", "32", "--format", "json", "-o", "found.json") == 0
    (found,) = json.loads((run.folder / "found.json").read_text())["evaluations"]
    times = [predictor["milliseconds"] for predictor in found["predictors"]]
    assert times[0] > 0 and times[2] == pytest.approx(times[0] + times[1])


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
    assert run.swc("eval", "--ood", "nowhere") == 1
    assert "no data set of that name" in capsys.readouterr().err
    (run.folder / "empty").mkdir(exist_ok=True)
    assert run.swc("eval", "--ood", "empty") == 1
    assert "there is no image in it" in capsys.readouterr().err
    assert run.swc("eval", "--ood", "cifar10") == 1  # without a download
    assert "error[SW643]: images of `cifar10` are 3x32x32, the members take 1x8x8" in capsys.readouterr().err
    assert run.swc("eval", "--device", "cuda:9") == 1


def test_a_run_that_is_not_finished_is_evaluated_and_told(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    made = trained(tmp_path_factory, batch=256)
    previous = made.checkpoint.with_name(made.checkpoint.name + ".previous")
    previous.replace(made.checkpoint)  # as if it had been stopped an epoch before the end
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
