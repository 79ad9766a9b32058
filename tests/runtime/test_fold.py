"""Given weights folded into banks and stored tensors: whole where they fit, as close as may be where they do not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from swc.compiler.driver import compile_file
from torch import Tensor

from swc_runtime.carry.fold import KeptEnergy, fold
from swc_runtime.ensemble import Ensemble, build, state_parameters
from swc_runtime.members.build import initial_member

SPEC = """
ensemble e {{
  data digits
  member a = wrn(depth: 10, width: 0.25)
  member b = wrn(depth: 10, width: {width})
  budget {budget}
  {shares}
}}
"""
IMAGES = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
State = dict[str, Tensor]


def ensemble_of(folder: Path, shares: str, budget: str = "unlimited", width: float = 0.25) -> Ensemble:
    path = folder / "e.sw"
    path.write_text(SPEC.format(shares=shares, budget=budget, width=width), "utf-8")
    return build(compile_file(path).program).eval()


def states_of(ensemble: Ensemble) -> dict[str, State]:
    """Weights of other networks than those that the ensemble begins with."""
    members = ensemble.program.members
    return {plan.name: initial_member(ensemble.program, plan, 7).state_dict() for plan in members}


def answers(ensemble: Ensemble, given: dict[str, State]) -> list[Tensor]:
    """What networks of the given weights say themselves."""
    found = []
    for plan in ensemble.program.members:
        module = initial_member(ensemble.program, plan, 0).eval()
        module.load_state_dict(given[plan.name])
        found.append(module(IMAGES).detach())
    return found


def shares_of(kept: tuple[KeptEnergy, ...]) -> list[float]:
    return [one.share for one in kept]


@pytest.mark.parametrize(
    ("shares", "width"),
    [
        ("share conv { coefficients by slot }", 0.25),
        ("share conv { coefficients by slot initialisation gains }", 0.5),
        ('share "*.block1.*" as low_rank(rank: 4)', 0.25),
        ("share conv as none", 0.5),
    ],
)
def test_where_there_is_room_networks_answer_as_they_did(tmp_path: Path, shares: str, width: float) -> None:
    ensemble = ensemble_of(tmp_path, shares, width=width)
    given = states_of(ensemble)
    kept = fold(ensemble, given)
    assert shares_of(kept) == pytest.approx([1.0] * len(kept), abs=1e-6)
    assert len(kept) == len(ensemble.program.weights)
    with torch.no_grad():
        for found, expected in zip(ensemble(IMAGES), answers(ensemble, given), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_a_smaller_budget_keeps_what_its_templates_can(tmp_path: Path) -> None:
    """Of one bank the best there is: the first singular directions of what its slots want."""
    ensemble = ensemble_of(tmp_path, 'share "*.block3.0.conv2" { clusters one coefficients by slot }', "50% of native")
    given = states_of(ensemble)
    kept = fold(ensemble, given)
    rows = torch.stack([given[name]["block3.0.conv2.weight"].double().flatten() for name in ("a", "b")])
    values = torch.linalg.svdvals(rows).square()
    found = sum(one.share * one.energy for one in kept)
    assert len(ensemble.banks[0]) == 1
    assert found == pytest.approx(float(values[0]), rel=1e-5)
    assert sum(one.energy for one in kept) == pytest.approx(float(values.sum()), rel=1e-5)


def test_a_difference_of_low_rank_is_the_closest_one(tmp_path: Path) -> None:
    ensemble = ensemble_of(tmp_path, 'share "*.block3.0.conv2" as low_rank(rank: 2, alpha: 3)')
    given = states_of(ensemble)
    kept = fold(ensemble, given)
    first, second = (given[name]["block3.0.conv2.weight"].double() for name in ("a", "b"))
    values = torch.linalg.svdvals(((first - second) / 2).flatten(1)).square()
    lost = [one.energy * (1 - one.share) for one in kept]
    assert lost == pytest.approx([float(values[2:].sum())] * 2, rel=1e-4)


@pytest.mark.parametrize("policy", ["hard", "low_rank(rank: 2)", "rank_one", "slices"])
def test_alike_networks_are_kept_whole_by_every_policy(tmp_path: Path, policy: str) -> None:
    ensemble = ensemble_of(tmp_path, f'share "*.block*" as {policy}')
    one = states_of(ensemble)["a"]
    kept = fold(ensemble, {"a": one, "b": one})
    assert shares_of(kept) == pytest.approx([1.0] * len(kept), abs=1e-6)
    parameters = state_parameters(ensemble)
    columns = [tensor for name, tensor in parameters.items() if name.endswith("/columns")]
    assert all(tensor.any() for tensor in columns)  # a member that begins with the common weight can part from it


def test_rank_one_modulations_of_one_weight_are_found(tmp_path: Path) -> None:
    ensemble = ensemble_of(tmp_path, 'share "*.block3.0.conv2" as rank_one')
    given = states_of(ensemble)
    weight = given["a"]["block3.0.conv2.weight"]
    outputs, inputs = torch.linspace(0.5, 2, 16).view(-1, 1, 1, 1), torch.linspace(-1, 1, 16).view(1, -1, 1, 1)
    given["b"]["block3.0.conv2.weight"] = weight * outputs * inputs
    assert shares_of(fold(ensemble, given)) == pytest.approx([1.0, 1.0], abs=1e-4)


def test_a_member_without_given_weights_begins_as_it_would(tmp_path: Path) -> None:
    ensemble = ensemble_of(tmp_path, "share conv { coefficients by slot }")
    before = {name: p.detach().clone() for name, p in state_parameters(ensemble).items()}
    kept = fold(ensemble, {"a": states_of(ensemble)["a"]})
    assert {one.layer.partition(".")[0] for one in kept} == {"a"}
    assert shares_of(kept) == pytest.approx([1.0] * len(kept), abs=1e-6)
    now = state_parameters(ensemble)
    assert all(torch.equal(now[name], before[name]) for name in now if name.startswith("member/b/"))
    for plan in ensemble.plan.banks:
        own = [n for n, name in enumerate(plan.coefficients) if name.startswith("b.")]
        name = f"coefficient/{plan.id}"
        assert own
        assert torch.equal(now[name][own], before[name][own])


def test_what_begins_alike_begins_as_the_first_member_does_with_its_given_weights(tmp_path: Path) -> None:
    shares = "share norms as none(start: alike) share heads as none(start: alike)"
    for names in ("a", "ab"):
        ensemble = ensemble_of(tmp_path, shares)
        given = {name: states_of(ensemble)[name] for name in names}
        given = {name: {path: t + ord(name) for path, t in state.items()} for name, state in given.items()}
        fold(ensemble, given)
        first, second = (dict(member.named_parameters()) for member in ensemble.members)
        alike = [one.path for one in ensemble.program.private if one.like]
        assert {"fc.weight", "bn.weight"} <= {*alike}
        for path in alike:
            assert torch.equal(first[path], given["a"][path])
            # a member that is given weights of its own keeps them
            assert torch.equal(second[path], given["a" if names == "a" else "b"][path])


def test_every_process_says_the_same_of_all_members(tmp_path: Path) -> None:
    ensemble = ensemble_of(tmp_path, "share conv { coefficients by slot }", "50% of native")
    given = states_of(ensemble)
    whole = fold(ensemble, given)
    assert {one.layer[0] for one in whole if one.share < 0.99} == {"a", "b"}
    for own in ((0,), (1,)):
        part = build(ensemble.program, own=own)
        assert fold(part, given) == whole
        assert {weight.member for weight in part.weights} == {"ab"[own[0]]}


def test_what_is_mixed_or_resized_is_refused(tmp_path: Path) -> None:
    ensemble = ensemble_of(tmp_path, "share conv as shapeshifter { clusters one }", "50% of native")
    with pytest.raises(ValueError, match="mixed or resized"):
        fold(ensemble, states_of(ensemble))
