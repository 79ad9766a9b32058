"""Anytime inference: what is chosen, what is answered, and that budgets hold."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest
import torch
from attrs import evolve
from swc.compiler.driver import compile_file
from swc.program.task import Task

from support.programs import ensemble_of, images, tiny_program
from swc_runtime.ensemble import build
from swc_runtime.evaluate.anytime import AnytimePredictor, SubsetChoice
from swc_runtime.evaluate.cost import member_costs, multiply_adds
from swc_runtime.precision import Arithmetic

FULL = Arithmetic("cpu", torch.float32, "tests")
# members: time, multiply-adds, top-1; the pair (0, 2) is best, all three are worse than it
QUALITY = {
    (0,): (1.0, 100, 0.5),
    (1,): (2.0, 200, 0.6),
    (2,): (4.0, 400, 0.65),
    (0, 1): (3.0, 300, 0.62),
    (0, 2): (5.0, 500, 0.8),
    (1, 2): (6.0, 600, 0.7),
    (0, 1, 2): (7.0, 700, 0.75),
}
CHOICES = [SubsetChoice(members, ms, adds, top1, 1 - top1) for members, (ms, adds, top1) in QUALITY.items()]


@pytest.fixture
def ensemble():
    return ensemble_of(tiny_program(), torch.float32)


def pictures(num: int = 4):
    return images(num, dtype=torch.float32)


@pytest.mark.parametrize(
    ("budget", "members"),
    [
        ({"milliseconds": 1.5}, (0,)),
        ({"milliseconds": 4.5}, (2,)),
        ({"multiply_adds": 500}, (0, 2)),
        ({"milliseconds": 6.5, "multiply_adds": 450}, (2,)),
        ({}, (0, 2)),
    ],
)
def test_the_best_subset_within_a_budget_is_chosen(ensemble, budget, members) -> None:
    assert AnytimePredictor(ensemble, CHOICES, FULL).best(**budget).members == members


def test_of_numbers_the_least_error_is_best() -> None:
    program = tiny_program()
    numbers = evolve(program, data=evolve(program.data, task=Task.of("regression", targets=2)))
    made = ensemble_of(numbers, torch.float32)
    errors = [evolve(choice, score=1 - choice.score, nll=nan) for choice in CHOICES]
    with AnytimePredictor(made, errors, FULL) as predictor:
        assert predictor.best().members == (0, 2) and predictor.best(multiply_adds=400).members == (2,)
        answers = list(predictor.improve(pictures()))
        outputs = made.eval()(pictures())
    assert [answer.members for answer in answers] == [(2,), (2, 0)]
    torch.testing.assert_close(answers[0].predictions, outputs[2])


def test_a_budget_below_the_cheapest_member_is_refused(ensemble) -> None:
    with pytest.raises(ValueError, match="the cheapest takes 1 ms and 100 multiply-adds"):
        AnytimePredictor(ensemble, CHOICES, FULL).best(multiply_adds=99)


def test_an_image_alone_is_refused(ensemble) -> None:
    with AnytimePredictor(ensemble, CHOICES, FULL) as predictor, pytest.raises(ValueError, match="a batch of one"):
        predictor.predict(pictures()[0])


def test_answers_are_the_mean_of_the_members_that_ran(ensemble) -> None:
    alone = ensemble.eval()(pictures()).softmax(-1)
    ensemble.train()
    with AnytimePredictor(ensemble, CHOICES, FULL) as predictor:
        answer = predictor.predict(pictures(), multiply_adds=500)
        assert answer.members == (2, 0) and answer.seconds > 0
        torch.testing.assert_close(answer.predictions, alone[[0, 2]].mean(0))
    assert not ensemble.is_composed and ensemble.training


def test_answers_improve_member_by_member(ensemble) -> None:
    with AnytimePredictor(ensemble, CHOICES, FULL) as predictor:
        answers = list(predictor.improve(pictures()))
    assert [answer.members for answer in answers] == [(2,), (2, 0)]  # the third would make it worse
    assert answers[0].seconds < answers[1].seconds


def test_no_member_is_begun_that_would_end_too_late(ensemble) -> None:
    slow = [SubsetChoice(c.members, 1e6 * c.milliseconds, c.multiply_adds, c.score, c.nll) for c in CHOICES]
    with AnytimePredictor(ensemble, slow, FULL) as predictor:
        (only,) = predictor.improve(pictures(), seconds=1.0)
        assert only.members == (2,)


def test_calibration_looks_at_every_subset(ensemble) -> None:
    batches = [(pictures(), torch.tensor([0, 1, 1, 0]))]
    predictor = AnytimePredictor.calibrated(ensemble, batches, FULL)
    assert len(predictor.choices) == 7
    by_members = {choice.members: choice for choice in predictor.choices}
    pair = by_members[0, 1]
    assert pair.multiply_adds == by_members[0,].multiply_adds + by_members[1,].multiply_adds
    with predictor:
        assert predictor.predict(pictures(), milliseconds=1e9).predictions.shape == (4, 2)


def test_what_it_needs_is_told(ensemble) -> None:
    with pytest.raises(ValueError, match="every single member"):
        AnytimePredictor(ensemble, CHOICES[1:], FULL)
    with pytest.raises(ValueError, match="must be entered"):
        next(AnytimePredictor(ensemble, CHOICES, FULL).improve(pictures()))
    with ensemble.composed(), pytest.raises(ValueError, match="composed weights already"):
        AnytimePredictor(ensemble, CHOICES, FULL).__enter__()


def test_exits_of_one_network_take_no_more_than_the_last_of_them(tmp_path: Path) -> None:
    member = "member m[3] = msdnet(growth: 2, channels: 4, base: 2, step: 1)"
    (tmp_path / "e.sw").write_text(f"ensemble e {{\n  data digits\n  {member}\n  budget unlimited\n}}\n", "utf-8")
    ensemble = build(compile_file(tmp_path / "e.sw").program)
    digits = torch.rand(2, 1, 8, 8)
    costs = [cost.multiply_adds for cost in member_costs(ensemble, digits, FULL, timed=False)]
    choices = [evolve(one, multiply_adds=costs[max(one.members)]) for one in CHOICES]
    choices[0] = evolve(choices[0], score=0.7)  # the first exit is the best alone, and would be asked first
    with AnytimePredictor(ensemble, choices, FULL) as predictor:
        assert predictor.best(multiply_adds=costs[2]).members == (0, 2)
        ran = multiply_adds(lambda x: predictor.predict(x, multiply_adds=costs[2]).predictions, digits)
    assert ran == len(digits) * costs[2]
