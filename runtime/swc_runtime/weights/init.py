"""How templates, coefficients and stored tensors begin.

Takes a `Program` and its seed, gives tensors on the CPU in float32. Guarantees: what is drawn for an id depends on
the seed and that id alone, so that one bank's start does not depend on the others.
"""

from __future__ import annotations

from math import sqrt

import torch
from swc.program.program import BankPlan, Program, SlotPlan, TensorPlan
from torch import Tensor, nn

from swc_runtime.members.seeds import derived_seed

RELEASE_FAN_IN = 9  # the authors' release draws every template as for one 3x3 filter


def _generator(seed: int, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(derived_seed(seed, name))


def initial_templates(bank: BankPlan, seed: int) -> Tensor:
    """Templates [num_templates, template_size], Kaiming-normal for ReLU with the bank's fan-in.

    `release` takes a fan-in of 9 for every bank, as the authors' release does.
    """
    fan_in = RELEASE_FAN_IN if bank.initialisation == "release" else bank.fan_in
    # With coefficients of norm one a weight sum_k a_k T_k has the variance of one template, 2 / fan_in (He et al.,
    # 2015).
    drawn = torch.randn(bank.num_templates, bank.template_size, generator=_generator(seed, f"bank/{bank.id}"))
    return drawn * sqrt(2 / fan_in)


def initial_tensor(tensor: TensorPlan, seed: int) -> Tensor:
    """A stored tensor as its plan says.

    Kaiming-normal for ReLU; `uniform` within 1 / sqrt(fan-in), as torch's own layers begin; normal with a deviation of
    1; random signs; a random direction; ones or zeros.
    """
    generator = _generator(seed, f"tensor/{tensor.id}")
    match tensor.start:
        case "kaiming":
            made = torch.randn(tensor.shape, generator=generator) * sqrt(2 / tensor.fan_in)
        case "uniform":
            made = (torch.rand(tensor.shape, generator=generator) * 2 - 1) / sqrt(tensor.fan_in)
        case "normal":
            made = torch.randn(tensor.shape, generator=generator)
        case "signs":
            made = torch.randint(2, tensor.shape, generator=generator).float() * 2 - 1
        case "direction":
            made = nn.functional.normalize(torch.randn(tensor.shape, generator=generator), dim=0)
        case "ones":
            made = torch.ones(tensor.shape)
        case "zeros":
            made = torch.zeros(tensor.shape)
    return made


def initial_tables(program: Program, seed: int) -> list[Tensor]:
    """Per bank the coefficients [num_coefficients, num_templates], rows in program order, each of norm one.

    For each (member, bank) the slots take the rows of an orthogonal matrix (paper, supplementary section 1); a
    coefficient vector that several slots share takes the row of its first slot. Where that slot has a `start_scale`,
    the norm is that.
    """
    return [_table(program, bank, seed) for bank in program.banks]


def _table(program: Program, bank: BankPlan, seed: int) -> Tensor:
    slots = [slot for slot in program.slots if slot.bank == bank.id]
    rows = _slot_rows(slots, bank, seed)
    first = {slot.coefficient: slot.id for slot in reversed(slots)}
    names = [c.id for c in program.coefficients if c.bank == bank.id]
    return torch.stack([rows[first[name]] for name in names])


def _slot_rows(slots: list[SlotPlan], bank: BankPlan, seed: int) -> dict[str, Tensor]:
    rows: dict[str, Tensor] = {}
    for member in dict.fromkeys(slot.member for slot in slots):
        own = [slot.id for slot in slots if slot.member == member]
        matrix = torch.empty(len(own), bank.num_templates)
        nn.init.orthogonal_(matrix, generator=_generator(seed, f"coefficient/{member}/{bank.id}"))
        rows |= dict(zip(own, matrix / matrix.norm(dim=1, keepdim=True), strict=True))
    scales = {slot.id: slot.start_scale for slot in slots}
    return {name: row if scales[name] == 1 else row * scales[name] for name, row in rows.items()}
