from __future__ import annotations

from itertools import combinations
from math import prod
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from attrs import evolve
from swc.program.expressions import Scale
from swc.program.training import Loss, Recipe, Training

from support.programs import by_slot, ensemble_of, images, naive_weights, tiny_program, with_gains
from swc_runtime.ensemble import state_tensors
from swc_runtime.measure import similarity
from swc_runtime.measure.probe import (
    GradientSums,
    cluster_feedback,
    clusters_of,
    measure_clusters,
    measure_coefficients,
    shapes_of,
)
from swc_runtime.measure.similarity import common_block
from swc_runtime.measure.spectra import measure_spectra


def batches_of(num=5, sizes=(4, 4, 4, 4, 3)):
    return [
        (images(size, seed), torch.randint(2, (size,), generator=torch.Generator().manual_seed(seed)))
        for seed, size in zip(range(num), sizes, strict=False)
    ]


def trained(program):
    ensemble = ensemble_of(program)
    ensemble(images(8, 9))  # gives the running statistics something to say
    return ensemble


def brute_weight_gradients(ensemble, batches):
    """Per layer a list over batches of dL/dW, by ordinary autograd through a naive composition."""
    program = ensemble.program
    ensemble.eval()
    found = {w.layer: [] for w in program.weights}
    for x, y in batches:
        weights = [w.detach().requires_grad_() for w in naive_weights(program, ensemble)]
        ensemble.install(weights)
        loss = sum(F.cross_entropy(m(x), y, reduction="sum") for m in ensemble.members)
        for w, gradient in zip(program.weights, torch.autograd.grad(loss, weights), strict=True):
            found[w.layer].append(gradient)
        ensemble.uninstall()
    return found


def cosine(a, b):
    return (a * b).sum() / (a.norm() * b.norm())


def jackknife(first, second, groups):
    """Cosine of the sums and its delete-one-group error, by the definition."""
    dealt = [list(range(g, len(first), groups)) for g in range(min(groups, len(first)))]
    rest = [[n for n in range(len(first)) if n not in group] for group in dealt]
    ones = torch.stack([cosine(sum(first[n] for n in kept), sum(second[n] for n in kept)) for kept in rest])
    num = len(ones)
    error = ((num - 1) / num * (ones - ones.mean()).square().sum()).sqrt()
    return cosine(sum(first), sum(second)).item(), error.item()


@pytest.mark.parametrize("groups", [3, 8])
@pytest.mark.parametrize("chunk", [similarity.CHUNK, 50])
def test_cluster_similarity_equals_brute_force(monkeypatch, groups, chunk):
    monkeypatch.setattr(similarity, "CHUNK", chunk)
    ensemble = trained(tiny_program(tie=True))
    feedback, sums = measure_clusters(ensemble, batches_of(), groups=groups)
    brute = brute_weight_gradients(ensemble, batches_of())
    order = [w.layer for w in ensemble.program.weights]
    expected = [
        pair for layers in clusters_of(ensemble.program) for pair in combinations(sorted(layers, key=order.index), 2)
    ]
    assert sorted((s.first, s.second) for s in feedback.similarities) == sorted(expected)
    assert feedback.num_images == 19 and feedback.num_groups == min(groups, 5) and feedback.silent == ()
    for s in feedback.similarities:
        a, b = brute[s.first], brute[s.second]
        o, i = min(a[0].shape[0], b[0].shape[0]), min(a[0].shape[1], b[0].shape[1])
        value, error = jackknife([g[:o, :i] for g in a], [g[:o, :i] for g in b], groups)
        assert s.value == pytest.approx(value, abs=1e-9)
        assert s.error == pytest.approx(error, abs=1e-7)
    for layer, gradients in brute.items():
        torch.testing.assert_close(sums.groups[layer].sum(0), sum(gradients))


def test_clusters_come_from_the_banks():
    assert clusters_of(tiny_program()) == (
        ("m[0].convs.0", "m[1].convs.0", "m[2].convs.0"),
        tuple(f"m[{m}].convs.{c}" for m in range(3) for c in (1, 2)),
    )


@pytest.mark.parametrize("tied", [tiny_program(tie=True), with_gains(tiny_program(tie=True))], ids=["plain", "gains"])
def test_coefficient_similarity_equals_brute_force(tied):
    ensemble = trained(tied)
    feedback = measure_coefficients(ensemble, batches_of(), groups=3)
    own = by_slot(tied)  # each slot a leaf of its own, at the same values
    untied = ensemble_of(own)
    untied.load_state_dict({k: v for k, v in ensemble.state_dict().items() if "coefficients" not in k}, strict=False)
    for b, table in enumerate(ensemble.coefficients):
        untied.coefficients[b].data.copy_(table.detach().expand_as(untied.coefficients[b]))
    per_slot = {slot.id: [] for slot in own.slots}
    untied.eval()
    for x, y in batches_of():
        untied.zero_grad()
        untied.install(naive_weights(own, untied))
        sum(F.cross_entropy(m(x), y, reduction="sum") for m in untied.members).backward()
        untied.uninstall()
        for plan, table in zip(untied.plan.banks, untied.coefficients, strict=True):
            for slot, row in zip(plan.slots, plan.index, strict=True):
                per_slot[slot].append(table.grad[row].clone())
    silent = tuple(slot for slot, gradients in per_slot.items() if not sum(gradients).any())
    assert feedback.silent == silent and silent  # levels that a later crop takes away whole
    heard = [slot for slot in tied.slots if slot.id not in silent]
    pairs = [(a.id, b.id) for a, b in combinations(heard, 2) if a.coefficient == b.coefficient]
    assert [(s.first, s.second) for s in feedback.similarities] == pairs
    for s in feedback.similarities:
        value, error = jackknife(per_slot[s.first], per_slot[s.second], 3)
        assert s.value == pytest.approx(value, abs=1e-9)
        assert s.error == pytest.approx(error, abs=1e-7)


def test_one_template_gives_cosines_of_plus_or_minus_one():
    feedback = measure_coefficients(trained(tiny_program(tie=True, num_templates=1)), batches_of())
    assert feedback.similarities
    assert all(abs(s.value) == pytest.approx(1) for s in feedback.similarities)


def test_slots_that_are_not_tied_are_not_compared():
    assert measure_coefficients(trained(tiny_program()), batches_of()).similarities == ()


def test_spectra_of_the_same_and_of_another_program():
    ensemble = trained(tiny_program(tie=True))
    _, sums = measure_clusters(ensemble, batches_of())
    for program in (ensemble.program, tiny_program(clusters=(("0",), ("1",), ("2",)))):
        other = ensemble_of(program)
        rows = torch.autograd.grad(
            sum(
                (w * sums.groups[p.layer].sum(0)).sum()
                for w, p in zip(naive_weights(by_slot(program), with_one_hot_rows(other)), program.weights, strict=True)
            ),
            ROWS,
        )
        for spectrum, bank, row in zip(measure_spectra(sums, program), program.banks, rows, strict=True):
            assert spectrum.bank == bank.id
            values = torch.linalg.svdvals(row).square()
            energies = torch.tensor(spectrum.energies, dtype=torch.float64)
            torch.testing.assert_close(energies, values, rtol=1e-8, atol=1e-8)
            assert list(spectrum.energies) == sorted(spectrum.energies, reverse=True)


ROWS: list[torch.Tensor] = []


def with_one_hot_rows(ensemble):
    """An ensemble whose every slot has a template of its own, so that a bank's gradient is that of its rows."""
    banks = ensemble.plan.banks
    ROWS[:] = [torch.zeros(len(b.slots), b.size, dtype=torch.float64, requires_grad=True) for b in banks]

    return SimpleNamespace(
        banks=ROWS, coefficients=[torch.eye(len(row), dtype=torch.float64) for row in ROWS], tensors=()
    )


def test_measuring_changes_nothing():
    ensemble = trained(tiny_program(tie=True))
    ensemble.train()
    ensemble.members[1].norms[0].eval()
    before = {name: t.clone() for name, t in state_tensors(ensemble).items()}
    measure_clusters(ensemble, batches_of())
    measure_coefficients(ensemble, batches_of())
    assert all(torch.equal(before[name], t) for name, t in state_tensors(ensemble).items())
    assert all(p.grad is None for p in ensemble.parameters())
    assert ensemble.training and not ensemble.members[1].norms[0].training and not ensemble.is_composed


def test_how_images_are_cut_into_batches_does_not_matter():
    ensemble = trained(tiny_program(tie=True))
    whole = [tuple(torch.cat(parts) for parts in zip(*batches_of(), strict=True))]
    one, _ = measure_clusters(ensemble, whole)
    many, _ = measure_clusters(ensemble, batches_of())
    assert [s.value for s in one.similarities] == pytest.approx([s.value for s in many.similarities])
    assert {s.error for s in one.similarities} == {similarity.UNKNOWN} and one.num_groups == 1


def test_a_silent_layer_is_named_and_has_no_cosine():
    ensemble = trained(tiny_program(tie=True))
    with torch.no_grad():
        ensemble.members[0].head.weight.zero_()
    feedback, _ = measure_clusters(ensemble, batches_of())
    assert feedback.silent == tuple(f"m[0].convs.{n}" for n in range(3))
    assert not any("m[0]" in s.first or "m[0]" in s.second for s in feedback.similarities)
    slots = measure_coefficients(ensemble, batches_of())
    assert {s.id for s in ensemble.program.slots if s.member == "m[0]"} <= set(slots.silent)
    assert not any("m[0]" in s.first or "m[0]" in s.second for s in slots.similarities)


def test_a_layer_without_a_gradient_where_it_meets_others_is_silent():
    program = tiny_program(((1, 3, 3), (1, 4, 4)), (("0", "1"),))
    (layers,) = clusters_of(program)
    shapes = shapes_of(program)
    largest = max(layers, key=lambda layer: prod(shapes[layer]))
    groups = {layer: torch.ones(2, *shapes[layer]) for layer in layers}
    for other in layers:
        if other != largest:
            groups[largest][(slice(None), *map(slice, common_block(shapes[largest], shapes[other])))] = 0
    assert groups[largest].any()
    found = cluster_feedback(GradientSums(groups, num_images=2), program)
    assert found.silent == (largest,) and len(found.similarities) == 3


def test_label_smoothing_of_the_recipe_counts():
    program = tiny_program(tie=True)
    smooth = evolve(program, training=Training(Recipe("r", loss=Loss.of(label_smoothing=0.3)), ()))
    plain, _ = measure_clusters(trained(program), batches_of())
    other, _ = measure_clusters(trained(smooth), batches_of())
    assert [s.value for s in plain.similarities] != [s.value for s in other.similarities]


def test_progress_is_told_of_each_batch():
    seen: list[int] = []
    measure_clusters(trained(tiny_program()), batches_of(), progress=seen.append)
    assert seen == [4, 4, 4, 4, 3]


def test_no_batches_and_other_expressions_are_refused():
    ensemble = trained(tiny_program(tie=True))
    with pytest.raises(ValueError, match="without images"):
        measure_clusters(ensemble, [])
    with pytest.raises(ValueError, match="without images"):
        measure_coefficients(ensemble, [])
    weight = evolve(ensemble.program.weights[0], expression=Scale(ensemble.program.weights[0].expression, "r", "s"))
    scaled = ensemble_of(evolve(ensemble.program, weights=(weight, *ensemble.program.weights[1:])))
    with pytest.raises(ValueError, match="template blocks alone"):
        measure_coefficients(scaled, batches_of())


def test_a_gradient_from_one_group_alone_has_a_large_error():
    one = torch.zeros(4, 3)
    one[0] = torch.tensor([1.0, 2.0, 3.0])
    (pair,) = similarity.cosines([one, one.clone()])
    assert pair.value == pytest.approx(1)
    assert pair.error == pytest.approx((0.75 * (3 * 0.0625 + 0.5625)) ** 0.5)
