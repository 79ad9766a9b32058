"""Runs of other tasks than classification: split, untied, resumed to the same bits, evaluated, compared."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from sklearn.metrics import root_mean_squared_error
from swc.running.loop import train

from support.own_targets import spec_of, write_measures
from support.runs import Place
from support.steps import StopAfter, check_same_bits, open_small

SPECS = {
    "regression": spec_of("regression", "ink"),
    "targets": spec_of("regression(targets: 2)", "halves"),
    "multilabel": spec_of("multilabel", "kinds", classes=3),
}


def trained(folder: Path, text: str) -> Place:
    made = Place(folder)
    write_measures(folder)
    assert made.compile(text) == 0
    assert made.train() == 0
    return made


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return trained(tmp_path_factory.mktemp("ink"), SPECS["regression"])


@pytest.fixture(scope="module", params=["targets", "multilabel"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return trained(tmp_path_factory.mktemp(request.param), SPECS[request.param])


@pytest.mark.slow
def test_a_run_splits_and_unties_by_the_gradients_of_its_own_loss(run: Place) -> None:
    assert len(list((run.run / "revisions").iterdir())) == 3
    for revision in (0, 1):
        feedback = json.loads((run.run / f"revisions/{revision}/feedback.json").read_text("utf-8"))
        assert feedback["similarities"]


def test_the_results_have_the_scores_of_the_task_and_no_others(run: Place) -> None:
    results = run.results()
    names = {"multilabel": {"map", "micro_f1", "macro_f1"}, "regression": {"rmse", "mae", "r2", "crps"}}
    together = results["together"]
    assert isinstance(together, dict) and names[str(results["task"])] <= together["further"].keys()
    assert together["top1"] is None and together["nll"] is not None
    rows = run.metrics()
    counted = {"multilabel": "accuracy", "regression": "rmse"}[str(results["task"])]
    assert all(row["score"] == counted and len(row["values"]) == 2 for row in rows if row["kind"] == "epoch")  # type: ignore[arg-type]


def test_an_interrupted_run_ends_with_the_same_bits(
    regression: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_measures(tmp_path)
    made = Place(tmp_path)
    assert made.compile(SPECS["regression"]) == 0
    with pytest.raises(KeyboardInterrupt):
        train(open_small(made), StopAfter(3))  # within an epoch, whose tally goes on
    assert made.train() == 0
    check_same_bits(made, regression)


def test_scores_are_in_the_unit_of_the_targets(regression: Place) -> None:
    assert regression.swc("eval", "--time-batch", "0", "--keep") == 0
    scale = json.loads((regression.run / "targets.json").read_text("utf-8"))
    kept = load_file(regression.run / "eval/predictions.safetensors")
    said = kept["logits"].double().mean(0) * scale["deviation"][0] + scale["mean"][0]
    wanted = kept["labels"].double() * scale["deviation"][0] + scale["mean"][0]
    assert wanted.min() > 5000  # as the function gives them
    (found,) = json.loads((regression.run / "eval/evaluation.json").read_text("utf-8"))["evaluations"]
    together = found["predictors"][-1]["scores"]
    assert together["further"]["rmse"] == pytest.approx(root_mean_squared_error(wanted, said), rel=1e-6)
    assert together == regression.results()["together"]
    assert found["task"] == "regression" and found["num_calibration"] == 24


def test_a_table_has_the_columns_of_its_task(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.swc("eval", "--time-batch", "0") == 0
    said = capsys.readouterr().out
    columns = ("mAP", "micro F1", "NLL", "ECE") if "mAP" in said else ("RMSE", "R2", "CRPS", "in 90%")
    assert all(column in said for column in columns) and "top-1" not in said
    assert ("the ensemble by target" in said) == ("halves" in said)
    assert ("the ensemble by label" in said) == ("kinds" in said)
    (found,) = json.loads((run.run / "eval/evaluation.json").read_text("utf-8"))["evaluations"]
    names = ["even", "above [four]", "with a hole"] if "kinds" in said else []
    assert found["outputs"] == names and all(f"{name} " in said for name in names)
    assert run.swc("eval", "--time-batch", "0", "--on", "validation", "--format", "csv") == 0
    header, first, *_ = capsys.readouterr().out.splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert row["part"] == "validation" and float(row["nll"]) == float(row["nll"])


@pytest.mark.parametrize("option", ["--temperature", "--interpolate", "--ood=digits"])
def test_options_about_classes_are_refused(regression: Place, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert regression.swc("eval", option) == 1
    told = capsys.readouterr().err
    assert f"error[SW804]: `{option.partition('=')[0]}` is for `task classification`" in told


def test_training_examples_of_another_scale_are_refused(
    regression: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(regression.folder, tmp_path / "sent")
    sent = Place(tmp_path / "sent")
    module = (sent.folder / "measures.py").read_text("utf-8").replace("offset: float = 5000.0", "offset: float = 0.0")
    (sent.folder / "measures.py").write_text(module, encoding="utf-8")
    assert sent.swc("eval", "build/tiny/run", "--trust") == 1
    assert "error[SW805]: the training targets of `measures:ink` are not those" in capsys.readouterr().err


def exported(made: Place, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the loader of an export defines."""
    assert made.swc("export", "-o", str(folder)) == 0
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "wrn", raising=False)
    return runpy.run_path(str(folder / "members.py"))


def test_an_exported_ensemble_predicts_in_the_unit_of_the_targets(
    regression: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert regression.swc("eval", "--time-batch", "0", "--keep") == 0
    found = exported(regression, tmp_path / "members", monkeypatch)
    card = (tmp_path / "members/README.md").read_text("utf-8")
    assert "measures:ink, 1 target, images" in card and "- Targets: an output y is y x deviation + mean" in card
    assert "| | RMSE | NRMSE | MAE | R2 | CRPS | NLL | in 50% | in 90% |" in card and "Classes" not in card
    images = torch.tensor(load_digits().images[1:240:2, None] / 16, dtype=torch.float32)
    mean, deviation = found["predict"](found["normalised"](images))
    kept = load_file(regression.run / "eval/predictions.safetensors")
    scale = json.loads((regression.run / "targets.json").read_text("utf-8"))
    said = kept["logits"].double() * scale["deviation"][0] + scale["mean"][0]
    assert torch.allclose(mean.double(), said.mean(0), rtol=1e-2)
    assert torch.allclose(deviation.double(), said.std(0, correction=0), rtol=0.2, atol=40)


def test_exported_labels_have_the_mean_sigmoid(run: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = exported(run, tmp_path / "members", monkeypatch)
    said = found["predict"](torch.zeros(2, 1, 8, 8))
    card = (tmp_path / "members/README.md").read_text("utf-8")
    if "kinds" in card:
        assert said.shape == (2, 3) and 0 < float(said.min()) < float(said.max()) < 1 and "3 labels" in card
    else:
        assert [tuple(part.shape) for part in said] == [(2, 2), (2, 2)] and "2 targets" in card


def test_the_python_format_is_for_classes(regression: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert regression.swc("export", "--format", "python", "-o", "written") == 1
    assert "error[SW800]: the format `python` is for `task classification`" in capsys.readouterr().err


def page_data(page: Path) -> dict[str, Any]:
    """What the page of `swc report` is drawn from, of its first run."""
    data = page.read_text("utf-8").partition('id="data">')[2].partition("</script>")[0]
    return json.loads(data)["runs"][0]


def test_the_page_has_the_scores_of_the_task_and_a_sample_of_its_numbers(regression: Place) -> None:
    assert regression.swc("eval", "--time-batch", "0") == 0
    assert regression.swc("report", "-o", "page.html") == 0
    found = page_data(regression.folder / "page.html")
    assert (found["task"]["best"]["name"], found["task"]["loss"]) == ("rmse", "mse")
    whole = found["scored"]["predictors"][-1]["scores"]
    assert list(whole) == ["rmse", "mae", "r2", "crps", "nll", "coverage50", "coverage90"]
    assert found["curves"]["scores"]["ensemble"][-1][1] > 0
    (sample,) = found["scored"]["details"]["targets"]
    assert len(sample["observed"]) == len(sample["deviation"]) == 120 and min(sample["observed"]) > 5000
    errors = [(said - wanted) ** 2 for said, wanted in zip(sample["predicted"], sample["observed"], strict=True)]
    assert (sum(errors) / 120) ** 0.5 == pytest.approx(whole["rmse"])
    assert [one["confidence"] for one in found["scored"]["reliability"][-1]] == [n / 10 for n in range(1, 10)]


def test_figures_show_what_the_task_is_scored_by(run: Place) -> None:
    from swc.report.anytime import anytime
    from swc.report.curves import curves
    from swc.report.evaluation_figures import diversity, reliability

    assert run.swc("eval", "--time-batch", "0") == 0
    build, is_multilabel = run.build(), "multilabel" in str(run.folder)
    assert curves(build).axes[1].get_ylabel() == ("validation mAP (%)" if is_multilabel else "validation RMSE")
    labels = [axes.get_ylabel() for axes in anytime(build).axes]
    assert labels == (
        ["held-out mAP (%)", "NLL (nats)", "ECE (%)"] if is_multilabel else ["held-out RMSE", "CRPS", "NLL (nats)"]
    )
    promised = "probability of a label" if is_multilabel else "share that an interval promises"
    assert {axes.get_xlabel() for axes in reliability(build).axes} == {promised}
    assert diversity(build).axes[-1].get_ylabel().endswith("error rate" if is_multilabel else "squared error")


def test_numbers_of_a_front_fall(regression: Place) -> None:
    from swc.report.anytime import anytime

    assert regression.swc("eval", "--time-batch", "0") == 0
    assert regression.swc("plot", "anytime", "-o", "anytime.png") == 0
    errors, *_ = anytime(regression.build()).axes
    front = errors.lines[0].get_ydata()
    assert list(front) == sorted(front, reverse=True)


@pytest.mark.parametrize("name", ["interpolation", "corruptions"])
def test_figures_of_accuracies_are_refused(regression: Place, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert regression.swc("eval", "--time-batch", "0") == 0
    assert regression.swc("plot", name) == 1
    told = capsys.readouterr().err
    assert f"error[SW800]: the figure `{name}` is for `task classification`, and this ensemble has" in told


def test_runs_of_one_task_are_compared_and_of_several_refused(
    regression: Place, run: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run.swc("compare", "build/tiny/run", "--plot", "both.png") == 0
    said = capsys.readouterr().out
    assert "mean member" in said and "top-1" not in said
    assert run.swc("compare", "build/tiny/run", "--format", "json") == 0
    evaluated = json.loads(capsys.readouterr().out)["systems"][0]["results"]
    shutil.rmtree(run.run / "eval")
    assert run.swc("compare", "build/tiny/run", "--format", "json") == 0
    (trained_alone,) = json.loads(capsys.readouterr().out)["systems"][0]["results"]
    kind = ("stage", "num_images", "num_calibration", "part", "task")
    assert [evaluated[0][name] for name in kind] == [trained_alone[name] for name in kind]
    both = (str(run.run), str(regression.run))
    if "multilabel" in str(run.folder):
        assert "mAP" in said and run.swc("compare", *both) == 1
        assert "error[SW743]: the runs have different tasks: `multilabel`, `regression`" in capsys.readouterr().err
    else:
        assert "RMSE" in said and run.swc("compare", *both, "--format", "json") == 0
        first, _ = json.loads(capsys.readouterr().out)["systems"]
        assert first["results"][0]["values"]["rmse"]["mean"] == run.results()["together"]["further"]["rmse"]  # type: ignore[index]


def test_anytime_inference_chooses_by_the_score_of_the_task(regression: Place) -> None:
    from swc.running.trained import open_trained

    from swc_runtime.evaluate.anytime import AnytimePredictor
    from swc_runtime.precision import choose_arithmetic

    ensemble = open_trained(regression.build()).ensemble("cpu")
    images = torch.tensor(load_digits().images[1:81:2, None] / 16, dtype=torch.float32)
    batches = [(images, torch.zeros(40, 1))]
    predictor = AnytimePredictor.calibrated(ensemble, batches, choose_arithmetic("float32", "cpu"))
    assert predictor.best().score == min(choice.score for choice in predictor.choices) > 0
    with predictor:
        assert predictor.predict(images).predictions.shape == (40, 1)


SWEPT = ("sweep", "tiny.sw", "--vary", "rate=0.01,0.02", "--seeds", "1", "--table", "rows.csv")


@pytest.mark.slow
def test_a_sweep_has_the_columns_of_the_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Place(tmp_path)
    write_measures(tmp_path)
    text = spec_of("regression", "ink", count=120).replace("lr: 0.02", "lr: rate")
    made.compile(text.replace("  task", "  param rate = 0.02\n  task"))
    capsys.readouterr()
    assert made.swc(*SWEPT) == 0
    said = capsys.readouterr().out
    assert "validation RMSE" in said and "test RMSE" in said and "* lowest NRMSE on the validation part: rate" in said
    header, first, _ = (tmp_path / "rows.csv").read_text("utf-8").splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert float(row["rmse"]) > 0 and row["top1"] == "" and float(row["chosen_member_rmse"]) > 0
    assert made.swc(*SWEPT) == 0  # from the table alone
    assert "2 of them in rows.csv already" in (told := capsys.readouterr()).out + told.err
