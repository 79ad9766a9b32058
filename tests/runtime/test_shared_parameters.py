"""Parameters that are no plain layer's weight: what is composed of them computes what it should, and learns."""

from __future__ import annotations

from math import prod
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from swc.compiler.driver import Compiled, compile_file
from swc.program.expressions import Combine, Concat, Expression, Product, Scale, Slice, Stored, Sum
from swc.program.program import Program
from torch import Tensor, nn
from torch.func import functional_call

from swc_runtime.carry.plain import plain_member
from swc_runtime.ensemble import Ensemble, build, state_parameters
from swc_runtime.members.build import initial_member

SPEC = """
ensemble tried {{
  data {data}
{members}
  budget {budget}
  {shares}
}}
"""
LABELS = torch.arange(6) % 10
TWO_TRANSFORMERS = ("Transformer, width: 16, depth: 1", "Transformer, width: 8, depth: 2")
VISION = "torchvision.models.vision_transformer:VisionTransformer, image_size: 32, patch_size: 16, num_heads: 2"
CASES = {
    "attention beside linear layers": (TWO_TRANSFORMERS, "share linear { clusters one } share attention"),
    "all of a transformer": (TWO_TRANSFORMERS, "share all { clusters one }"),
    "attention over other widths": (("Cross, width: 16", "Cross, width: 8"), "share attention { blocks grid }"),
    "attention by slices": (TWO_TRANSFORMERS, "share attention as slices"),
    "attention by rank one": (("Transformer, width: 8, depth: 1",) * 2, "share attention as rank_one"),
    "attention by low rank": (("Transformer, width: 8, depth: 1",) * 2, "share attention as low_rank(rank: 2)"),
    "parameters of its own": (
        ("Vision, width: 16", "Vision, width: 16"),
        'share "*.qkv" share "*.token" { clusters one } share "positions" as hard share "*.scale" as hard',
    ),
    "embeddings": (("Pixels, width: 16", "Pixels, width: 8"), "share embeddings share all"),
    "grouped": (("Odd, width: 8", "Odd, width: 4"), 'share conv share "*.grouped" share "*.depthwise"'),
    "transposed": (("Odd, width: 8", "Odd, width: 4"), 'share "*.up" { clusters one }'),
    "recurrent cells": (("Recurrent, width: 8", "Recurrent, width: 4"), 'share "*.weight_hh" { clusters one }'),
    "depthwise of our own family": (("mobilenet_v2",) * 2, 'share "*.conv.1.0"'),
    "a vision transformer of torchvision": (
        (
            f"{VISION}, num_layers: 1, hidden_dim: 16, mlp_dim: 32",
            f"{VISION}, num_layers: 1, hidden_dim: 8, mlp_dim: 16",
        ),
        'share all share "*.pos_embedding" as slices',
    ),
    "lists": (("Listed", "Listed"), 'share "*.listed.0" share "*.last" share linear as hard'),
}


def compiled_of(folder: Path, case: str) -> Compiled:
    """The spec of a case, compiled."""
    members, shares = CASES[case]
    lines = "\n".join(_line(number, *text.partition(",")) for number, text in enumerate(members))
    spec = folder / "tried.sw"
    budget = "unlimited" if " as " in shares else "90% of native"
    data = "cifar10" if "torchvision" in lines else "digits"
    text = SPEC.format(data=data, members=lines, budget=budget, shares=shares.replace(" share", "\n  share"))
    spec.write_text(text, encoding="utf-8")
    return compile_file(spec)


def _line(number: int, name: str, comma: str, arguments: str) -> str:
    if name == "mobilenet_v2":
        return f"  member m{number} = {name}()"
    path = name if ":" in name else f"support.parameter_nets:{name}"
    return f'  member m{number} = python("{path}"{comma}{arguments})'


@pytest.fixture(params=CASES)
def program(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setenv("SWC_CACHE", str(tmp_path / "cache"))
    return compiled_of(tmp_path, request.param).program


def images(program: Program, dtype: torch.dtype = torch.float64) -> Tensor:
    """Six random images."""
    return torch.randn(6, *program.data.image_shape, dtype=dtype, generator=torch.Generator().manual_seed(5))


def naive(expression: Expression, rows: dict[str, Tensor], tensors: dict[str, Tensor]) -> Tensor:
    """A weight, one expression after the other; the scalars of a block lie (outputs, kernel..., inputs)."""
    match expression:
        case Combine(slot, offset, shape):
            flat = rows[slot][offset : offset + prod(shape)]
            made = flat.reshape(shape[0], *shape[2:], shape[1]).movedim(-1, 1) if len(shape) > 1 else flat
        case Stored(tensor, _):
            made = tensors[tensor]
        case Slice(of, shape):
            made = naive(of, rows, tensors)[tuple(slice(size) for size in shape)]
        case Concat(axis, parts):
            made = torch.cat([naive(part, rows, tensors) for part in parts], axis)
        case Scale(of, outputs, inputs):
            made = naive(of, rows, tensors) * tensors[outputs][:, None] * tensors[inputs][None, :]
        case Sum((first, second)):
            made = naive(first, rows, tensors) + naive(second, rows, tensors)
        case Product(left, right, shape, factor):
            thin = naive(left, rows, tensors) * factor, naive(right, rows, tensors)
            made = torch.einsum("ir,rj->ij", *thin).reshape(shape)
        case _:
            raise AssertionError(f"no case has {expression}")
    return made


def naive_rows(program: Program, stored: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each slot's SuperWeight: the row of its bank's table that has its coefficient, times templates and gain."""
    tables = {bank.id: [c.id for c in program.coefficients if c.bank == bank.id] for bank in program.banks}
    return {
        slot.id: slot.gain
        * stored[f"coefficient/{slot.bank}"][tables[slot.bank].index(slot.coefficient)]
        @ stored[f"bank/{slot.bank}"]
        for slot in program.slots
    }


def naive_logits(ensemble: Ensemble, stored: dict[str, Tensor]) -> list[Tensor]:
    """Each member's logits, by torch's functional call of a module as its source makes it."""
    program = ensemble.program
    rows, tensors = naive_rows(program, stored), {plan.id: stored[f"tensor/{plan.id}"] for plan in program.tensors}
    found = []
    for member in program.members:
        name = member.name
        private = {one.path: stored[f"member/{name}/{one.path}"] for one in program.private if one.member == name}
        shared = {one.path: naive(one.expression, rows, tensors) for one in program.weights if one.member == name}
        module = without_dropout(initial_member(program, member, 0)).double().train(ensemble.training)
        found.append(functional_call(module, private | shared, (images(program),)))
    return found


def without_dropout(module: nn.Module) -> nn.Module:
    """The module, which draws nothing in training mode."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    return module


def loss_of(logits: list[Tensor]) -> Tensor:
    return torch.stack([F.cross_entropy(one, LABELS) for one in logits]).sum()


@pytest.mark.parametrize("mode", ["training", "eval"])
def test_gradients_are_those_of_a_naive_composition(program: Program, mode: str) -> None:
    ensemble = build(program, dtype=torch.float64).train(mode == "training")
    without_dropout(ensemble)
    parameters = state_parameters(ensemble)
    copies = {name: p.detach().clone().requires_grad_() for name, p in parameters.items()}
    expected = naive_logits(ensemble, copies)
    loss_of(expected).backward()
    with ensemble.step():
        logits = [ensemble.run(network, images(program))[0] for network in ensemble.networks]
        loss_of(logits).backward()
    for one, other in zip(logits, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)
    assert all(
        p.grad is not None for name, p in parameters.items() if name.startswith(("bank", "coefficient", "tensor"))
    )
    for name, parameter in parameters.items():
        wanted = copies[name].grad
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(found, torch.zeros_like(found) if wanted is None else wanted, rtol=1e-8, atol=1e-11)


def test_a_few_steps_lower_the_loss_and_the_plain_member_answers_the_same(program: Program) -> None:
    ensemble = build(program).train()
    optimiser = torch.optim.SGD(ensemble.parameters(), lr=0.05)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        with ensemble.step():
            loss = loss_of([ensemble.run(network, images(program, torch.float32))[0] for network in ensemble.networks])
            loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    with torch.no_grad():
        expected = ensemble.eval()(images(program, torch.float32))
        for number, logits in enumerate(expected):
            plain: nn.Module = plain_member(ensemble, number)
            torch.testing.assert_close(plain(images(program, torch.float32)), logits, rtol=1e-4, atol=1e-5)
            assert {path for path, _ in plain.named_parameters()} == {
                plan.path for plan in (*program.weights, *program.private) if plan.member == f"m{number}"
            }
