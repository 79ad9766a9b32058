"""`swc eval` where a number lies at its bound, or few images speak of it: a message, and no measured number."""

from __future__ import annotations

import csv
import json
from math import isnan

import numpy as np
import pytest
import torch
from PIL import Image
from swc.evaluate import measure
from swc.evaluate.calibration import divided
from swc.program.feedback import Similarity, unknown_errors
from swc.report.anytime import Line, Point
from swc.report.anytime import figure as anytime_figure
from swc.report.scores import scored_of
from swc.show.diff import psi_text

from support.runs import Place, copied
from swc_runtime.evaluate.metrics import nll
from swc_runtime.evaluate.outliers import detect
from swc_runtime.evaluate.temperature import Temperature, at_temperature, choose_temperature, fit_temperature
from swc_runtime.measure.similarity import UNKNOWN


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return copied(tmp_path_factory)


def sure(labels: torch.Tensor, wrong: torch.Tensor, margin: float = 4.0) -> torch.Tensor:
    """Logits of a predictor that is right by a margin but where `wrong` says otherwise."""
    said = torch.where(wrong, (labels + 1) % 10, labels)
    return margin * torch.nn.functional.one_hot(said, 10).float()


def test_a_temperature_of_images_that_are_all_right_is_not_used() -> None:
    labels = torch.arange(100) % 10
    right = sure(labels, torch.zeros(100, dtype=torch.bool)).softmax(-1)
    assert fit_temperature(right, labels) < 0.1
    assert choose_temperature(right, labels) == Temperature(1.0, "right on every image to fit on")


def test_a_temperature_of_images_that_are_all_wrong_is_not_used() -> None:
    labels = torch.arange(100) % 10
    wrong = sure(labels, torch.ones(100, dtype=torch.bool)).softmax(-1)
    assert choose_temperature(wrong, labels) == Temperature(1.0, "the best lies at the bound 20 or beyond")


def test_a_temperature_of_few_images_is_not_used() -> None:
    labels = torch.arange(19) % 10
    found = choose_temperature(sure(labels, torch.arange(19) % 3 == 0).softmax(-1), labels)
    assert found == Temperature(1.0, "19 images to fit on, where 20 are needed")


def test_a_temperature_that_one_odd_image_makes_is_not_used_where_it_does_the_others_no_good() -> None:
    labels = torch.arange(40) % 10
    odd = sure(labels, torch.arange(40) == 7, margin=4.2).softmax(-1)
    found = choose_temperature(odd, labels)
    assert found.value == 1.0 and "no good" in found.unused


def test_a_temperature_of_a_predictor_that_is_too_sure_is_used() -> None:
    labels = torch.arange(400) % 10
    bold = sure(labels, torch.arange(400) % 5 == 0, margin=12.0).softmax(-1)
    found = choose_temperature(bold, labels)
    assert not found.unused and found.value == fit_temperature(bold, labels) > 2


@pytest.fixture
def right_where_fitted(run: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both members are right on all images that temperatures are fitted on, and on most others; the first by less."""
    fitted, _ = divided(360)

    def logits(_: object, batches: object, __: object) -> tuple[torch.Tensor, torch.Tensor]:
        labels = torch.cat([own for _, own in batches])  # type: ignore[attr-defined]
        wrong = torch.arange(360) % 9 == 0
        wrong[fitted] = False
        return torch.stack([sure(labels, wrong, 3.0), sure(labels, wrong, 4.0)]), labels

    monkeypatch.setattr(measure, "predict_logits", logits)


@pytest.mark.usefixtures("right_where_fitted")
def test_the_scores_are_those_of_one_and_that_is_said_in_every_place(
    run: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.swc("eval", "--time-batch", "0", "--temperature") == 0
    told = capsys.readouterr()
    assert "warning[SW608]" in told.err and "`deep`, `shallow`, `deep + shallow`: right on every image" in told.err
    assert "1 (none)" in told.out and "3 of 3 predictors" in told.out
    (found,) = json.loads((run.run / "eval/evaluation.json").read_text())["evaluations"]
    assert {one["temperature"] for one in found["predictors"]} == {1.0}
    with (run.run / "eval/evaluation.csv").open() as file:
        assert {line["uncalibrated"] for line in csv.DictReader(file)} == {"right on every image to fit on"}
    capsys.readouterr()
    assert run.swc("eval", "--time-batch", "0", "--format", "json") == 0
    plain = json.loads(capsys.readouterr().out)["evaluations"][0]
    assert found["predictors"][0]["scores"]["nll"] < 2 * plain["predictors"][0]["scores"]["nll"]
    assert run.swc("eval", "--time-batch", "0", "--temperature") == 0
    evaluation = scored_of(run.run)
    assert evaluation is not None and evaluation.calibration == ", at T = 1: no temperature could be fitted"
    assert run.swc("plot", "reliability", "-o", "figure.svg") == 0


def test_a_fitted_temperature_stands_in_the_table(run: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert run.swc("eval", "--time-batch", "0", "--temperature") == 0
    shown = capsys.readouterr().out
    head = next(line for line in shown.splitlines() if "AURC" in line)
    assert head.split()[head.split().index("AURC") + 1] == "T"


def test_an_old_evaluation_with_a_temperature_at_its_bound_is_told(run: Place) -> None:
    assert run.swc("eval", "--time-batch", "0", "--temperature") == 0
    path = run.run / "eval/evaluation.json"
    found = json.loads(path.read_text())
    for one in found["evaluations"][0]["predictors"]:
        del one["uncalibrated"]
    found["evaluations"][0]["predictors"][0]["temperature"] = 0.05000001
    path.write_text(json.dumps(found))
    path.with_name("checksums.txt").unlink()  # of which versions then knew nothing
    evaluation = scored_of(run.run)
    assert evaluation is not None and "1 of 3 at T = 1 or a bound" in evaluation.calibration


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A run on a folder with one held-out image in each of two classes, and one member."""
    made = Place(tmp_path_factory.mktemp("few"))
    rng = np.random.default_rng(0)
    for part, count in (("train", 8), ("val", 1)):
        for name in ("a", "b"):
            folder = made.folder / "images" / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    spec = """
        import "digits.sw"
        ensemble tiny {
          data folder("images", classes: 2, size: 16)
          member only = wrn(depth: 10, width: 1)
          budget unlimited
          share conv as none
          train digits { batch 8  phase main: 1 epochs at lr 0.05 }
        }
    """
    assert made.compile(spec) == 0 and made.train() == 0
    return made


def test_numbers_of_a_few_images_are_told(few: Place, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--temperature", "--interpolate", "--ood", "images/train/a", "--time-batch", "64")
    assert few.swc("eval", *arguments) == 0
    told = capsys.readouterr()
    assert "warning[SW609]: 2 images of `folder` are few for ECE in 15 bins" in told.err
    assert "8 images of `images/train/a` are few for FPR95" in told.err
    assert "warning[SW608]: no temperature is used for `only`: 0 images to fit on" in told.err
    assert "warning[SW612]: nothing is interpolated: no two members have one architecture" in told.err
    assert "times in batches of 2," in told.out, "a batch of 64 was never timed"
    row = next(line for line in told.out.splitlines() if line.split()[:1] == ["only"])
    assert row.split()[2] == "-", "of two classes the five most probable are all"
    assert "information" not in told.out, "one member has no information about which it is"
    (found,) = json.loads((few.run / "eval/evaluation.json").read_text())["evaluations"]
    assert found["time_batch"] == 2 and found["predictors"][0]["temperature"] == 1.0


def test_members_that_agree_have_no_information_of_rounding() -> None:
    rng = torch.Generator().manual_seed(0)
    own, other = (torch.randn(1, 50, 7, generator=rng).softmax(-1).expand(3, -1, -1) for _ in range(2))
    assert detect(own, other, "information").auroc == 0.5


def test_scores_are_better_at_a_used_temperature_than_at_a_bound() -> None:
    labels = torch.arange(300) % 10
    wrong = torch.rand(300, generator=torch.Generator().manual_seed(0)) < 0.25
    p = sure(labels, wrong, margin=9.0).softmax(-1)
    found = choose_temperature(p[:100], labels[:100])
    assert not found.unused
    assert nll(at_temperature(p[100:], found.value), labels[100:]) < nll(p[100:], labels[100:])


def test_a_similarity_of_one_batch_has_no_known_error() -> None:
    one, known = Similarity("a", "b", 0.5, UNKNOWN), Similarity("a", "b", 0.5, 0.02)
    assert psi_text(one) == "0.500 ± unknown" and psi_text(known) == "0.500 ± 0.020"
    assert "single batch" in unknown_errors((one,)) and unknown_errors((one, known)) == unknown_errors(()) == ""


def test_one_seed_draws_no_error_bar() -> None:
    point = Point({"multiply-adds": 1.0}, {"top1": 0.5, "nll": 1.0, "ece": 0.1}, dict.fromkeys(("top1", "nll", "ece")))
    other = Point({"multiply-adds": 2.0}, {"top1": 0.6, "nll": 0.9, "ece": 0.1}, {"top1": 0.1, "nll": 0.1, "ece": 0.1})
    figure = anytime_figure([Line("tiny", "place", (point, other))], "multiply-adds", "tiny")
    (bars,) = figure.axes[0].containers
    lengths = [float(abs(segment[1][1] - segment[0][1])) for segment in bars[2][0].get_segments() if len(segment) == 2]
    assert [round(length) for length in lengths if not isnan(length)] == [20]
