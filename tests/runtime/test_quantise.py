"""Weights stored in few bits, against a plain computation scalar by scalar; every policy and joint family."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from swc.compiler.driver import compile_file
from swc.files.evaluation import Storage

from support.examples import percent
from support.programs import ensemble_of, hard_program, images, tiny_program
from swc_runtime.ensemble import Ensemble, build, state_parameters, state_tensors
from swc_runtime.evaluate.cost import stored_shapes
from swc_runtime.evaluate.predict import ask
from swc_runtime.evaluate.quantise import BITS, GROUP, bytes_of, quantise, rounded, rounded_ids, stored_bytes
from swc_runtime.precision import Arithmetic

FULL = Arithmetic("cpu", torch.float32, "tests")
SPECS = Path(__file__).parents[2] / "specs/baselines/on_digits.sw"
SYSTEMS = ("deep_ensemble", "hard", "batch_ensemble", "mimo", "packed", "slimmable", "shapeshifter", "superweights")


def plainly_rounded(weight: np.ndarray, bits: int) -> tuple[np.ndarray, int]:
    """What a weight becomes, row by row and group by group, and the bytes that it takes."""
    most, num_scales = {8: 127, 4: 7}[bits], 0
    rows = weight.reshape(len(weight), -1) if weight.ndim > 1 else weight.reshape(1, -1)
    made = np.zeros_like(rows)
    for r, row in enumerate(rows):
        for start in range(0, len(row), 64):
            group = row[start : start + 64]
            scale = torch.tensor(np.abs(group).max() / most).bfloat16().to(torch.tensor(group).dtype).item()
            codes = np.clip(np.round(group / np.array(scale or 1, group.dtype)), -most, most)
            made[r, start : start + 64] = codes * np.array(scale, group.dtype)
            num_scales += 1
    return made.reshape(weight.shape), ceil(weight.size * bits / 8) + 2 * num_scales


@percent(30)
@given(
    st.sampled_from([(3,), (64,), (65,), (200,), (5, 7), (2, 64), (4, 3, 3, 3), (3, 16, 3, 3)]),
    st.sampled_from([8, 4]),
    st.sampled_from([1e-20, 1e-3, 1.0, 1e4]),
    st.integers(0, 10_000),
)
def test_rounding_and_bytes_are_those_of_the_plain_computation(shape, bits: int, size: float, seed: int) -> None:
    weight = size * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    wanted, num_bytes = plainly_rounded(weight.numpy(), bits)
    assert np.array_equal(rounded(weight, bits).numpy(), wanted)
    assert bytes_of(shape, bits) == num_bytes


@pytest.mark.parametrize("bits", [8, 4])
def test_no_scalar_moves_by_more_than_a_step_and_zeros_stay(bits: int) -> None:
    weight = torch.randn(6, 200, generator=torch.Generator().manual_seed(1)).double()
    weight[2] = 0
    weight[3] *= 1e-30  # a dead channel, whose scale half precision would lose
    made = rounded(weight, bits)
    steps = weight.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    assert ((made - weight).abs() <= steps * (1 + 2**-7)).all()
    assert not made[2].any() and made[3].any()
    assert rounded(weight, 8).sub(weight).norm() < 0.01 * weight.norm()
    assert 0.05 < rounded(weight, 4).sub(weight).norm() / weight.norm() < 0.15  # at 3 sigma / 7 a step: 12%


def test_layouts_do_not_matter() -> None:
    weight = torch.randn(8, 16, 3, 3)
    laid = weight.contiguous(memory_format=torch.channels_last)
    assert torch.equal(rounded(weight, 4), rounded(laid, 4))


@pytest.mark.parametrize("program", [tiny_program(), tiny_program(tie=True), hard_program()])
def test_a_copy_is_rounded_and_the_ensemble_stays(program) -> None:
    ensemble = ensemble_of(program).float()
    before = {name: tensor.clone() for name, tensor in state_tensors(ensemble).items()}
    copies = {storage: quantise(ensemble, storage) for storage in BITS}
    assert all(torch.equal(tensor, before[name]) for name, tensor in state_tensors(ensemble).items())
    shown = images(dtype=torch.float32)
    assert torch.equal(ask(copies["float32"], shown, FULL), ask(ensemble, shown, FULL))
    for storage in ("int8", "int4"):
        for name, parameter in state_parameters(copies[storage]).items():
            is_rounded = name.startswith(("bank/", "tensor/")) or (parameter.dim() > 1 and name.startswith("member/"))
            wanted = rounded(before[name], BITS[storage]) if is_rounded else before[name]
            assert torch.equal(parameter.detach(), wanted), name


def size(ensemble: Ensemble, names: Sequence[str], storage: Storage = "float32") -> int:
    return stored_bytes(stored_shapes(ensemble, names), rounded_ids(ensemble), storage)


def test_all_bytes_are_those_of_codes_scales_and_what_stays() -> None:
    ensemble = ensemble_of(tiny_program()).float()
    names = [member.name for member in ensemble.program.members]
    assert size(ensemble, names) == 4 * sum(p.numel() for p in ensemble.parameters())
    for storage in ("int8", "int4"):
        assert size(ensemble, names, storage) == _counted_plainly(ensemble, BITS[storage])
        alone = [size(ensemble, [name], storage) for name in names]
        assert max(alone) < size(ensemble, names, storage) < sum(alone)


def _counted_plainly(ensemble: Ensemble, bits: int) -> int:
    chosen = rounded_ids(ensemble)
    named = state_parameters(ensemble).items()
    return sum(plainly_rounded(p.detach().numpy(), bits)[1] if n in chosen else 4 * p.numel() for n, p in named)


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_policy_and_joint_family_can_be_rounded(system: str) -> None:
    ensemble = build(compile_file(SPECS, {}, system).program)
    names = [member.name for member in ensemble.program.members]
    copy = quantise(ensemble, "int4")
    assert size(ensemble, names, "int4") == _counted_plainly(ensemble, 4)
    assert size(ensemble, names, "int4") < 0.25 * size(ensemble, names)  # vectors are few
    shown = torch.randn(4, *ensemble.program.data.image_shape, generator=torch.Generator().manual_seed(0))
    logits, own = ask(copy, shown, FULL), ask(ensemble, shown, FULL)
    assert logits.shape == own.shape and logits.isfinite().all() and not torch.equal(logits, own)
    moved = {
        name: not torch.equal(p, q)
        for (name, p), q in zip(state_parameters(copy).items(), ensemble.parameters(), strict=True)
    }
    assert all(name in rounded_ids(ensemble) for name, has_moved in moved.items() if has_moved)


def test_groups_are_those_of_4_bit_weights_elsewhere() -> None:
    assert GROUP == 64
    assert bytes_of((16, 16, 3, 3), 4) == 1_152 + 96  # the worked example
