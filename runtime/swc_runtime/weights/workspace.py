"""The memory of a training step's composed weights and of their gradients, kept from step to step.

Takes a plan; gives its outputs in the same memory each time, and carries gradients back through the same memory.
Guarantees: the same bits as `swc_runtime.weights.compose`; nothing that grows with the weights is allocated again in
later steps, which on a CPU costs as much as the arithmetic does.

Tensor names: S slots of a bank, K its templates, N its coefficient vectors, T scalars of a template.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from swc_runtime.weights.compose import (
    StoredBanks,
    empty_output,
    fill_rows,
    gathered,
    pull_rows,
    standing,
    visible,
    whole_view,
)
from swc_runtime.weights.plan import CompositionPlan

ALIGNED = 64  # scalars between which banks begin: products round otherwise where memory is not aligned


class Workspace:
    """Rows and assembled weights of one step, in `dtype`; products are taken in that of `like`.

    Rows lie bank after bank, and in each those that weights are views of come first. The other rows are read out at
    once, so that the next bank may lie over them; going back the banks are taken in the opposite order, so that they
    are free again. Where weights are rounded, products have memory of their own, that of the largest bank.
    """

    def __init__(self, plan: CompositionPlan, like: Tensor, dtype: torch.dtype) -> None:
        self._plan, self._rounds = plan, dtype != like.dtype
        self._starts = [0] * len(plan.banks)
        if not self._rounds:
            sizes = (-(-bank.num_kept * bank.size // ALIGNED) * ALIGNED for bank in plan.banks)
            self._starts = list(accumulate(sizes, initial=0))[:-1]
        ends = [start + len(bank.slots) * bank.size for start, bank in zip(self._starts, plan.banks, strict=True)]
        self._products = like.new_empty(max(ends, default=0))
        self._kept = [
            like.new_empty((bank.num_kept, bank.size), dtype=dtype) if self._rounds else self._rows(number)
            for number, bank in enumerate(plan.banks)
        ]
        self.outputs = tuple(
            # .data: a view that counts its own changes, so that a gradient in one place leaves the others good
            whole_view(self._kept, output).data if output.is_view else empty_output(output, like, dtype)
            for output in plan.outputs
        )
        self._assembled = [[(n, block) for n, block in places if not plan.outputs[n].is_view] for places in plan.places]

    def suits(self, like: Tensor, dtype: torch.dtype) -> bool:
        """Whether it is for such templates and weights of such a dtype."""
        made = self.outputs[0]
        return (made.dtype, self._products.dtype, made.device) == (dtype, like.dtype, like.device)

    def _rows(self, number: int) -> Tensor:
        bank = self._plan.banks[number]
        size = len(bank.slots) * bank.size
        return self._products[self._starts[number] : self._starts[number] + size].view(len(bank.slots), bank.size)

    def make(self, stored: StoredBanks) -> None:
        """Compose into `outputs`: rows [S, T] = A [S, K] @ templates [K, T] per bank, then placed.

        A are the slots' rows of the table, each times its gain.
        """
        for number, (index, bank, table, gains) in enumerate(stored.by_bank()):
            rows_ST = self._rows(number)
            torch.mm(gathered(index, table, gains), bank, out=rows_ST)
            if self._rounds:
                self._kept[number].copy_(rows_ST[: len(self._kept[number])])
            for output, block in self._assembled[number]:
                self.outputs[output][standing(block)].copy_(visible(rows_ST, block))
        torch.autograd.graph.increment_version(self.outputs)  # backward passes of the step before would be wrong now

    def pull(self, gradients: Sequence[Tensor | None], stored: StoredBanks) -> tuple[Tensor, ...]:
        """The gradients of the templates, then of the tables; the weights are gone after it."""
        pairs: list[tuple[Tensor, Tensor]] = []
        for number, parts in reversed(list(enumerate(stored.by_bank()))):
            rows_ST = self._rows(number)
            fill_rows(self._plan, number, gradients, rows_ST)
            pairs.append(pull_rows(rows_ST, *parts))
        pairs.reverse()
        torch.autograd.graph.increment_version(self.outputs)
        return (*(bank for bank, _ in pairs), *(table for _, table in pairs))
