"""The policy `low_rank`: what it stores and computes, how members begin, what is frozen, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from swc.compiler.driver import Compiled, compile_file
from swc.compiler.ir.counts import count
from swc.compiler.ir.text import parse_graph, print_graph
from swc.diagnostics import DiagnosticError
from swc.program.expressions import Product, Stored, Sum, num_scalars, shape_of, tensors_of, text_of
from torch import Tensor

from swc_runtime.ensemble import Ensemble, build, state_parameters
from swc_runtime.training.optimiser import make_optimiser, set_learning_rate, updated_parameters

SPEC = """
import "digits.sw"
ensemble e {{
  data digits
  member m[3] = wrn(depth: 10, width: {width})
  budget unlimited
  share {shares}
  train digits {{ phase main: 1 epochs }}
}}
"""


def compiled_of(folder: Path, shares: str, width: float = 0.25) -> Compiled:
    spec = folder / "e.sw"
    spec.write_text(SPEC.format(shares=shares, width=width), encoding="utf-8")
    return compile_file(spec)


def trained(ensemble: Ensemble, compiled: Compiled, num_steps: int) -> None:
    """Some steps of the recipe's own optimiser, weight decay included."""
    assert compiled.spec.training is not None
    optimiser = make_optimiser(ensemble, compiled.spec.training.recipe)
    set_learning_rate(optimiser, 0.05)
    images, labels = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8)
    for _ in range(num_steps):
        optimiser.zero_grad()
        with ensemble.step():
            logits = [ensemble.run(network, images)[0] for network in ensemble.networks]
            torch.stack([F.cross_entropy(one, labels) for one in logits]).sum().backward()
        optimiser.step()


def composed_of(ensemble: Ensemble, path: str) -> list[Tensor]:
    """The weights at a path, by member."""
    with torch.no_grad():
        made = ensemble.compose()
    return [one.clone() for plan, one in zip(ensemble.weights, made, strict=True) if plan.path == path]


def test_a_weight_is_stored_once_and_each_member_adds_two_thin_matrices(tmp_path: Path) -> None:
    graph = compiled_of(tmp_path, '"*.block*" as low_rank(rank: 2, alpha: 3)').graph
    of_a_member = [layer for layer in graph.layers if layer.member == "m[0]"]
    weights = sum(num_scalars(layer.shape) for layer in of_a_member)
    thin = sum(2 * (layer.shape[0] + num_scalars(layer.shape) // layer.shape[0]) for layer in graph.layers)
    assert count(graph).tensor_scalars == weights + thin
    found = {weight.layer: weight.expression for weight in graph.weights}["m[1].block1.0.conv2"]
    rows, columns = (f"m[1].block1.0.conv2/{side}" for side in ("rows", "columns"))
    thin_ones = Product(Stored(rows, (4, 2)), Stored(columns, (2, 36)), (4, 4, 3, 3), 1.5)
    assert found == Sum((Stored("m[0].block1.0.conv2", (4, 4, 3, 3)), thin_ones))
    assert shape_of(found) == (4, 4, 3, 3)
    assert tensors_of(found) == ("m[0].block1.0.conv2", rows, columns)
    assert text_of(found).endswith(" [4,4,3,3] times 1.5))")
    assert parse_graph(print_graph(graph)) == graph


def test_members_begin_alike_and_part_by_no_more_than_the_rank(tmp_path: Path) -> None:
    compiled = compiled_of(tmp_path, '"*.block*" as low_rank(rank: 2)')
    ensemble = build(compiled.program).train()
    first, *others = composed_of(ensemble, "block2.0.conv2.weight")
    assert all(torch.equal(first, other) for other in others)
    trained(ensemble, compiled, 3)
    one, other, _ = composed_of(ensemble, "block2.0.conv2.weight")
    shared = state_parameters(ensemble)["tensor/m[0].block2.0.conv2"]
    assert torch.linalg.matrix_rank((one - shared).flatten(1).double(), rtol=1e-5) == 2
    assert torch.linalg.matrix_rank((one - other).flatten(1).double(), rtol=1e-5) == 4


def test_alpha_scales_the_difference(tmp_path: Path) -> None:
    made = {}
    for alpha in (2, 6):
        ensemble = build(compiled_of(tmp_path, f'"*.block*" as low_rank(rank: 2, alpha: {alpha})').program)
        with torch.no_grad():
            rows, shared = (state_parameters(ensemble)[f"tensor/m[0].block2.0.conv2{side}"] for side in ("/rows", ""))
            rows.fill_(1.0)
            made[alpha] = composed_of(ensemble, "block2.0.conv2.weight")[0] - shared
    torch.testing.assert_close(made[6], 3 * made[2])


@pytest.mark.parametrize("frozen", ["yes", "no"])
def test_frozen_weights_keep_their_bits(tmp_path: Path, frozen: str) -> None:
    compiled = compiled_of(tmp_path, f'"*.block*" as low_rank(rank: 2, frozen: {frozen})')
    ensemble = build(compiled.program).train()
    begun = {name: p.detach().clone() for name, p in state_parameters(ensemble).items() if name.startswith("tensor/")}
    trained(ensemble, compiled, 3)
    stayed = {name for name, before in begun.items() if torch.equal(state_parameters(ensemble)[name], before)}
    shared = {name for name in begun if not name.endswith(("/rows", "/columns"))}
    assert stayed == (shared if frozen == "yes" else set())


def test_a_rank_that_no_weight_can_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiagnosticError) as caught:
        compiled_of(tmp_path, "conv as low_rank(rank: 10)")
    (found,) = caught.value.diagnostics
    assert found.code == "SW430"
    assert "`m[0].conv1` can have rank 9 at most" in found.message()


def test_a_difference_as_large_as_a_weight_is_a_warning(tmp_path: Path) -> None:
    compiled = compiled_of(tmp_path, "conv as low_rank(rank: 4)")
    (found,) = [one for one in compiled.warnings if one.code == "SW431"]
    assert "`m[0].block1.0.conv1` and 11 more" in found.message()


def test_frozen_weights_count_nothing_for_the_norm_of_gradients(tmp_path: Path) -> None:
    ensemble = build(compiled_of(tmp_path, '"*.block*" as low_rank(rank: 2, frozen: yes)').program)
    updated = {id(parameter) for parameter in updated_parameters(ensemble)}
    left = {name for name, parameter in state_parameters(ensemble).items() if id(parameter) not in updated}
    assert left == {f"tensor/{plan.id}" for plan in ensemble.program.tensors if plan.rate == 0}
