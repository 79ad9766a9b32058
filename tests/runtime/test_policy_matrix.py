"""Every sharing policy over every kind of parameter: what it makes is right and learns, or it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from swc.compiler.driver import Compiled, compile_file
from swc.diagnostics import DiagnosticError
from swc.registry.policies import POLICIES

from swc_runtime.ensemble import Ensemble, build, state_parameters
from swc_runtime.weights.expressions.evaluate import evaluate

MEMBERS = {
    "t": "Transformer, width: 8, depth: 1",
    "v": "Vision, width: 8",
    "p": "Pixels, width: 8",
    "o": "Odd, width: 4",
}
KINDS = {
    "projections of attention": "t*.in_proj_weight",
    "outputs of attention": "t*.out_proj",
    "linear layers": "t*.linear1",
    "embeddings": "p*.values",
    "positions": "v*.positions",
    "class tokens": "v*.token",
    "a module's own matrix": "v*.qkv",
    "convolutions": "o*.down",
    "grouped convolutions": "o*.grouped",
    "depthwise convolutions": "o*.depthwise",
    "transposed convolutions": "o*.up",
}
VECTORS = ("hard", "slices")  # what can share vectors too
ARGUMENTS = {"low_rank": "(rank: 1)"}


def compiled_of(folder: Path, policy: str, *globs: str) -> Compiled:
    """Two members of each network, and a block for each glob."""
    members = "\n".join(
        f'  member {name}[2] = python("support.parameter_nets:{net}")'.replace(",", '",', 1).replace('")', ")")
        for name, net in MEMBERS.items()
    )
    shares = "\n".join(f'  share "{glob}" as {policy}{ARGUMENTS.get(policy, "")}' for glob in globs)
    path = folder / "matrix.sw"
    path.write_text(f"ensemble matrix {{\n  data digits\n{members}\n  budget unlimited\n{shares}\n}}\n", "utf-8")
    return compile_file(path)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWC_CACHE", str(tmp_path / "cache"))


def stepped(ensemble: Ensemble) -> None:
    """One step of plain descent on a batch."""
    images, labels = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(5)), torch.arange(6)
    optimiser = torch.optim.SGD(ensemble.parameters(), lr=0.1)
    with ensemble.step():
        logits = [ensemble.run(network, images)[0] for network in ensemble.networks]
        torch.stack([F.cross_entropy(one, labels) for one in logits]).sum().backward()
    optimiser.step()


@pytest.mark.parametrize("policy", [name for name in POLICIES.names if name != "none"])
def test_every_policy_makes_every_kind_of_parameter(tmp_path: Path, policy: str) -> None:
    compiled = compiled_of(tmp_path, policy, *KINDS.values())
    assert len(compiled.program.weights) == 2 * len(KINDS)
    ensemble = build(compiled.program).train()
    stored = {name: p.detach().clone() for name, p in state_parameters(ensemble).items()}
    for _ in range(2):  # a matrix that begins at zero lets the other one learn only from the second step on
        stepped(ensemble)
    parts = [name for name in stored if not name.startswith("member/")]
    assert not [name for name in parts if torch.equal(stored[name], state_parameters(ensemble)[name])]
    with torch.no_grad():
        made = ensemble.compose()
    assert [tuple(weight.shape) for weight in made] == [weight.shape for weight in compiled.program.weights]
    if policy != "superweights":
        tensors = {plan.id: tensor for plan, tensor in zip(compiled.program.tensors, ensemble.tensors, strict=True)}
        for plan, weight in zip(compiled.program.weights, made, strict=True):
            torch.testing.assert_close(weight, evaluate(plan.expression, {}, tensors))


@pytest.mark.parametrize("policy", [name for name in POLICIES.names if name not in ("none", *VECTORS)])
def test_a_vector_is_refused_by_what_makes_matrices(tmp_path: Path, policy: str) -> None:
    with pytest.raises(DiagnosticError) as caught:
        compiled_of(tmp_path, policy, "v*.scale")
    (found,) = caught.value.diagnostics
    assert found.code == "SW401"
    assert f"a vector, which `{policy}` does not make" in found.help() + "".join(found.obstacles)


def test_biases_are_shared_but_those_that_torch_reads_from_a_list(tmp_path: Path) -> None:
    """Of a transformer those of attention and of linear layers, not those of norms and of the classifier."""
    path = tmp_path / "e.sw"
    members = '  member t[2] = python("support.parameter_nets:Transformer", width: 8, depth: 1)\n'
    members += '  member r[2] = python("support.parameter_nets:Recurrent", width: 8)\n'
    path.write_text(f"ensemble e {{\n  data digits\n{members}  budget unlimited\n  share biases as hard\n}}\n", "utf-8")
    program = compile_file(path).program
    inner = "encoder.layers.0"
    assert [plan.path for plan in program.weights if plan.member == "t[0]"] == [
        "embed.bias",
        f"{inner}.self_attn.in_proj_bias",
        f"{inner}.self_attn.out_proj.bias",
        f"{inner}.linear1.bias",
        f"{inner}.linear2.bias",
    ]
    assert [plan.path for plan in program.weights if plan.member == "r[0]"] == []
    assert {plan.start for plan in program.tensors} == {"zeros"}
    assert build(program)(torch.zeros(2, 1, 8, 8)).shape == (4, 2, 10)
