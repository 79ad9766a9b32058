"""Spectra of summed gradients: how much each further template of a bank could take up.

Takes the sums that `probe` made and a program; gives energies by bank, for the allocation `optimal(profiled)`.
Guarantees: it only reads what `probe` summed.
"""

from __future__ import annotations

import torch
from swc.program.feedback import Spectrum
from swc.program.program import Program
from torch import Tensor

from swc_runtime.measure.probe import GradientSums
from swc_runtime.measure.similarity import CHUNK
from swc_runtime.weights.compose import gather_rows
from swc_runtime.weights.plan import plan_composition


def measure_spectra(sums: GradientSums, program: Program) -> tuple[Spectrum, ...]:
    """Per bank of `program` the energies of its slots' summed gradients: squared singular values, falling.

    `program` may be another than the one measured, say the one after a split: only its layers must be the same
    (KeyError otherwise). One number per slot, at most the template's size.
    """
    plan = plan_composition(program)
    totals = [sums.groups[program.weights[n].layer].sum(0) for n in plan.direct]
    if not totals:
        return ()
    rows = gather_rows(plan, totals, totals[0])
    return tuple(Spectrum(bank.id, _energies(row)) for bank, row in zip(plan.banks, rows, strict=True))


def _energies(rows_ST: Tensor) -> tuple[float, ...]:
    num_slots = len(rows_ST)
    gram = torch.zeros(num_slots, num_slots, dtype=torch.float64, device=rows_ST.device)
    for part in torch.split(rows_ST, CHUNK // num_slots, dim=1):
        gram.addmm_(part.double(), part.double().t())
    energies = torch.linalg.eigvalsh(gram).clamp(min=0).flip(0)
    return tuple(energies.tolist()[: rows_ST.shape[1]])
