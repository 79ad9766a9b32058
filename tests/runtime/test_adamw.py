"""AdamW: its formula, its decay by role, and both of its moments across checkpoints and recompiles."""

from __future__ import annotations

import pytest
import torch
from swc.program.training import Optimiser, Recipe
from torch import Tensor

from support.programs import by_slot, ensemble_of, images, tiny_program
from swc_runtime.carry.transfer import carry_weights, untie
from swc_runtime.ensemble import Ensemble, state_parameters
from swc_runtime.training.optimiser import make_optimiser, roles_of, set_learning_rate
from swc_runtime.training.optimiser_state import OptimiserState, load_optimiser_state, optimiser_state

LR, BETAS, EPS, DECAY = 0.01, (0.8, 0.9), 1e-6, 0.1
SETTINGS = Optimiser.of("adamw", ("coefficients", "norms"), lr=LR, betas=BETAS, eps=EPS, weight_decay=DECAY)
RECIPE = Recipe("r", optimiser=SETTINGS)
MOMENTS = ("first_moment", "second_moment")


def step(ensemble: Ensemble, optimiser: torch.optim.Optimizer, seed: int) -> None:
    optimiser.zero_grad()
    dtype = next(ensemble.parameters()).dtype
    ensemble(images(seed=seed, dtype=dtype)).square().sum().backward()
    optimiser.step()


def trained(ensemble: Ensemble, steps: int = 3) -> torch.optim.Optimizer:
    optimiser = make_optimiser(ensemble, RECIPE)
    for seed in range(steps):
        step(ensemble, optimiser, seed)
    return optimiser


def naive(value: Tensor, gradient: Tensor, moments: tuple[Tensor, Tensor], count: int, decay: float) -> Tensor:
    """A parameter after step number `count` (from 1), by the formulas of Loshchilov and Hutter, algorithm 2."""
    first = BETAS[0] * moments[0] + (1 - BETAS[0]) * gradient
    second = BETAS[1] * moments[1] + (1 - BETAS[1]) * gradient**2
    corrected = first / (1 - BETAS[0] ** count), second / (1 - BETAS[1] ** count)
    return value - LR * (corrected[0] / (corrected[1].sqrt() + EPS) + decay * value)


def decays(ensemble: Ensemble) -> dict[str, float]:
    return {name: 0.0 if role in SETTINGS.no_decay else DECAY for name, role in roles_of(ensemble).items()}


def check_next_step(ensemble: Ensemble, optimiser: torch.optim.Optimizer, state: OptimiserState, count: int) -> None:
    """The next step of every parameter is the formula's, from the moments of `state`."""
    before = {name: p.detach().clone() for name, p in state_parameters(ensemble).items()}
    moments = {name: tuple(state.tensors[m][name].clone() for m in MOMENTS) for name in before}
    step(ensemble, optimiser, 9)
    for name, parameter in state_parameters(ensemble).items():
        assert parameter.grad is not None
        wanted = naive(before[name], parameter.grad, moments[name], count, decays(ensemble)[name])  # type: ignore[arg-type]
        torch.testing.assert_close(parameter.detach(), wanted, rtol=1e-10, atol=1e-12)


def test_steps_match_the_formula_and_decay_goes_by_role() -> None:
    ensemble = ensemble_of(tiny_program())
    optimiser = trained(ensemble)
    assert set(decays(ensemble).values()) == {0.0, DECAY}
    check_next_step(ensemble, optimiser, optimiser_state(ensemble, optimiser, RECIPE), 4)


def test_decay_is_apart_from_the_gradient() -> None:
    """Without a gradient the moments stay zero and the decayed parameters shrink by lr x decay alone."""
    ensemble = ensemble_of(tiny_program())
    optimiser = make_optimiser(ensemble, RECIPE)
    before = {name: p.detach().clone() for name, p in state_parameters(ensemble).items()}
    for parameter in ensemble.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    for name, parameter in state_parameters(ensemble).items():
        shrunk = before[name] * (1 - LR * decays(ensemble)[name])
        torch.testing.assert_close(parameter.detach(), shrunk, rtol=1e-14, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_named_state_goes_on_to_the_same_bits(dtype: torch.dtype) -> None:
    first, second = ensemble_of(tiny_program(), dtype), ensemble_of(tiny_program(), dtype)
    optimiser = trained(first)
    second.load_state_dict(first.state_dict())
    named = {name: tensor.clone() for name, tensor in optimiser_state(first, optimiser, RECIPE).named().items()}
    assert {name.partition("/")[0] for name in named} == {*MOMENTS, "steps"}
    resumed = make_optimiser(second, RECIPE)
    load_optimiser_state(second, resumed, OptimiserState.of_named(SETTINGS.state, {**named, "state/x": torch.ones(1)}))
    for one, own in ((first, optimiser), (second, resumed)):
        set_learning_rate(own, 0.02)
        step(one, own, 7)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_parameter_has_all_of_its_state_or_none() -> None:
    ensemble = ensemble_of(tiny_program())
    named = optimiser_state(ensemble, trained(ensemble), RECIPE).named()
    del named["second_moment/member/m[0]/head.bias"]
    with pytest.raises(ValueError, match=r"does not fit the program: `member/m\[0\]/head.bias`"):
        load_optimiser_state(ensemble, make_optimiser(ensemble, RECIPE), OptimiserState.of_named(SETTINGS.state, named))


def test_untied_vectors_go_on_from_copies_of_both_moments() -> None:
    """Outputs stay to the bit, and the next step of each untied vector is a vector's own, from the tied one's state."""
    tied = tiny_program(tie=True)
    ensemble = ensemble_of(tied)
    before = optimiser_state(ensemble, trained(ensemble), RECIPE)
    after, state = untie(ensemble, before, by_slot(tied))
    assert torch.equal(after(images()), ensemble(images()))
    table = "coefficient/" + tied.banks[0].id
    for moment in MOMENTS:
        rows, copied = before.tensors[moment][table], state.tensors[moment][table]
        assert len(rows) == 1 < len(copied) and torch.equal(copied, rows.expand_as(copied)) and rows.any()
    optimiser = make_optimiser(after, RECIPE)
    load_optimiser_state(after, optimiser, state)
    check_next_step(after, optimiser, state, 4)
    gradient = state_parameters(after)[table].grad
    assert gradient is not None and not torch.equal(gradient[0], gradient[1])  # each has its own from here on


def test_untying_leaves_the_old_state_alone() -> None:
    tied = tiny_program(tie=True)
    ensemble = ensemble_of(tied)
    before = optimiser_state(ensemble, trained(ensemble), RECIPE)
    kept = {name: tensor.clone() for name, tensor in before.named().items()}
    _, state = untie(ensemble, before, by_slot(tied))
    for tensor in state.named().values():
        tensor.add_(1)
    assert all(torch.equal(kept[name], tensor) for name, tensor in before.named().items())


def test_what_is_fitted_begins_afresh_and_what_stays_keeps_its_state() -> None:
    ensemble = ensemble_of(tiny_program(tie=True))
    optimiser = trained(ensemble)
    before = optimiser_state(ensemble, optimiser, RECIPE)
    new = tiny_program(clusters=(("0",), ("1",), ("2",)), num_templates=9)
    carried = carry_weights(ensemble, before, new)
    own = {name for name in state_parameters(carried.ensemble) if name.startswith("member/")}
    for row in SETTINGS.state:
        kept = carried.state.of(row)
        assert kept.keys() == own
        assert all(torch.equal(kept[name], before.of(row)[name]) for name in own)
    resumed = make_optimiser(carried.ensemble, RECIPE)
    load_optimiser_state(carried.ensemble, resumed, carried.state)
    step(carried.ensemble, resumed, 5)
    counts = optimiser_state(carried.ensemble, resumed, RECIPE).tensors["steps"]
    assert {float(counts[name]) for name in own} == {4.0}
    assert {float(counts[name]) for name in counts.keys() - own} == {1.0}
