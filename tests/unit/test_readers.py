"""Stored tensors as clusters of the layers that read them, as pictures show them."""

from __future__ import annotations

from attrs import evolve
from swc.compiler.ir.graph import Graph
from swc.compiler.passes.pipeline import run_pipeline
from swc.program.spec import Budget, Clusters, Selector, Share
from swc.show.readers import readers_of, with_readers

from support.wrn_shapes import UNLIMITED, wrn_context

CONV = Selector("conv", "")


def graph_of(budget: Budget, *shares: Share) -> Graph:
    context = wrn_context([(10, 1), (10, 1)], budget)
    return run_pipeline(evolve(context, spec=evolve(context.spec, shares=shares)))


def test_layers_of_one_tensor_are_a_cluster() -> None:
    graph = with_readers(graph_of(UNLIMITED, Share(CONV, "hard")))
    assert len(graph.clusters) == len(graph.layers) // 2
    first = graph.clusters[0]
    assert (first.id, first.label, first.layers) == ("c0", "tensor m0.conv1", ("m0.conv1", "m1.conv1"))


def test_a_tensor_that_one_layer_reads_is_none() -> None:
    shifted = Share(CONV, "shapeshifter", Clusters("depth", 3), arguments=(("upsample", "bilinear"),))
    graph = graph_of(Budget("native", 0.5), shifted)
    assert [cluster.label for cluster in with_readers(graph).clusters] == [f"tensor bank/0.{n}" for n in range(3)]
    alone = [tensor for tensor, layers in readers_of(graph).items() if len(layers) == 1]
    assert len(alone) == len(graph.layers) and all(tensor.endswith("/coefficients") for tensor in alone)


def test_clusters_of_templates_come_first_and_stay() -> None:
    stem = Share(Selector("glob", "m?.conv1"), "hard")
    graph = graph_of(Budget("native", 0.5), Share(Selector("glob", "m?.block*")), stem)
    found = with_readers(graph)
    assert found.clusters[:-1] == graph.clusters and found.clusters[-1].label == "tensor m0.conv1"
    assert len({cluster.id for cluster in found.clusters}) == len(found.clusters)
