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
from attrs import frozen
from torch import Tensor

from swc_runtime.weights.compose import (
    StoredBanks,
    empty_output,
    gathered,
    pull_rows,
    put_gradient,
    standing,
    visible,
    whole_view,
)
from swc_runtime.weights.plan import Block, CompositionPlan

ALIGNED = 64  # scalars between which banks begin: products round otherwise where memory is not aligned


@frozen(eq=False)
class BlockViews:
    """Views of a block: `row` is what is visible of it in its bank's rows, `part` where it stands in the output."""

    output: int
    block: Block
    row: Tensor
    part: Tensor
    is_loose: bool


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
        # Views of memory that stays are taken once: for blocks of small layers that costs more than to copy them.
        self._rows = [self._rows_of(number) for number in range(len(plan.banks))]
        self._kept = [
            like.new_empty((bank.num_kept, bank.size), dtype=dtype) if self._rounds else self._rows[number]
            for number, bank in enumerate(plan.banks)
        ]
        self.outputs = tuple(
            # .data: a view that counts its own changes, so that a gradient in one place leaves the others good
            whole_view(self._kept, output).data if output.is_view else empty_output(output, like, dtype)
            for output in plan.outputs
        )
        self._blocks = [self._stand(number) for number in range(len(plan.banks))]
        self._loose = [[self._rows[number][row] for row in sorted(rows)] for number, rows in enumerate(plan.loose)]

    def suits(self, like: Tensor, dtype: torch.dtype) -> bool:
        """Whether it is for such templates and weights of such a dtype."""
        made = self.outputs[0]
        return (made.dtype, self._products.dtype, made.device) == (dtype, like.dtype, like.device)

    def _rows_of(self, number: int) -> Tensor:
        bank = self._plan.banks[number]
        size = len(bank.slots) * bank.size
        return self._products[self._starts[number] : self._starts[number] + size].view(len(bank.slots), bank.size)

    def _stand(self, number: int) -> tuple[BlockViews, ...]:
        rows_ST, loose = self._rows[number], self._plan.loose[number]
        return tuple(
            BlockViews(
                output, block, visible(rows_ST, block), self.outputs[output][standing(block)], block.row in loose
            )
            for output, block in self._plan.places[number]
        )

    def make(self, stored: StoredBanks) -> None:
        """Compose into `outputs`: rows [S, T] = A [S, K] @ templates [K, T] per bank, then placed.

        A are the slots' rows of the table, each times its gain.
        """
        for number, (index, bank, table, gains) in enumerate(stored.by_bank()):
            rows_ST = self._rows[number]
            torch.mm(gathered(index, table, gains), bank, out=rows_ST)
            if self._rounds:
                self._kept[number].copy_(rows_ST[: len(self._kept[number])])
            for each in self._blocks[number]:
                if not self._plan.outputs[each.output].is_view:
                    each.part.copy_(each.row)
        torch.autograd.graph.increment_version(self.outputs)  # backward passes of the step before would be wrong now

    def pull(self, gradients: Sequence[Tensor | None], stored: StoredBanks) -> tuple[Tensor, ...]:
        """The gradients of the templates, then of the tables; the weights are gone after it."""
        pairs: list[tuple[Tensor, Tensor]] = []
        for number, parts in reversed(list(enumerate(stored.by_bank()))):
            self._fill(number, gradients)
            pairs.append(pull_rows(self._rows[number], *parts))
        pairs.reverse()
        torch.autograd.graph.increment_version(self.outputs)
        return (*(bank for bank, _ in pairs), *(table for _, table in pairs))

    def _fill(self, number: int, gradients: Sequence[Tensor | None]) -> None:
        """`compose.fill_rows`, by views that are there already."""
        for row in self._loose[number]:
            row.zero_()
        for each in self._blocks[number]:
            gradient = gradients[each.output]
            part = each.part if gradient is self.outputs[each.output] else _part(gradient, each.block)
            put_gradient(each.row, part, each.is_loose)


def _part(gradient: Tensor | None, block: Block) -> Tensor | None:
    return None if gradient is None else gradient[standing(block)]
