from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from swc.program.stages import scale_epochs
from swc.program.training import Optimiser, Phase, Recipe, Schedule, Training
from swc.registry.optimisers import OPTIMISERS
from swc.registry.schedules import SCHEDULES

from support.programs import ensemble_of, images, tiny_program
from swc_runtime.precision import Arithmetic
from swc_runtime.training.optimiser import make_optimiser
from swc_runtime.training.schedule import learning_rate
from swc_runtime.training.trainer import Epoch, train_epoch

ARITHMETIC = Arithmetic("cpu", torch.float64, "tests")

MAIN = Phase("main", 200)


def recipe(schedule: Schedule, lr: float = 0.1) -> Recipe:
    return Recipe("r", optimiser=Optimiser.of(lr=lr), schedule=schedule)


@pytest.mark.parametrize(
    ("epoch", "rate"), [(0, 0.1), (59, 0.1), (60, 0.02), (119, 0.02), (120, 0.004), (159, 0.004), (160, 0.0008)]
)
def test_steps_of_the_papers_recipe(epoch: int, rate: float) -> None:
    schedule = Schedule.of("steps", at=(60, 120, 160), factor=0.2)
    assert math.isclose(learning_rate(recipe(schedule), MAIN, epoch, 390, 391), rate)


def test_a_phase_with_its_own_rate_keeps_it() -> None:
    schedule = Schedule("cosine", warmup=5)
    assert learning_rate(recipe(schedule), Phase("search", 20, lr=0.05), 0, 0, 10) == 0.05
    assert learning_rate(recipe(schedule), Phase("search", 20, lr=0.05), 19, 9, 10) == 0.05


def test_warmup_rises_step_by_step_to_the_initial_rate() -> None:
    schedule = Schedule.of("steps", at=(30, 60, 80), factor=0.1, warmup=10)
    rates = [learning_rate(recipe(schedule, 1.6), MAIN, e, s, 5) for e in range(11) for s in range(5)]
    assert rates[0] == pytest.approx(1.6 / 50)
    assert all(b - a == pytest.approx(1.6 / 50) for a, b in pairwise(rates[:50]))
    assert rates[49:] == [1.6] * 6


def test_cosine_starts_high_halves_midway_and_ends_at_zero() -> None:
    cosine = recipe(Schedule("cosine"))
    assert learning_rate(cosine, MAIN, 0, 0, 10) == pytest.approx(0.1)
    assert learning_rate(cosine, MAIN, 100, 0, 10) == pytest.approx(0.05)
    assert 0 < learning_rate(cosine, MAIN, 199, 9, 10) < 1e-7


def test_cosine_after_a_warmup_falls_over_what_is_left() -> None:
    cosine = recipe(Schedule("cosine", warmup=100))
    assert learning_rate(cosine, MAIN, 100, 0, 10) == pytest.approx(0.1)
    assert learning_rate(cosine, MAIN, 150, 0, 10) == pytest.approx(0.05)


def test_a_scaled_milestone_falls_on_its_epoch_despite_rounding() -> None:
    training = Training(recipe(Schedule.of("steps", at=(100,), factor=0.1)), (Phase("main", 200),))
    scaled = scale_epochs(training, 0.07)
    assert scaled.recipe.schedule.milestones[0] > 7  # the case is a real one
    assert learning_rate(scaled.recipe, scaled.phases[0], 6, 9, 10) == pytest.approx(0.1)
    assert learning_rate(scaled.recipe, scaled.phases[0], 7, 0, 10) == pytest.approx(0.01)


def test_a_milestone_inside_an_epoch_takes_effect_at_its_step() -> None:
    half = recipe(Schedule.of("steps", at=(1.5,), factor=0.1))
    assert [learning_rate(half, MAIN, 1, step, 4) for step in range(4)] == pytest.approx([0.1, 0.1, 0.01, 0.01])


def test_a_step_outside_the_epoch_is_refused() -> None:
    with pytest.raises(ValueError, match="step 4"):
        learning_rate(recipe(Schedule()), MAIN, 0, 4, 4)


@given(
    st.sampled_from(["constant", "steps", "cosine"]),
    st.floats(0, 30),
    st.integers(1, 60),
    st.integers(1, 20),
    st.data(),
)
def test_rates_stay_between_zero_and_the_initial_rate(
    kind: str, warmup: float, epochs: int, steps: int, data: st.DataObject
) -> None:
    values = {"at": (3.0, 7.5), "factor": 0.2} if kind == "steps" else {}
    schedule = Schedule.of(kind, warmup, **values)
    epoch, step = data.draw(st.integers(0, epochs - 1)), data.draw(st.integers(0, steps - 1))
    assert 0 <= learning_rate(recipe(schedule), Phase("p", epochs), epoch, step, steps) <= 0.1


SCHEDULED = [Schedule.of("constant"), Schedule.of("cosine", warmup=1), Schedule.of("steps", at=(4,))]


@pytest.mark.parametrize("schedule", SCHEDULED)
@pytest.mark.parametrize("optimiser", [Optimiser.of("sgd", lr=0.05), Optimiser.of("adamw", lr=0.02)])
def test_every_optimiser_trains_with_every_schedule(optimiser: Optimiser, schedule: Schedule) -> None:
    ensemble = ensemble_of(tiny_program([(1, 4, 4, 6)])).double()
    settled = Recipe("r", batch=8, optimiser=optimiser, schedule=schedule)
    made, phase = make_optimiser(ensemble, settled), Phase("p", 6)
    batch = (images(8, 1, torch.float64), torch.tensor([0, 1] * 4))
    found = [
        train_epoch(ensemble, made, [batch] * 5, settled, Epoch(phase, epoch, 5), ARITHMETIC).loss for epoch in range(6)
    ]
    assert found[-1] < 0.9 * found[0]
    assert made.param_groups[0]["lr"] == learning_rate(settled, phase, 5, 4, 5)


def test_every_schedule_is_tried() -> None:
    assert set(SCHEDULES.names) == {schedule.name for schedule in SCHEDULED}
    assert set(OPTIMISERS.names) == {"sgd", "adamw"}
