from __future__ import annotations

import pytest
import torch
from attrs import evolve
from swc.compiler.driver import compile_spec
from swc.compiler.frontend import read_members
from swc.diagnostics import Sink
from swc.language.semantics.check import check_text
from swc.program.layer_table import is_bias
from swc.program.training import Optimiser, Recipe
from torch import nn

from support.programs import ensemble_of, images, tiny_program
from support.states import moving
from swc_runtime.ensemble import Ensemble, build, state_parameters
from swc_runtime.training.optimiser import make_optimiser, roles_of, set_learning_rate
from swc_runtime.training.optimiser_state import load_optimiser_state, optimiser_state

PROGRAM = tiny_program(((1, 3, 3), (1, 4, 4)), (("0",), ("1",)))


def recipe(*no_decay: str, momentum: float = 0.0, nesterov: bool = False) -> Recipe:
    settings = Optimiser.of(lr=0.5, momentum=momentum, nesterov=nesterov, weight_decay=0.01, no_decay=no_decay)
    return Recipe("r", optimiser=settings)


def zero_gradients(ensemble: Ensemble) -> None:
    for parameter in ensemble.parameters():
        parameter.grad = torch.zeros_like(parameter)


@pytest.mark.parametrize("no_decay", [(), ("coefficients",), ("biases", "coefficients", "norms")])
def test_with_zero_gradients_exactly_the_decayed_parameters_shrink(no_decay: tuple[str, ...]) -> None:
    ensemble = ensemble_of(PROGRAM)
    optimiser = make_optimiser(ensemble, recipe(*no_decay))
    before = {name: p.detach().clone() for name, p in state_parameters(ensemble).items()}
    zero_gradients(ensemble)
    optimiser.step()
    roles = roles_of(ensemble)
    for name, parameter in state_parameters(ensemble).items():
        factor = 1.0 if roles[name] in no_decay else 1 - 0.5 * 0.01
        torch.testing.assert_close(parameter.detach(), before[name] * factor, rtol=1e-14, atol=0)


def test_every_parameter_has_a_role_and_stands_in_one_group() -> None:
    ensemble = ensemble_of(PROGRAM)
    roles = roles_of(ensemble)
    assert {roles[name] for name in roles if name.startswith("bank/")} == {"templates"}
    assert {roles[name] for name in roles if name.startswith("coefficient/")} == {"coefficients"}
    assert roles["member/m[0]/norms.0.weight"] == roles["member/m[0]/norms.0.bias"] == "norms"
    assert roles["member/m[1]/head.bias"] == "biases"
    assert roles["member/m[1]/head.weight"] == "weights"
    grouped = [id(p) for group in make_optimiser(ensemble, recipe("norms")).param_groups for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in ensemble.parameters())


def test_biases_of_any_name_are_biases() -> None:
    text = """
    ensemble e {
      data digits
      member a = vit(patch: 2, depth: 1, width: 8, heads: 2)
      budget unlimited
      share linear as none
    }
    """
    spec = check_text(text, "e.sw")
    roles = roles_of(build(compile_spec(spec, read_members(spec, Sink())).program))
    assert {role for name, role in roles.items() if name.endswith("bias") and role != "norms"} == {"biases"}
    assert any(name.endswith("attention.in_proj_bias") for name in roles)
    recurrent = [name for name, _ in nn.LSTM(2, 3, proj_size=2).named_parameters()]
    assert [name for name in recurrent if is_bias(name)] == ["bias_ih_l0", "bias_hh_l0"]
    assert is_bias("bias_k") and not is_bias("weight") and not is_bias("in_proj_weight")


def step(ensemble: Ensemble, optimiser: torch.optim.Optimizer, seed: int) -> None:
    optimiser.zero_grad()
    ensemble(images(seed=seed)).square().sum().backward()
    optimiser.step()


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_by_id_goes_on_to_the_same_bits(nesterov: bool) -> None:
    chosen = recipe("coefficients", momentum=0.9, nesterov=nesterov)
    first = ensemble_of(PROGRAM)
    optimiser = make_optimiser(first, chosen)
    set_learning_rate(optimiser, 1e-3)
    step(first, optimiser, 0)

    second = ensemble_of(PROGRAM)
    second.load_state_dict(first.state_dict())
    resumed = make_optimiser(second, chosen)
    set_learning_rate(resumed, 1e-3)
    load_optimiser_state(second, resumed, optimiser_state(first, optimiser, chosen))

    step(first, optimiser, 1)
    step(second, resumed, 1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_no_momentum_is_the_same_as_zeros() -> None:
    chosen = recipe(momentum=0.9, nesterov=True)
    ensembles = ensemble_of(PROGRAM), ensemble_of(PROGRAM)
    optimisers = [make_optimiser(ensemble, chosen) for ensemble in ensembles]
    zeros = {name: torch.zeros_like(p) for name, p in state_parameters(ensembles[1]).items()}
    load_optimiser_state(ensembles[1], optimisers[1], moving(zeros))
    for ensemble, optimiser in zip(ensembles, optimisers, strict=True):
        step(ensemble, optimiser, 0)
    assert all(torch.equal(a, b) for a, b in zip(*(e.parameters() for e in ensembles), strict=True))


def test_before_the_first_step_there_is_no_momentum() -> None:
    ensemble = ensemble_of(PROGRAM)
    chosen = recipe(momentum=0.9)
    assert optimiser_state(ensemble, make_optimiser(ensemble, chosen), chosen).named() == {}


def test_momentum_that_does_not_fit_is_refused() -> None:
    ensemble = ensemble_of(PROGRAM)
    optimiser = make_optimiser(ensemble, recipe(momentum=0.9))
    with pytest.raises(ValueError, match="bank/nowhere"):
        load_optimiser_state(ensemble, optimiser, moving({"bank/nowhere": torch.zeros(1)}))
    with pytest.raises(ValueError, match=r"head\.bias"):
        load_optimiser_state(ensemble, optimiser, moving({"member/m[0]/head.bias": torch.zeros(7)}))


def test_the_step_matches_the_formula_of_sgd() -> None:
    ensemble = ensemble_of(PROGRAM)
    chosen = evolve(recipe("coefficients", momentum=0.9, nesterov=True))
    optimiser = make_optimiser(ensemble, chosen)
    p = state_parameters(ensemble)["member/m[0]/head.weight"]
    value, velocity = p.detach().clone(), torch.zeros_like(p)
    for seed in range(3):
        zero_gradients(ensemble)
        p.grad = images(1, seed).flatten()[: p.numel()].reshape(p.shape).clone()
        gradient = p.grad + 0.01 * value
        velocity = 0.9 * velocity + gradient
        value = value - 0.5 * (gradient + 0.9 * velocity)
        optimiser.step()
    torch.testing.assert_close(p.detach(), value, rtol=1e-12, atol=1e-14)
