"""TabM as a spec: the counts, the start and the losses of the authors' package (tabm 0.0.3)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from swc.compiler.driver import Compiled, compile_spec
from swc.compiler.frontend.read import read_members
from swc.compiler.ir.counts import count
from swc.compiler.ir.text import parse_graph, print_graph
from swc.diagnostics import Sink
from swc.files.codec import decode, encode
from swc.language.semantics.check import check_text
from swc.program.expressions import Scale, Stored
from swc.program.program import Program
from torch import Tensor, nn

from swc_runtime.ensemble import Ensemble, build, state_parameters
from swc_runtime.training.optimiser import make_optimiser, set_learning_rate

TEXT = (Path(__file__).parents[2] / "specs/tabm.sw").read_text(encoding="utf-8")
# `sum(p.numel() for p in tabm.TabM.make(n_num_features=64, d_out=10, d_block=128, k=32, arch_type=...).parameters())`
PUBLISHED = {"tabm": 117_056, "tabm_mini": 84_672, "tabm_packed": 1_364_288}
SMALL = TEXT.replace("width = 128", "width = 12").replace("m[32]", "m[3]").replace("dropout: 0.1", "dropout: 0")


def compiled_of(ensemble: str, text: str = TEXT) -> Compiled:
    spec = check_text(text, "tabm.sw", ensemble)
    return compile_spec(spec, read_members(spec, Sink()))


@pytest.mark.parametrize("ensemble", PUBLISHED)
def test_parameters_are_counted_as_in_the_package(ensemble: str) -> None:
    assert count(compiled_of(ensemble).graph).parameter_scalars == PUBLISHED[ensemble]


def test_vectors_start_as_signs_at_the_first_layer_alone() -> None:
    graph = compiled_of("tabm", SMALL).graph
    starts = {tensor.id: tensor.start for tensor in graph.tensors if tensor.role == "fast_weights"}
    assert {name for name, start in starts.items() if start == "signs"} == {f"m[{n}].first/inputs" for n in range(3)}
    assert {starts[name] for name in starts if not name.endswith("first/inputs")} == {"ones"}
    assert {tensor.start for tensor in graph.tensors if tensor.role == "tensors"} == {"uniform"}
    shared = state_parameters(build(compiled_of("tabm", SMALL).program))["tensor/m[0].first"]
    assert 0.1 < shared.abs().max() <= 64**-0.5


def test_biases_of_all_members_begin_alike_and_part() -> None:
    compiled = compiled_of("tabm", SMALL)
    assert parse_graph(print_graph(compiled.graph)) == compiled.graph
    assert decode(encode(compiled.program), Program) == compiled.program
    ensemble = build(compiled.program)
    parameters = [dict(member.named_parameters()) for member in ensemble.members]
    for name in ("first.bias", "hidden.0.bias", "hidden.1.bias"):
        assert parameters[0][name].any()
        assert torch.equal(parameters[0][name], parameters[2][name])
        assert parameters[0][name].data_ptr() != parameters[2][name].data_ptr()
    assert not torch.equal(parameters[0]["head.bias"], parameters[2]["head.bias"])
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    sum((out.square() * (n + 1)).sum() for n, out in enumerate(ensemble(images))).backward()
    gradients = [own["hidden.0.bias"].grad for own in parameters]
    assert not torch.allclose(gradients[0], gradients[2])


def test_the_small_form_has_vectors_on_one_side_alone() -> None:
    compiled = compiled_of("tabm_mini", SMALL)
    found = {weight.layer: weight.expression for weight in compiled.graph.weights}
    assert found["m[1].first"] == Scale(Stored("m[0].first", (12, 64)), "", "m[1].first/inputs")
    assert found["m[1].hidden.0.bias"] == Stored("m[0].hidden.0.bias", (12,))
    assert parse_graph(print_graph(compiled.graph)) == compiled.graph
    assert decode(encode(compiled.program), Program) == compiled.program
    ensemble = build(compiled.program)
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ensemble(images)[1], naive(ensemble, 1, images))


def naive(ensemble: Ensemble, number: int, images: Tensor) -> Tensor:
    """The logits of a member of the small form, layer by layer."""
    stored, name = state_parameters(ensemble), f"member/m[{number}]/head"
    made = images.flatten(1) * stored[f"tensor/m[{number}].first/inputs"]
    for layer in ("first", "hidden.0", "hidden.1"):
        made = torch.relu(made @ stored[f"tensor/m[0].{layer}"].t() + stored[f"tensor/m[0].{layer}.bias"])
    return made @ stored[f"{name}.weight"].t() + stored[f"{name}.bias"]


@pytest.mark.peers
@pytest.mark.skipif(find_spec("tabm") is None, reason="needs tabm")
@pytest.mark.parametrize("ensemble", PUBLISHED)
def test_from_the_same_start_losses_are_those_of_the_package(ensemble: str) -> None:
    import tabm

    compiled = compiled_of(ensemble, SMALL)
    own = build(compiled.program).train()
    kind = ensemble.replace("_", "-")
    theirs = tabm.TabM.make(n_num_features=64, d_out=10, d_block=12, dropout=0.0, k=3, arch_type=kind).train()
    assert sum(p.numel() for p in theirs.parameters()) == sum(p.numel() for p in own.parameters())
    copy_start(own, theirs)
    assert compiled.spec.training is not None
    optimiser = make_optimiser(own, compiled.spec.training.recipe)
    set_learning_rate(optimiser, 2e-3)
    published = torch.optim.AdamW(theirs.parameters(), lr=2e-3, weight_decay=3e-4)
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(16, 64, generator=generator), torch.randint(10, (16,), generator=generator)
    losses = []
    for _ in range(50):
        expected = F.cross_entropy(theirs(images).flatten(0, 1), labels.repeat_interleave(3))
        published.zero_grad()
        expected.backward()
        published.step()
        losses.append(step(own, optimiser, images, labels))
        assert losses[-1] == pytest.approx(expected.item(), abs=1e-4)
    assert losses[-1] < losses[0] - 0.3


def step(ensemble: Ensemble, optimiser: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> float:
    """A step on the mean of the members' losses, which is given back."""
    optimiser.zero_grad()
    with ensemble.step():
        logits = [ensemble.run(network, images.view(-1, 1, 8, 8))[0] for network in ensemble.networks]
        loss = torch.stack([F.cross_entropy(one, labels) for one in logits]).mean()
        loss.backward()
    optimiser.step()
    return loss.item()


@torch.no_grad()
def copy_start(ensemble: Ensemble, theirs: nn.Module) -> None:
    """Give the package's model all that ours begins with."""
    stored, members = state_parameters(ensemble), range(len(ensemble.members))
    theirs_by_name = dict(theirs.named_parameters())

    def of_members(path: str) -> Tensor:
        return torch.stack([stored.get(f"member/m[{n}]/{path}", stored.get(f"tensor/m[0].{path}")) for n in members])

    for number, layer in enumerate(("first", "hidden.0", "hidden.1")):
        given = {"bias": of_members(f"{layer}.bias")}
        for side, name in (("inputs", "r"), ("outputs", "s")):
            if f"tensor/m[0].{layer}/{side}" in stored:
                given[name] = torch.stack([stored[f"tensor/m[{n}].{layer}/{side}"] for n in members])
        shared = stored.get(f"tensor/m[0].{layer}")
        # that of the package has a weight [members, inputs, outputs] where nothing is shared
        given["weight"] = of_members(f"{layer}.weight").transpose(1, 2) if shared is None else shared
        for name, value in given.items():
            target = theirs_by_name.get(
                f"backbone.blocks.{number}.0.{name}", theirs_by_name.get("backbone.affine.weight")
            )
            assert target is not None
            target.copy_(value if value.shape == target.shape else value[0])
    theirs_by_name["output.weight"].copy_(of_members("head.weight").transpose(1, 2))
    theirs_by_name["output.bias"].copy_(of_members("head.bias"))
