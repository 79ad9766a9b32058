"""A validation part from the spec to the tables: never trained on, shown while training goes on, and told apart."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from attrs import evolve
from safetensors.torch import load_file
from swc.diagnostics import DiagnosticError
from swc.files.checksums import write_kept
from swc.folders.dataset import open_dataset
from swc.report.measurements import curves_of
from swc.report.scores import scored_of
from swc.running.results import read_results

from support.runs import Place, trained
from swc_runtime.evaluate.temperature import choose_temperature

DATA = "digits(train: 200, validation: 100)"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return trained(tmp_path_factory, "--score-every", "1", data=DATA, batch=100)


def evaluations(run: Place, name: str) -> dict:
    (found,) = json.loads((run.run / f"eval/{name}.json").read_text("utf-8"))["evaluations"]
    return found


def test_no_image_is_in_two_parts(run: Place) -> None:
    dataset = open_dataset(run.build().spec, None, True, lambda _: None)
    parts = [part.images.flatten(1).numpy() for _, part in dataset.parts]
    assert [len(part) for part in parts] == [200, 1497, 100]
    together = np.concatenate(parts)
    whole = open_dataset(evolve(run.build().spec, data=run.build().spec.data.undivided), None, True, lambda _: None)
    everything = np.concatenate([part.images.flatten(1).numpy() for _, part in whole.parts])
    assert np.array_equal(together[np.lexsort(together.T)], everything[np.lexsort(everything.T)])


def test_training_is_scored_on_the_validation_part(run: Place) -> None:
    scores = [row for row in run.metrics() if row["kind"] == "scores"]
    assert {(row["part"], row["num_images"]) for row in scores} == {("validation", 100)}
    assert curves_of(run.build()).part == "validation"
    assert all(row["images"] == 200 for row in run.metrics() if row["kind"] == "epoch")


def test_results_are_of_both_parts_and_the_table_says_which(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    results = read_results(run.run)
    assert results is not None and results.validation is not None
    assert (results.together.num_images, results.validation.together.num_images) == (1497, 100)
    assert [one.name for one in results.validation.members] == ["deep", "shallow"]
    last = [row for row in run.metrics() if row["kind"] == "scores" and row["of"] == "ensemble"][-1]
    assert last["nll"] == results.validation.together.nll
    capsys.readouterr()
    assert run.train() == 0  # which has nothing left to train
    shown = capsys.readouterr().out
    assert f"tiny on {DATA}, 1,497 test images (last row: 100 validation images)" in shown
    assert "ensemble, validation" in shown


def test_each_part_is_evaluated_into_files_of_its_own(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.swc("eval", "--time-batch", "0", "--keep") == 0
    assert "1,497 test images" in capsys.readouterr().out
    assert run.swc("eval", "--time-batch", "0", "--keep", "--on", "validation", "--format", "csv") == 0
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert {line["part"] for line in lines} == {"validation"}
    results = read_results(run.run)
    assert results is not None and results.validation is not None
    for name, wanted in (("evaluation", results.together), ("validation", results.validation.together)):
        found = evaluations(run, name)
        assert (found["num_images"], found["predictors"][-1]["scores"]["nll"]) == (wanted.num_images, wanted.nll)
    assert (evaluations(run, "evaluation")["part"], evaluations(run, "validation")["part"]) == ("test", "validation")
    assert {path.name for path in (run.run / "eval").glob("*.safetensors")} == {
        "predictions.safetensors",
        "predictions-validation.safetensors",
    }
    scored = scored_of(run.run)
    assert scored is not None and scored.part == "test"


def test_scores_of_the_validation_part_are_not_taken_for_the_others(run: Place) -> None:
    assert run.swc("eval", "--time-batch", "0") == 0
    path = run.run / "eval/evaluation.json"
    before = path.read_text("utf-8")
    write_kept(path, before.replace('"part": "test"', '"part": "validation"'))
    with pytest.raises(DiagnosticError, match="not of the test images"):
        scored_of(run.run)
    write_kept(path, before)


def test_corrupted_images_are_test_images(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.swc("eval", "--on", "validation", "--corruptions", ".") == 2
    assert "corrupted images are test images" in capsys.readouterr().err


def test_a_part_that_was_not_drawn_is_refused() -> None:
    from swc.evaluate.request import part_of
    from swc.program.datasets import DATASETS

    with pytest.raises(DiagnosticError) as caught:
        part_of(DATASETS["digits"], "validation")
    assert [one.code for one in caught.value.diagnostics] == ["SW516"]
    assert part_of(DATASETS["digits"], "test") == ""


def test_temperatures_are_fitted_on_the_validation_part(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """All test images are scored, at the temperature that makes the NLL of the others smallest."""
    assert run.swc("eval", "--time-batch", "0", "--keep") == 0
    assert run.swc("eval", "--time-batch", "0", "--keep", "--on", "validation") == 0
    plain = evaluations(run, "evaluation")
    kept = load_file(run.run / "eval/predictions-validation.safetensors")
    capsys.readouterr()
    assert run.swc("eval", "--time-batch", "0", "--temperature") == 0
    assert "temperatures were fitted on the 100 validation images" in capsys.readouterr().out
    found = evaluations(run, "evaluation")
    assert (found["num_images"], found["num_calibration"], found["calibration_part"]) == (1497, 100, "validation")
    for member, predictor in enumerate(found["predictors"][:2]):
        assert predictor["scores"]["top1"] == plain["predictors"][member]["scores"]["top1"]
        chosen = choose_temperature(kept["logits"][member].double().softmax(-1), kept["labels"])
        assert not chosen.unused
        assert predictor["temperature"] == pytest.approx(chosen.value, rel=1e-3)
