"""Interpolation between members of one architecture."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from swc.compiler.driver import compile_file

from support.programs import ensemble_of, images, tiny_program
from swc_runtime.ensemble import build
from swc_runtime.evaluate.interpolate import alike, along, mix
from swc_runtime.export import plain_member
from swc_runtime.precision import Arithmetic

FULL = Arithmetic("cpu", torch.float32, "tests")
PROGRAM = tiny_program(((1, 4, 4), (1, 4, 4), (1, 5, 5)), (("0", "1"),))


def batches():
    return [(images(6, seed, torch.float32), torch.tensor([0, 1, 1, 0, 1, 0])) for seed in range(3)]


def mixed(first, second, step):
    made = plain_member(ensemble_of(PROGRAM, torch.float32), 0)
    mix(made, first, second, step)
    return made


def test_only_members_of_one_architecture_are_alike() -> None:
    assert alike(ensemble_of(PROGRAM, torch.float32)) == ((0, 1),)


@pytest.mark.parametrize("family", ["mimo(depth: 10", "packed(depth: 10"])
def test_members_of_a_joint_network_have_no_line_between_them(family: str, tmp_path: Path) -> None:
    members = "".join(f"  member {name}[2] = {family}, width: 0.5)\n" for name in "ab")
    step = "  step joint\n" if "mimo" in family else ""
    text = f"ensemble e {{\n  data digits\n{members}{step}  budget unlimited\n}}\n"
    (tmp_path / "e.sw").write_text(text, "utf-8")
    assert alike(build(compile_file(tmp_path / "e.sw").program)) == ()


def test_the_ends_are_the_members_and_the_middle_is_their_mean() -> None:
    first, second = (plain_member(ensemble_of(PROGRAM, torch.float32), number) for number in (0, 1))
    for step, wanted in ((0.0, first), (1.0, second)):
        for found, expected in zip(mixed(first, second, step).parameters(), wanted.parameters(), strict=True):
            torch.testing.assert_close(found, expected)
    middle = mixed(first, second, 0.5)
    for found, a, b in zip(middle.parameters(), first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(found, (a + b) / 2)


def test_accuracies_are_those_of_the_mixed_modules_with_batch_statistics() -> None:
    ensemble = ensemble_of(PROGRAM, torch.float32)
    state = {name: t.clone() for name, t in ensemble.state_dict().items()}
    found = along(ensemble, (0, 1), batches(), FULL, num_points=3)
    first, second = (plain_member(ensemble, number) for number in (0, 1))
    for step, accuracy in zip((0.0, 0.5, 1.0), found, strict=True):
        module = mixed(first, second, step).train()
        hits = [(module(x).argmax(-1) == y).float().mean().item() for x, y in batches()]
        assert accuracy == pytest.approx(sum(hits) / len(hits))
    assert all(torch.equal(t, state[name]) for name, t in ensemble.state_dict().items())


def test_what_it_needs_is_told() -> None:
    ensemble = ensemble_of(PROGRAM, torch.float32)
    with pytest.raises(ValueError, match="not of one architecture"):
        along(ensemble, (0, 2), batches(), FULL)
    with pytest.raises(ValueError, match="two points"):
        along(ensemble, (0, 1), batches(), FULL, num_points=1)
