"""Shapeshifter networks: the sizes of banks, what each layer reads of them, and what budgets do."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from swc.compiler.ir.counts import count
from swc.compiler.ir.graph import Graph
from swc.compiler.ir.text import parse_graph, print_graph
from swc.compiler.ir.verify import InvariantError, verify
from swc.compiler.passes.budget import apportioned
from swc.compiler.passes.context import Context
from swc.compiler.passes.pipeline import run_pipeline
from swc.compiler.passes.policies.shapeshifter import MOST_TEMPLATES, largest_within
from swc.diagnostics import DiagnosticError
from swc.diagnostics.catalogue.clusters import BudgetBelowMinimum
from swc.program.expressions import Expression, Mix, Resize, Stored, num_scalars, shape_of, tensors_of, text_of
from swc.program.spec import Budget, Clusters, Selector, Share

from support.wrn_shapes import UNLIMITED, Net, wrn_context

ONE = Clusters("one")


def shared(mode: str = "bilinear", clusters: Clusters = ONE, selector: Any = "conv", pattern: str = "") -> Share:
    return Share(Selector(selector, pattern), "shapeshifter", clusters, arguments=(("upsample", mode),))


def context_of(nets: list[Net], budget: Budget, *shares: Share) -> Context:
    context = wrn_context(nets, budget)
    return evolve(context, spec=evolve(context.spec, shares=shares or (shared(),)))


def graph_of(nets: list[Net], budget: Budget, *shares: Share) -> Graph:
    return run_pipeline(context_of(nets, budget, *shares), lambda _, graph: verify(graph))


def banks_of(graph: Graph) -> list[int]:
    return [num_scalars(tensor.shape) for tensor in graph.tensors if tensor.id.startswith("bank/")]


def mix_of(expression: Expression) -> Mix:
    found = expression.of if isinstance(expression, Resize) else expression
    assert isinstance(found, Mix)
    return found


def sizes_of(graph: Graph) -> dict[str, int]:
    return {tensor.id: num_scalars(tensor.shape) for tensor in graph.tensors}


def test_parts_add_up_to_the_total() -> None:
    assert apportioned(10, (1, 1, 1)) == (4, 3, 3)
    assert apportioned(7, (5, 1, 3)) == (4, 1, 2)
    assert apportioned(0, (2, 3)) == (0, 0) and apportioned(5, ()) == ()


@pytest.mark.parametrize("mode", ["bilinear", "repeat", "mask", "average"])
def test_a_graph_prints_and_parses_back(mode: str) -> None:
    graph = graph_of([(16, 2), (10, 1)], Budget("native", 0.1), shared(mode, Clusters("depth", 3)))
    assert parse_graph(print_graph(graph)) == graph
    assert all(shape_of(w.expression) == layer.shape for w, layer in zip(graph.weights, graph.layers, strict=True))


def test_a_mix_reads_like_this() -> None:
    mix = Mix(Stored("bank/0.0", (100,)), "m.conv/coefficients", 7, (4, 4, 3))
    assert text_of(mix) == "mix(stored(bank/0.0 [100]) @7 [4,4,3] by m.conv/coefficients)"
    assert tensors_of(mix) == ("bank/0.0", "m.conv/coefficients") and shape_of(mix) == (4, 4, 3)


@pytest.mark.parametrize("clusters", [ONE, Clusters("depth", 4), Clusters("by_shape"), Clusters("per_layer")])
def test_banks_together_meet_the_budget_in_proportion_to_their_layers(clusters: Clusters) -> None:
    graph = graph_of([(16, 2), (16, 1)], Budget("native", 0.3), shared(clusters=clusters))
    found = count(graph)
    assert found.tensor_scalars == sum(banks_of(graph)) == int(0.3 * found.native_scalars)
    readers: dict[str, int] = {}
    for weight, layer in zip(graph.weights, graph.layers, strict=True):
        bank = tensors_of(weight.expression)[0]
        readers[bank] = readers.get(bank, 0) + num_scalars(layer.shape)
    sizes = sizes_of(graph)
    assert all(abs(sizes[bank] - 0.3 * native) < 2 for bank, native in readers.items())


def test_parameters_pay_for_coefficients_and_what_is_private_to_the_scalar() -> None:
    whole = count(graph_of([(16, 2), (10, 1)], UNLIMITED))
    graph = graph_of([(16, 2), (10, 1)], Budget("parameters", 300_000))
    found = count(graph)
    assert found.parameter_scalars == 300_000 and found.private_scalars == whole.private_scalars
    assert found.coefficient_scalars == sum(n for id_, n in sizes_of(graph).items() if id_.endswith("/coefficients"))
    assert found.tensor_scalars == sum(banks_of(graph))


def test_every_layer_has_its_own_coefficients_and_as_many_templates_as_fit() -> None:
    graph = graph_of([(16, 1), (16, 1)], Budget("native", 0.5))
    (bank,) = banks_of(graph)
    sizes, shapes = sizes_of(graph), {layer.id: layer.shape for layer in graph.layers}
    used = [mix_of(weight.expression).by for weight in graph.weights]
    assert len(set(used)) == len(graph.layers)
    for weight in graph.weights:
        templates = sizes[mix_of(weight.expression).by]
        assert templates == max(1, min(bank // num_scalars(shapes[weight.layer]), MOST_TEMPLATES))
    vectors = [tensor for tensor in graph.tensors if tensor.id in used]
    assert {(tensor.start, tensor.role) for tensor in vectors} == {("direction", "coefficients")}


def test_layers_read_their_bank_in_turn_until_all_is_read() -> None:
    graph = graph_of([(10, 1)], UNLIMITED, shared(clusters=Clusters("depth", 2)))
    sizes = sizes_of(graph)
    read: dict[str, set[int]] = {}
    for weight in graph.weights:
        mix = mix_of(weight.expression)
        bank = tensors_of(mix)[0]
        number = sizes[mix.by] * num_scalars(mix.shape)
        read.setdefault(bank, set()).update((mix.start + n) % sizes[bank] for n in range(number))
    assert {bank: len(found) for bank, found in read.items()} == {bank: sizes[bank] for bank in read}
    assert count(graph).tensor_scalars == count(graph).native_scalars


def test_layers_of_any_kernel_share_a_bank() -> None:
    graph = graph_of([(10, 2)], Budget("native", 0.5))
    assert {layer.shape[2:] for layer in graph.layers} == {(1, 1), (3, 3)} and len(banks_of(graph)) == 1


def test_groups_may_be_listed_by_hand() -> None:
    lists = Clusters("explicit", groups=(("m0.*",), ("m1.*",)))
    graph = graph_of([(16, 1), (10, 1)], Budget("native", 0.5), shared(clusters=lists))
    weights = {weight.layer: tensors_of(weight.expression)[0] for weight in graph.weights}
    assert {(layer.split(".")[0], bank) for layer, bank in weights.items()} == {("m0", "bank/0.0"), ("m1", "bank/0.1")}
    with pytest.raises(DiagnosticError) as caught:
        graph_of([(16, 1)], UNLIMITED, shared(clusters=Clusters("explicit", groups=(("*.conv1",),))))
    assert [found.code for found in caught.value.diagnostics] == ["SW403"]


def test_a_list_that_matches_nothing_is_told_and_has_no_bank() -> None:
    lists = Clusters("explicit", groups=(("m0.*",), ("nothing.*",), ("m1.*",)))
    context = context_of([(16, 1), (10, 1)], UNLIMITED, shared(clusters=lists))
    assert len(banks_of(run_pipeline(context))) == 2
    assert [found.code for found in context.sink.diagnostics] == ["SW405"]


def test_more_bins_than_layers_are_told() -> None:
    context = context_of([(10, 1)], UNLIMITED, shared(clusters=Clusters("depth", 40)))
    assert len(banks_of(run_pipeline(context))) == sum(row.kind == "conv" for row in context.tables[0].parameters)
    assert [found.code for found in context.sink.diagnostics] == ["SW406"]


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((16, 16, 3, 3), 36, (2, 2, 3, 3)),
        ((64, 32, 1, 1), 512, (32, 16, 1, 1)),
        ((2, 100), 199, (2, 99)),
        ((100, 2), 3, (3, 1)),
        ((8, 8, 3, 3), 9, (1, 1, 3, 3)),
    ],
)
def test_a_small_bank_is_read_in_the_layers_proportions(
    shape: tuple[int, ...], size: int, expected: tuple[int, ...]
) -> None:
    assert largest_within(shape, size) == expected


def test_a_layer_larger_than_its_bank_is_up_sampled() -> None:
    for mode in ("bilinear", "repeat"):
        graph = graph_of([(10, 1)], Budget("templates", 100), shared(mode))
        found = {weight.layer: weight.expression for weight in graph.weights}["m0.block3.0.conv2"]
        mix = Mix(Stored("bank/0.0", (100,)), "m0.block3.0.conv2/coefficients", 0, (100,))
        read = evolve(mix, shape=(3, 3, 3, 3)) if mode == "bilinear" else mix
        assert found == Resize(read, (64, 64, 3, 3), mode)


def test_a_budget_is_shared_with_blocks_of_other_policies() -> None:
    """Stored tensors first; then in proportion, SuperWeights too."""
    shares = (
        shared(selector="glob", pattern="*.block1.*"),
        Share(Selector("glob", pattern="*.block2.*"), clusters=ONE),
        shared(selector="glob", pattern="*.block3.*"),
        Share(Selector("glob", pattern="m?.conv1"), "hard"),
    )
    graph = graph_of([(16, 2), (16, 2)], Budget("native", 0.5), *shares)
    native = [sum(num_scalars(one.shape) for one in graph.layers if one.share == n) for n in range(4)]
    left = int(0.5 * sum(native)) - num_scalars((16, 3, 3, 3))
    assert banks_of(graph) == [apportioned(left, native[:3])[0], apportioned(left, native[:3])[2]]
    assert count(graph).template_scalars + count(graph).tensor_scalars <= int(0.5 * sum(native))


@pytest.mark.parametrize(("mode", "budget", "needed"), [("bilinear", 8, 9), ("repeat", 0, 1)])
def test_a_bank_that_is_too_small_is_an_error(mode: str, budget: int, needed: int) -> None:
    with pytest.raises(DiagnosticError) as caught:
        graph_of([(10, 1)], Budget("templates", budget), shared(mode))
    (found,) = caught.value.diagnostics
    assert found.code == "SW414" and f"gets {budget} scalars" in found.message()
    assert f"needs {needed}" in found.message()
    assert ("repeat" in str(found.help())) == (mode == "bilinear")


def test_a_budget_that_private_parameters_eat_up_is_an_error() -> None:
    with pytest.raises(DiagnosticError) as caught:
        graph_of([(10, 1)], Budget("parameters", 100))
    assert [found.code for found in caught.value.diagnostics] == ["SW414"]


def test_what_no_layer_can_read_is_not_stored() -> None:
    context = context_of([(10, 1)], Budget("native", 20))
    graph = run_pipeline(context)
    assert [found.code for found in context.sink.diagnostics] == ["SW415"]
    assert count(graph).tensor_scalars == MOST_TEMPLATES * count(graph).native_scalars
    (found,) = context.sink.diagnostics
    assert f"only {count(graph).tensor_scalars:,}" in found.message() and found.help()


def test_the_verifier_knows_the_ends_of_a_bank() -> None:
    graph = graph_of([(10, 1)], Budget("native", 0.5))
    first, *others = graph.weights
    mix = mix_of(first.expression)
    for wrong in (evolve(mix, start=num_scalars(shape_of(mix.of))), evolve(mix, of=Stored("bank/0.0", (10,)))):
        with pytest.raises(InvariantError, match="pieces lie in their bank"):
            verify(evolve(graph, weights=(evolve(first, expression=wrong), *others)))


@pytest.mark.parametrize("kind", ["templates", "parameters"])
def test_the_smallest_budget_pays_for_templates_beside_banks_that_fill_it(kind: Any) -> None:
    """The larger the budget, the more of it goes to banks of flat numbers: it is not the sum of what was missing."""
    templates = Share(Selector("glob", "*.block2.*"), clusters=ONE)
    flat = shared(selector="glob", pattern="*.block3.*")
    nets: list[Net] = [(16, 1), (10, 2)]
    with pytest.raises(DiagnosticError) as caught:
        graph_of(nets, Budget(kind, 60_000), templates, flat)
    (error,) = caught.value.diagnostics
    assert isinstance(error, BudgetBelowMinimum)
    assert graph_of(nets, Budget(kind, error.smallest), templates, flat).banks
    with pytest.raises(DiagnosticError, match="SW407"):
        graph_of(nets, Budget(kind, error.smallest - 1), templates, flat)
