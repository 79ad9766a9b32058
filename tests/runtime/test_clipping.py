"""Gradients of a step scaled down to a norm, against torch's own."""

from __future__ import annotations

import torch
from attrs import evolve
from swc.program.training import Optimiser, Phase, Recipe
from torch import nn

from support.programs import ensemble_of, images, tiny_program
from swc_runtime.ensemble import Ensemble, state_parameters
from swc_runtime.precision import Arithmetic
from swc_runtime.training.optimiser import make_optimiser, updated_parameters
from swc_runtime.training.steps import STEPS, Batch, StepOptions
from swc_runtime.training.trainer import Epoch, EpochResult, Tally, train_epoch

DOUBLE = Arithmetic("cpu", torch.float64, "tests")
MEMBERS = [(1, 4, 4, 6), (1, 6, 6, 7)]
RECIPE = Recipe("tests", batch=4, optimiser=Optimiser.of("sgd", lr=1.0, momentum=0.0, nesterov=False, weight_decay=0.0))
LABELS = torch.tensor([0, 1, 1, 0])


def fresh(*frozen: str) -> Ensemble:
    return ensemble_of(evolve(tiny_program(MEMBERS), frozen=frozen)).double()


def trained(ensemble: Ensemble, most: float | None, steps: int = 1) -> EpochResult:
    recipe = evolve(RECIPE, clip_gradients=most)
    drawn = [(images(4, 0, torch.float64), LABELS)] * steps
    return train_epoch(
        ensemble, make_optimiser(ensemble, recipe), drawn, recipe, Epoch(Phase("p", 1), 0, steps), DOUBLE
    )


def gradients(ensemble: Ensemble) -> None:
    STEPS["independent"](ensemble, Batch(images(4, 0, torch.float64), LABELS), StepOptions(DOUBLE))


def moved(before: Ensemble, after: Ensemble) -> float:
    """The norm of what a step with rate 1 has changed, which is that of the gradients."""
    pairs = zip(state_parameters(before).values(), state_parameters(after).values(), strict=True)
    return float(torch.stack([(old - new).detach().norm() for old, new in pairs]).norm())


def test_a_step_is_that_of_torchs_clipped_gradients() -> None:
    ensemble, expected = fresh(), fresh()
    gradients(expected)
    norm = float(nn.utils.clip_grad_norm_(expected.parameters(), 0.25))
    assert norm > 0.25
    result = trained(ensemble, 0.25)
    assert abs(moved(fresh(), ensemble) - 0.25) < 1e-6  # torch divides by the norm + 1e-6
    for name, parameter in state_parameters(expected).items():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(state_parameters(ensemble)[name], parameter - gradient)
    assert result.clipped == 1.0


def test_small_gradients_stay_as_they_are() -> None:
    ensemble, expected = fresh(), fresh()
    assert trained(ensemble, 1e6).clipped == 0.0
    assert trained(expected, None).clipped is None
    pairs = zip(state_parameters(ensemble).values(), state_parameters(expected).values(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_frozen_parameters_do_not_count() -> None:
    ensemble = fresh("templates")
    assert len(updated_parameters(ensemble)) == len(list(ensemble.parameters())) - len(ensemble.banks)
    trained(ensemble, 0.25)
    assert abs(moved(fresh(), ensemble) - 0.25) < 1e-6


def test_the_count_is_kept_over_a_checkpoint_inside_an_epoch() -> None:
    tally = Tally.empty(2)
    assert "tally/clips" not in tally.state()
    for norm in (3.0, 1.0, 4.0):
        tally.images += 1
        tally.add_clipping(torch.tensor(norm), 2.0)
    back = Tally.of_state(tally.state())
    assert back.result().clipped == tally.result().clipped == 2 / 3


def test_the_time_is_that_of_the_whole_epoch() -> None:
    tally = Tally.empty(2)
    tally.images, tally.times = 1, (12.5, 0.25)
    back = Tally.of_state(tally.state())
    assert (back.result().seconds, back.result().waited) == (12.5, 0.25)
    earlier = {name: value for name, value in tally.state().items() if name != "tally/times"}
    assert Tally.of_state(earlier).times == (0.0, 0.0)
