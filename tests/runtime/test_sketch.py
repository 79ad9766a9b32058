"""Sketches against the exact statistics in float64: random vectors, and real gradients summed over real images."""

from __future__ import annotations

from itertools import combinations
from math import prod

import pytest
import torch
from swc.compiler.driver import compile_spec
from swc.compiler.frontend import read_members
from swc.diagnostics import Sink
from swc.program.datasets import DATASETS
from swc.program.model_source import ModelSource
from swc.program.spec import Budget, Clusters, Member, Selector, Share, Spec

from support.programs import ensemble_of, images, tiny_program
from swc_runtime import build
from swc_runtime.data.digits import read_digits
from swc_runtime.measure.probe import (
    cluster_feedback,
    clusters_of,
    measure_clusters,
    shapes_of,
    sketch_clusters,
    sum_gradients,
)
from swc_runtime.measure.similarity import Cosine, common_block, cosines
from swc_runtime.measure.sketch import (
    ClusterFolding,
    Sketch,
    cluster_blocks,
    fold_table,
    statistics_bytes,
    with_sketch_error,
)

CPU = torch.device("cpu")
FEW = Sketch(1, 64)
LARGE = (9, 8, 3, 3)
SHAPES = {"small": (3, 2, 3, 3), "tall": (7, 2, 3, 3), "wide": (4, 6, 3, 3), "large": LARGE, "again": LARGE}


def folder_of(shapes, sketch=FEW):
    return ClusterFolding.of([tuple(shapes)], shapes, sketch, CPU)


def dense(shape, sketch, dtype=torch.float64):
    """The sketch of a block of this shape as a matrix [buckets, scalars], by its definition."""
    outputs, inputs, *kernel = shape
    table = fold_table(prod(shape), sketch).view(outputs, *kernel, inputs).movedim(-1, 1).flatten().long()
    matrix = torch.zeros(sketch.buckets, prod(shape), dtype=dtype)
    matrix[table % sketch.buckets, torch.arange(prod(shape))] = 1 - 2.0 * (table >= sketch.buckets).to(dtype)
    return matrix


def random_layer(shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_every_block_is_folded_as_if_it_were_a_layer_of_its_own(layout):
    folder = folder_of(SHAPES)
    for seed, (name, shape) in enumerate(SHAPES.items()):
        layer = random_layer(shape, seed).contiguous(memory_format=layout)
        made = folder.fold(name, layer)
        assert list(made) == [(name, block) for block in folder.blocks[name]]
        for (_, block), sketch in made.items():
            cut = layer[: block[0], : block[1]]
            small = cut.movedim(1, -1).flatten()
            expected = dense(block, FEW) @ cut.flatten() if prod(block) > 64 else small
            torch.testing.assert_close(sketch, expected)
        layer.zero_()
        assert all(sketch.any() for sketch in made.values())  # what is kept holds nothing of the gradient


def test_the_blocks_of_a_layer_are_what_it_has_in_common_with_another():
    blocks = cluster_blocks(tuple(SHAPES), SHAPES)
    for first, second in combinations(SHAPES, 2):
        common = common_block(SHAPES[first], SHAPES[second])
        assert common in blocks[first] and common in blocks[second]
    assert blocks["tall"] == ((3, 2, 3, 3), (4, 2, 3, 3), (7, 2, 3, 3))
    assert blocks["large"][-1] == SHAPES["large"]  # there is another of its shape
    assert SHAPES["wide"] in blocks["wide"] and cluster_blocks(("small",), SHAPES) == {"small": ()}
    assert folder_of({"small": SHAPES["small"]}).fold("small", random_layer(SHAPES["small"])) == {}


def test_linear_layers_and_other_kernels_have_tables_of_their_own():
    shapes = {"a": (15, 13), "b": (14, 17), "c": (16, 12, 1, 1), "d": (13, 14, 1, 1)}
    folder = ClusterFolding.of([("a", "b"), ("c", "d")], shapes, FEW, CPU)
    for name, shape in shapes.items():
        layer, (block,) = random_layer(shape), folder.blocks[name]
        expected = dense(block, FEW) @ layer[: block[0], : block[1]].flatten()
        torch.testing.assert_close(folder.fold(name, layer)[name, block], expected)


def test_order_and_signs_are_the_same_on_any_machine():
    table = fold_table(9000, Sketch(1, seed=3))
    assert torch.equal(fold_table(5000, Sketch(99, seed=3)), table[:5000])
    assert table[:4].tolist() == [6454, 3236, 1117, 6999]
    assert not torch.equal(fold_table(9000, Sketch(1, seed=4)), table)


def test_a_run_fills_every_bucket_once_and_half_of_the_signs_are_negative():
    table = fold_table(4 * 4096 + 100, Sketch(1)).long()
    *runs, rest = (table % 4096).split(4096)
    assert all(torch.equal(run.sort().values, torch.arange(4096)) for run in runs)
    assert len(runs) == 4 and len(rest.unique()) == 100
    assert 0.48 < (table >= 4096).double().mean() < 0.52
    assert all((one == other).sum() < 12 for one, other in combinations(runs, 2))  # 1 is what chance gives


def test_a_sketch_is_linear():
    folder = folder_of(SHAPES)
    one, other = random_layer(LARGE, 1), random_layer(LARGE, 2)
    parts = folder.fold("large", one), folder.fold("large", other)
    for place, sketch in folder.fold("large", one + other).items():
        torch.testing.assert_close(parts[0][place] + parts[1][place], sketch)


def test_the_dot_product_is_unbiased_with_the_variance_it_says():
    buckets, seeds = 64, 2000
    x = random_layer(LARGE, 1)
    y = 0.5 * x + random_layer(LARGE, 2)
    x, y = x / x.norm(), y / y.norm()
    exact = (x * y).sum().item()
    folders = (folder_of({"a": LARGE, "b": LARGE}, Sketch(1, buckets, seed)) for seed in range(seeds))
    dots = [(f.fold("a", x)["a", LARGE] @ f.fold("b", y)["b", LARGE]).item() for f in folders]
    found = torch.tensor(dots, dtype=torch.float64)
    assert abs(found.mean().item() - exact) < 3 * found.std().item() / seeds**0.5
    runs = zip(*(t.movedim(1, -1).flatten().split(buckets) for t in (x, y)), strict=True)
    apart = sum((a.square().sum() * b.square().sum() + (a @ b) ** 2).item() for a, b in runs)  # never meet
    assert found.var().item() == pytest.approx((1 + exact**2 - apart) / buckets, rel=0.15)


def errors_of(layers, sketch):
    """Errors of cosines, and of dot products of unit vectors, against float64; of all pairs that are folded."""
    names = [str(n) for n in range(len(layers))]
    shapes = {name: tuple(layer.shape[1:]) for name, layer in zip(names, layers, strict=True)}
    folder = folder_of(shapes, sketch)
    totals = [layer.double().sum(0) for layer in layers]
    folded = [folder.fold(name, total.float()) for name, total in zip(names, totals, strict=True)]
    by_cosine, by_dot = [], []
    for pair in cosines([total[None] for total in totals]):
        common = common_block(shapes[names[pair.first]], shapes[names[pair.second]])
        if prod(common) <= sketch.buckets:
            continue
        a, b = (folded[n][names[n], common].double() for n in (pair.first, pair.second))
        norms = [totals[n][tuple(map(slice, common))].norm() for n in (pair.first, pair.second)]
        by_cosine.append((a @ b / (a.norm() * b.norm())).item() - pair.value)
        by_dot.append((a @ b / (norms[0] * norms[1])).item() - pair.value)
    return torch.tensor(by_cosine), torch.tensor(by_dot)


def check_errors(parts):
    for errors in map(torch.cat, zip(*parts, strict=True)):
        assert errors.square().mean().sqrt() <= 1.1 / 4096**0.5
        assert errors.abs().max() <= 0.08


def test_the_error_on_random_vectors():
    layers = [random_layer((1, 32, 24 + 8 * (n % 3), 3, 3), n) for n in range(40)]
    check_errors([errors_of(layers, Sketch(1))])


@pytest.fixture(scope="module")
def real():
    """Gradients of three small networks, summed over the digits after a little training."""
    members = tuple(
        Member(name, ModelSource("family", "wrn", (("depth", depth), ("width", width))))
        for name, (depth, width) in {"a": (10, 2), "b": (16, 1), "c": (16, 1.5)}.items()
    )
    share = Share(Selector("conv"), clusters=Clusters("depth", 1))
    spec = Spec("small", DATASETS["digits"], members, Budget("native", 0.5), (share,), None)
    ensemble = build(compile_spec(spec, read_members(spec, Sink())).program)
    batches = digits()[:12]
    optimiser = torch.optim.SGD(ensemble.parameters(), lr=0.05, momentum=0.9)
    for x, y in batches:
        optimiser.zero_grad()
        sum(torch.nn.functional.cross_entropy(logits, y) for logits in ensemble(x)).backward()
        optimiser.step()
    return ensemble, batches, sum_gradients(ensemble, batches)


def digits(size=64):
    (pixels, labels), _ = read_digits()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return list(zip((pixels[order] / 128 - 1).split(size), labels[order].split(size), strict=True))


def test_the_error_on_real_summed_gradients(real):
    ensemble, _, sums = real
    clusters = [[sums.groups[layer] for layer in cluster] for cluster in clusters_of(ensemble.program)]
    found = [errors_of(layers, Sketch(1, seed=seed)) for seed in range(3) for layers in clusters]
    assert sum(len(errors) for errors, _ in found) > 500
    check_errors(found)


def test_sketched_feedback_is_the_exact_one_within_its_errors(real):
    ensemble, batches, sums = real
    exact = cluster_feedback(sums, ensemble.program)
    sketched = sketch_clusters(ensemble, batches, Sketch(len(batches)))
    assert [(s.first, s.second) for s in sketched.similarities] == [(s.first, s.second) for s in exact.similarities]
    assert (sketched.num_images, sketched.num_groups, sketched.silent) == (768, 8, exact.silent)
    shapes = shapes_of(ensemble.program)
    for found, true in zip(sketched.similarities, exact.similarities, strict=True):
        if prod(common_block(shapes[true.first], shapes[true.second])) <= 4096:
            assert found.value == pytest.approx(true.value, abs=1e-4)
            continue
        own = (1 - true.value**2) / 4096**0.5
        assert abs(found.value - true.value) <= min(0.08, 5.2 * own)
        assert found.error >= 0.9 * own
    assert torch.tensor([s.error for s in sketched.similarities]).mean() < 0.1


def tiny_batches(sizes):
    return [(images(size, n), torch.randint(2, (size,))) for n, size in enumerate(sizes)]


def test_runs_make_the_groups_and_their_jackknife():
    """Blocks this small are kept as they are, so groups, values and errors are the exact ones."""
    ensemble = ensemble_of(tiny_program(tie=True))
    batches = tiny_batches((4, 4, 4, 4, 3, 5))
    found = sketch_clusters(ensemble, batches, Sketch(6, 4096), groups=3)
    turns = [batches[n] for n in (0, 2, 4, 1, 3, 5)]  # dealt in turn, these are the runs
    exact, _ = measure_clusters(ensemble, turns, groups=3)
    assert found.num_groups == 3 and found.num_images == 24
    for mine, true in zip(found.similarities, exact.similarities, strict=True):
        assert (mine.first, mine.second) == (true.first, true.second)
        assert mine.value == pytest.approx(true.value, abs=1e-9)
        assert mine.error == pytest.approx(true.error, abs=1e-7)


@pytest.mark.parametrize(("told", "come", "groups"), [(20, 20, 8), (3, 3, 3), (6, 4, 4), (2, 5, 3), (1, 1, 1)])
def test_every_batch_is_in_a_group_whatever_number_was_announced(told, come, groups):
    sketch = Sketch(told)
    numbers = [sketch.group_of(n, 8) for n in range(come)]
    assert numbers == sorted(numbers)
    sizes = [numbers.count(n) for n in sorted(set(numbers))]
    assert len(sizes) == groups
    assert told != come or max(sizes) - min(sizes) <= 1
    ensemble = ensemble_of(tiny_program())
    assert sketch_clusters(ensemble, tiny_batches([2] * come), sketch).num_groups == groups


def test_silent_layers_are_named_and_no_images_are_refused():
    ensemble = ensemble_of(tiny_program(tie=True))
    with torch.no_grad():
        ensemble.members[0].head.weight.zero_()
    exact, _ = measure_clusters(ensemble, tiny_batches((4, 4)))
    found = sketch_clusters(ensemble, tiny_batches((4, 4)), Sketch(2))
    assert found.silent == exact.silent == tuple(f"m[0].convs.{n}" for n in range(3))
    assert not any("m[0]" in s.first or "m[0]" in s.second for s in found.similarities)
    with pytest.raises(ValueError, match="without images"):
        sketch_clusters(ensemble, [], Sketch(2))


def test_the_error_of_a_sketch_is_added_to_the_jackknifes():
    assert with_sketch_error(Cosine(0, 1, 0.0, 0.03), 625).error == pytest.approx(0.05)
    assert with_sketch_error(Cosine(0, 1, 1.0, 0.03), 625).error == pytest.approx(0.03)
    assert with_sketch_error(Cosine(0, 1, 0.0, 1.0), 64).error == 1.0


def test_the_memory_is_what_is_said(real):
    ensemble, _, sums = real
    shapes, clusters = shapes_of(ensemble.program), clusters_of(ensemble.program)
    kept = sum(groups.numel() * groups.element_size() for groups in sums.groups.values())
    assert statistics_bytes(clusters, shapes, 8, None) == kept
    folder = ClusterFolding.of(clusters, shapes, Sketch(1, 512), CPU)
    one = [sketch for layer in shapes for sketch in folder.fold(layer, torch.zeros(shapes[layer])).values()]
    tables = sum(table.numel() * table.element_size() for table in folder.tables.values())
    sketches = 8 * sum(sketch.numel() * sketch.element_size() for sketch in one)
    assert statistics_bytes(clusters, shapes, 8, 512) == kept // 8 + sketches + tables


def test_sketching_changes_nothing():
    ensemble = ensemble_of(tiny_program(tie=True))
    before = {name: tensor.clone() for name, tensor in ensemble.state_dict().items()}
    sketch_clusters(ensemble, tiny_batches((4, 4)), Sketch(2))
    assert all(torch.equal(before[name], tensor) for name, tensor in ensemble.state_dict().items())
    assert all(parameter.grad is None for parameter in ensemble.parameters()) and not ensemble.is_composed
