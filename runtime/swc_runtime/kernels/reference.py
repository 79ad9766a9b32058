"""The reference: composition and gradient statistics by torch's own operations.

Takes a plan; gives `TorchKernels`, and with `Kernels` what any other must do alike. Guarantees: works on every device
and in every dtype; other kernels are right where they agree with these.

Tensor names: S slots of a bank, K its templates, N its coefficient vectors, T scalars of a template.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from attrs import frozen
from torch import Tensor

from swc_runtime.compose import Compose, CompositionPlan, gather_rows


class Kernels(Protocol):
    """What an ensemble computes its weights with; lists are per bank, in the plan's order."""

    def compose(
        self,
        indices: Sequence[Tensor],
        templates: Sequence[Tensor],
        tables: Sequence[Tensor],
        dtype: torch.dtype | None = None,
    ) -> tuple[Tensor, ...]:
        """The plan's outputs from indices [S], templates [K, T] and tables [N, K], differentiable by the last two.

        They are rounded to `dtype` (None: the templates').
        """
        ...

    def slot_gradients(self, gradients: Sequence[Tensor], templates: Sequence[Tensor]) -> list[Tensor]:
        """Per bank dL/dalpha of each slot apart [S, K], in float64, from the gradients of the plan's outputs."""
        ...


@frozen
class TorchKernels:
    """One matrix product per bank, then copies; see `swc_runtime.compose`."""

    plan: CompositionPlan

    def compose(
        self,
        indices: Sequence[Tensor],
        templates: Sequence[Tensor],
        tables: Sequence[Tensor],
        dtype: torch.dtype | None = None,
    ) -> tuple[Tensor, ...]:
        """See `Kernels`."""
        made: tuple[Tensor, ...] = Compose.apply(self.plan, dtype, *indices, *templates, *tables)
        return made

    def slot_gradients(self, gradients: Sequence[Tensor], templates: Sequence[Tensor]) -> list[Tensor]:
        """See `Kernels`."""
        rows = gather_rows(self.plan, gradients, gradients[0])
        with torch.no_grad():
            return [(row @ bank.t()).double() for row, bank in zip(rows, templates, strict=True)]
