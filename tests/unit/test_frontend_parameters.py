"""Which parameters can be shared, what their axes mean, and why the others cannot be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from swc.compiler.frontend.parameters import table_of
from swc.compiler.passes.select import EMBEDDING_FAN_IN, PLAIN_FAN_IN, fan_in
from swc.program.layer_table import LayerTable, ParameterRow, are_same_members
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from support import parameter_nets as nets
from support.rows import bias, head, weight

BY_NAME = "shared only where named"


def rows_of(module: nn.Module) -> dict[str, ParameterRow]:
    return {row.name: row for row in table_of(module, 10).parameters}


def test_every_parameter_is_listed_once_in_torchs_order() -> None:
    for module in (nets.Transformer(8, 2), nets.Vision(8), nets.Odd(4), nets.Listed(), nets.Recurrent(4)):
        assert [*rows_of(module)] == [name for name, _ in module.named_parameters()]


def test_attention_has_projections_and_an_output_layer() -> None:
    rows = rows_of(nets.Transformer(16, 1))
    start = "encoder.layers.0.self_attn"
    inputs, outputs = rows[f"{start}.in_proj_weight"], rows[f"{start}.out_proj.weight"]
    assert (inputs.kind, inputs.path, inputs.owner) == ("projection", f"{start}.in_proj_weight", start)
    assert (outputs.kind, outputs.path, outputs.owner) == ("linear", f"{start}.out_proj", f"{start}.out_proj")
    assert inputs.axes == outputs.axes == ("outputs", "inputs")
    assert inputs.part_of == outputs.part_of == "attention"
    assert rows["encoder.layers.0.linear1.weight"].part_of == ""
    assert fan_in(inputs) == 16
    cross = rows_of(nets.Cross(16))
    assert [name for name, row in cross.items() if row.kind == "projection"] == [
        f"attend.{which}_proj_weight" for which in "qkv"
    ]
    assert cross["attend.bias_k"].obstacle == "bias"


def test_axes_of_odd_convolutions_give_their_fan_in() -> None:
    rows = rows_of(nets.Odd(8))
    assert rows["grouped.weight"].aside == "grouped convolution"
    assert rows["depthwise.weight"].aside == "depthwise convolution"
    assert rows["up.weight"].aside == "transposed convolution"
    assert rows["up.weight"].axes == ("inputs", "outputs", "kernel", "kernel")
    assert [fan_in(rows[f"{name}.weight"]) for name in ("stem", "grouped", "depthwise", "up")] == [9, 36, 9, 32]


def test_what_sums_no_inputs_has_a_fan_in_that_gives_its_deviation() -> None:
    embedding, plain = rows_of(nets.Pixels(8))["values.weight"], rows_of(nets.Vision(8))["positions"]
    assert (embedding.kind, embedding.axes, fan_in(embedding)) == ("embedding", ("inputs", "outputs"), EMBEDDING_FAN_IN)
    assert (plain.kind, plain.axes, fan_in(plain)) == ("plain", ("plain", "plain"), PLAIN_FAN_IN)
    assert (plain.obstacle, plain.aside) == ("", BY_NAME)
    assert (2 / EMBEDDING_FAN_IN) ** 0.5 == 1
    assert pytest.approx(0.02) == (2 / PLAIN_FAN_IN) ** 0.5


def frozen() -> nn.Module:
    module = nn.Linear(4, 4, bias=False)
    module.weight.requires_grad_(False)
    return module


def pruned() -> nn.Module:
    module = nn.Linear(4, 4, bias=False)
    prune.random_unstructured(module, "weight", 0.5)
    return module


def holding(parameter: torch.Tensor) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        module = nn.Module()
        module.held = nn.Parameter(parameter)
        return module

    return make


REFUSED: dict[str, tuple[Callable[[], nn.Module], set[str]]] = {
    "LSTM": (lambda: nn.LSTM(4, 4), {"recurrent layer: torch reads its weights from a list that it made once", "bias"}),
    "GRU": (lambda: nn.GRU(4, 4), {"recurrent layer: torch reads its weights from a list that it made once", "bias"}),
    "padding": (lambda: nn.Embedding(4, 4, padding_idx=0), {"embedding with a padding row, which must stay as it is"}),
    "max_norm": (lambda: nn.Embedding(4, 4, max_norm=1.0), {"embedding with max_norm, which writes into its weight"}),
    "sparse": (lambda: nn.EmbeddingBag(4, 4, sparse=True), {"embedding with sparse gradients"}),
    "frozen": (frozen, {"weight is frozen"}),
    "new weight_norm": (lambda: parametrizations.weight_norm(nn.Linear(4, 4, bias=False)), {"weight is parametrised"}),
    "old weight_norm": (lambda: weight_norm(nn.Linear(4, 4, bias=False)), {"weight is parametrised"}),
    "old spectral_norm": (lambda: spectral_norm(nn.Linear(4, 4, bias=False)), {"weight is parametrised"}),
    "pruned": (pruned, {"weight is parametrised"}),
    "parametrised projection": (
        lambda: parametrizations.orthogonal(nn.MultiheadAttention(4, 1, bias=False), "in_proj_weight").requires_grad_(),
        {"in_proj_weight is parametrised", ""},
    ),
    "double": (holding(torch.zeros(2, 2, dtype=torch.float64)), {"held holds numbers of torch.float64"}),
    "complex": (holding(torch.zeros(2, 2, dtype=torch.complex64)), {"held holds numbers of torch.complex64"}),
    "single": (holding(torch.tensor(1.0)), {"held is a single number"}),
    "empty": (holding(torch.zeros(0, 3)), {"held is empty"}),
    "norm": (lambda: nn.LayerNorm(4), {"normalisation"}),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_shared_says_its_true_reason(name: str) -> None:
    make, reasons = REFUSED[name]
    assert {row.obstacle for row in rows_of(nn.ModuleDict({"inner": make()})).values()} == reasons


def test_tied_embeddings_stay_private() -> None:
    module = nn.ModuleDict({"words": nn.Embedding(6, 4), "out": nn.Linear(4, 6, bias=False)})
    module["out"].weight = module["words"].weight
    assert {row.obstacle for row in rows_of(module).values()} == {"tied to another module"}


def test_tables_of_older_versions_are_of_the_same_members() -> None:
    depthwise = weight("b", "grouped", (8, 1, 3, 3), aside="depthwise convolution")
    new = LayerTable("m", (weight("a", "conv", (8, 8, 3, 3)), depthwise, *head("c", 10, 8)))
    old_rows = (
        weight("a", "conv", (8, 8, 3, 3)),
        weight("b", "conv", (8, 1, 3, 3), obstacle="depthwise convolution"),
        *head("c", 10, 8),
    )
    assert are_same_members((new,), (LayerTable("m", old_rows),))
    assert not are_same_members((new,), (LayerTable("m", old_rows[:-1]),))
    assert not are_same_members((new,), (LayerTable("other", old_rows),))
    assert not are_same_members((new,), (new, new))
    changed = (weight("a", "conv", (8, 8, 3, 3), obstacle="tied to another module"), *old_rows[1:])
    assert not are_same_members((new,), (LayerTable("m", changed),))
    assert not are_same_members((LayerTable("m", (bias("a", 8),)),), (LayerTable("m", (bias("a", 9),)),))
