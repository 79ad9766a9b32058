"""Every layer at its own He variance: what a freshly built ensemble weighs, through the whole compiler."""

from __future__ import annotations

from math import prod, sqrt
from pathlib import Path

import pytest
import torch
from swc.compiler.driver import Compiled, compile_file
from swc.program.diff import count_program

from swc_runtime.ensemble import build

SPEC = """ensemble e {{
  data digits
  member deep = wrn(depth: 16, width: 1)
  member wide = wrn(depth: 10, width: 3)
  member thin = wrn(depth: 10, width: 1)
  budget unlimited
  share conv {{
    clusters by depth in 2 bins
    coefficients by {coefficients}
    templates even up to {cap}
    blocks {blocks}
    initialisation {initialisation}
  }}
}}
"""
FAR = 5  # standard errors: of some two hundred layers none comes so far by chance


def compiled(folder: Path, initialisation: str, **choice: object) -> Compiled:
    given = {"coefficients": "slot", "cap": 4, "blocks": "chain", **choice}
    (folder / "e.sw").write_text(SPEC.format(initialisation=initialisation, **given), encoding="utf-8")
    return compile_file(folder / "e.sw")


def deviations(made: Compiled) -> dict[str, tuple[float, float]]:
    """Per layer how far its weight's deviation is from sqrt(2 / fan-in), relatively, and the standard error of that."""
    ensemble = build(made.program, dtype=torch.float64)
    fan_ins = {layer.id: layer.fan_in for layer in made.graph.layers}
    with torch.no_grad():
        named = zip(ensemble.weights, ensemble.compose(), strict=True)
        # given its coefficients, a weight is n independent normal numbers of mean 0: their root mean square is within
        # 1 / sqrt(2 n) of the deviation
        return {
            plan.layer: (
                weight.square().mean().sqrt().item() / sqrt(2 / fan_ins[plan.layer]) - 1,
                1 / sqrt(2 * prod(plan.shape)),
            )
            for plan, weight in named
        }


@pytest.mark.parametrize("cap", [1, 4])
@pytest.mark.parametrize("coefficients", ["slot", "partner", "level"])
@pytest.mark.parametrize("blocks", ["chain", "grid"])
def test_with_gains_every_layer_starts_at_its_own_variance(
    tmp_path: Path, blocks: str, coefficients: str, cap: int
) -> None:
    made = compiled(tmp_path, "gains", blocks=blocks, coefficients=coefficients, cap=cap)
    assert max(slot.gain for slot in made.program.slots) > 2
    assert {slot.start_scale for slot in made.program.slots} == {1.0}
    far = {layer: off for layer, (off, error) in deviations(made).items() if abs(off) > FAR * error}
    assert far == {}


def test_without_gains_small_layers_of_a_bank_start_too_small(tmp_path: Path) -> None:
    found = deviations(compiled(tmp_path, "kaiming"))
    assert min(off for off, _ in found.values()) < -0.5
    assert max(off for off, _ in found.values()) < 0.25


@pytest.mark.parametrize("blocks", ["chain", "grid"])
def test_scaled_coefficients_start_every_layer_alike_where_each_slot_has_its_own(tmp_path: Path, blocks: str) -> None:
    made = compiled(tmp_path, "scaled", blocks=blocks)
    assert {slot.gain for slot in made.program.slots} == {1.0}
    far = {layer: off for layer, (off, error) in deviations(made).items() if abs(off) > FAR * error}
    assert far == {}


def test_scaled_coefficients_and_gains_begin_with_the_same_weights(tmp_path: Path) -> None:
    """By slot, up to rounding: the factor is in another place."""
    scaled, amplified = (build(compiled(tmp_path, word).program) for word in ("scaled", "gains"))
    for one, other in zip(scaled.compose(), amplified.compose(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
    for one, other in zip(scaled.parameters(), amplified.parameters(), strict=True):
        assert one.shape == other.shape


@pytest.mark.parametrize("initialisation", ["release", "gains", "scaled"])
def test_start_values_change_neither_banks_nor_ties_nor_counts(tmp_path: Path, initialisation: str) -> None:
    plain, other = (compiled(tmp_path, word, coefficients="partner") for word in ("kaiming", initialisation))
    assert plain.graph.banks == other.graph.banks
    assert plain.program.coefficients == other.program.coefficients
    assert count_program(plain.program) == count_program(other.program)
