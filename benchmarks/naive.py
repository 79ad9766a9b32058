"""Composition written layer by layer, as one would without a compiler: what the product per bank is compared with.

Takes an ensemble; gives the composed weights, differentiable. Each layer multiplies its own coefficients with its own
bank's templates and puts its blocks together; autograd does the rest. The sum over templates is written out, as the
method states it, or is a product of a row and a matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from swc.program.expressions import Combine, Concat, Expression, Slice
from torch import Tensor

from swc_runtime.ensemble import Ensemble


def written_out(row: Tensor, templates: Tensor) -> Tensor:
    """The SuperWeight [T] of coefficients [K] and templates [K, T], term by term."""
    return (row[:, None] * templates).sum(0)


def as_product(row: Tensor, templates: Tensor) -> Tensor:
    """The SuperWeight [T] of coefficients [K] and templates [K, T], as a product of matrices."""
    return row @ templates


def naive_weights(ensemble: Ensemble, combine: Callable[[Tensor, Tensor], Tensor] = written_out) -> list[Tensor]:
    """All composed weights in the program's order, each slot made by `combine`."""
    program = ensemble.program
    rows = {
        slot: table[row] if gain == 1 else table[row] * gain
        for bank, table in zip(ensemble.plan.banks, ensemble.coefficients, strict=True)
        for slot, row, gain in zip(bank.slots, bank.index, bank.gains or (1.0,) * len(bank.slots), strict=True)
    }
    templates = {
        slot: bank for rows_of, bank in zip(ensemble.plan.banks, ensemble.banks, strict=True) for slot in rows_of.slots
    }
    made: dict[str, Tensor] = {}

    def value(expression: Expression) -> Tensor:
        match expression:
            case Combine(slot, offset, shape):
                if slot not in made:
                    made[slot] = combine(rows[slot], templates[slot])
                flat = made[slot][offset : offset + prod(shape)]
                return flat.view(shape[0], *shape[2:], shape[1]).movedim(-1, 1)
            case Slice(of, shape):
                return value(of)[tuple(slice(size) for size in shape)]
            case Concat(axis, parts):
                return torch.cat([value(part) for part in parts], dim=axis)
            case _:
                raise ValueError(f"not made of template blocks: {expression}")

    return [value(weight.expression) for weight in program.weights]
