"""Shapeshifter networks as they run: weights against a loop over scalars, and what a training step changes."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from attrs import evolve
from swc.compiler.driver import compile_file
from swc.program.expressions import Mix, Resize, Stored, num_scalars, tensors_of
from swc.program.program import Program, TensorPlan

from support.states import moving
from swc_runtime.carry.transfer import carry_weights
from swc_runtime.ensemble import Ensemble, build, state_parameters
from swc_runtime.training.optimiser_state import NO_STATE
from swc_runtime.weights.expressions.evaluate import evaluate
from swc_runtime.weights.init import initial_tensor

SPEC = """
ensemble shifted {{
  data digits
  member deep = wrn(depth: 16, width: 0.25)
  member m[2] = wrn(depth: 10, width: 0.25)
  budget {budget}
  share conv as shapeshifter(upsample: "{mode}") {{ clusters by depth in 3 bins }}
}}
"""
MODES = ["bilinear", "repeat", "mask", "average"]


def program_of(folder: Path, budget: str = "50% of native", mode: str = "bilinear") -> Program:
    path = folder / "spec.sw"
    path.write_text(SPEC.format(budget=budget, mode=mode), encoding="utf-8")
    return compile_file(path).program


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return program_of(tmp_path_factory.mktemp("half"))


@pytest.fixture(scope="module")
def ensemble(program: Program) -> Ensemble:
    return build(program).double()


def stored_of(ensemble: Ensemble) -> dict[str, torch.Tensor]:
    plans = zip(ensemble.program.tensors, ensemble.tensors, strict=True)
    return {plan.id: tensor.detach() for plan, tensor in plans}


def looped(mix: Mix, stored: dict[str, torch.Tensor]) -> torch.Tensor:
    """Scalar by scalar."""
    bank, by = stored[tensors_of(mix.of)[0]].tolist(), stored[mix.by].tolist()
    size = num_scalars(mix.shape)
    made = [
        sum(by[k] * bank[(mix.start + k * size + place) % len(bank)] for k in range(len(by))) for place in range(size)
    ]
    return torch.tensor(made, dtype=torch.float64).view(mix.shape)


def test_weights_are_what_a_loop_over_scalars_makes(program: Program, ensemble: Ensemble) -> None:
    stored = stored_of(ensemble)
    wraps = 0
    for plan, weight in zip(program.weights, ensemble.compose(), strict=True):
        mix = plan.expression
        if isinstance(mix, Mix) and plan.member == "deep":
            torch.testing.assert_close(weight.detach(), looped(mix, stored))
            bank = len(stored[tensors_of(mix.of)[0]])
            wraps += mix.start + len(stored[mix.by]) * num_scalars(mix.shape) > bank
    assert wraps, "no layer reads round the end of its bank"


@pytest.mark.parametrize("mode", MODES)
def test_a_small_bank_is_grown_to_the_layer(mode: str) -> None:
    """Of a bank of five scalars a layer of 4x4 reads four, as 2x2; repeated, all of them."""
    bank, one = torch.arange(5.0) + 1, torch.tensor([2.0])
    read = (5,) if mode == "repeat" else (2, 2)
    made = evaluate(Resize(Mix(Stored("b", (5,)), "c", 0, read), (4, 4), mode), {}, {"b": bank, "c": one})
    expected = {
        "bilinear": [[2, 2.5, 3.5, 4], [3, 3.5, 4.5, 5], [5, 5.5, 6.5, 7], [6, 6.5, 7.5, 8]],
        "repeat": [[2, 4, 6, 8], [10, 2, 4, 6], [8, 10, 2, 4], [6, 8, 10, 2]],
        "mask": [[2, 4, 0, 0], [6, 8, 0, 0], [0] * 4, [0] * 4],
        "average": [[2, 2, 4, 4], [2, 2, 4, 4], [6, 6, 8, 8], [6, 6, 8, 8]],
    }
    assert made.tolist() == expected[mode]


@pytest.mark.parametrize("mode", MODES)
def test_members_run_on_a_bank_smaller_than_their_layers(mode: str, tmp_path: Path) -> None:
    small = program_of(tmp_path, "200 templates", mode)
    assert any(isinstance(weight.expression, Resize) for weight in small.weights)
    logits = build(small)(torch.rand(2, 1, 8, 8))
    assert logits.shape == (3, 2, 10) and logits.isfinite().all()


def test_two_steps_change_banks_and_coefficients_as_autograd_says(program: Program, ensemble: Ensemble) -> None:
    ours, theirs = copy.deepcopy(ensemble), copy.deepcopy(ensemble)
    images, labels = torch.rand(4, 1, 8, 8, dtype=torch.float64), torch.tensor([0, 1, 2, 3])
    optimisers = [torch.optim.SGD(one.parameters(), lr=0.1) for one in (ours, theirs)]
    for _ in range(2):
        for optimiser in optimisers:
            optimiser.zero_grad()
        sum(F.cross_entropy(logits, labels) for logits in theirs(images)).backward()
        ours.begin_step()
        for member in ours.members:
            F.cross_entropy(member(images), labels).backward()
        ours.end_step()
        for optimiser in optimisers:
            optimiser.step()
    before, expected = state_parameters(ensemble), state_parameters(theirs)
    for name, parameter in state_parameters(ours).items():
        torch.testing.assert_close(parameter, expected[name])
        assert not torch.equal(parameter, before[name]), name


def test_coefficients_begin_as_directions_of_their_own() -> None:
    first, other = (initial_tensor(TensorPlan(name, (8,), 1, "direction", "coefficients"), 0) for name in "ab")
    torch.testing.assert_close(first.norm(), torch.tensor(1.0))
    assert not torch.equal(first, other)
    assert initial_tensor(TensorPlan("a", (1,), 1, "direction"), 0).abs().item() == 1


def test_banks_and_coefficients_are_carried_as_they_are(program: Program, ensemble: Ensemble) -> None:
    """With their velocities, where another block's sharing changed and theirs did not."""
    velocities = {
        f"tensor/{plan.id}": torch.full(plan.shape, float(n), dtype=torch.float64)
        for n, plan in enumerate(program.tensors)
    }
    carried = carry_weights(ensemble, moving(velocities), evolve(program, revision=1))
    assert all(torch.equal(a, b) for a, b in zip(carried.ensemble.tensors, ensemble.tensors, strict=True))
    assert all(torch.equal(carried.state.tensors["momentum"][name], v) for name, v in velocities.items())
    first, *others = program.weights
    changed = evolve(first, expression=Resize(first.expression, first.shape, "mask"))
    with pytest.raises(ValueError, match="cannot be carried"):
        carry_weights(ensemble, NO_STATE, evolve(program, weights=(changed, *others)))
