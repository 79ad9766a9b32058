"""The reference: composition and gradient statistics by torch's own operations.

Takes a plan; gives `TorchKernels`, and with `Kernels` what any other must do alike. Guarantees: works on every device
and in every dtype; other kernels are right where they agree with these.

Tensor names: S slots of a bank, K its templates, N its coefficient vectors, T scalars of a template.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from swc_runtime.weights.compose import Compose, StoredBanks, amplified, gains_of, gather_rows
from swc_runtime.weights.plan import CompositionPlan
from swc_runtime.weights.workspace import Workspace


class Kernels(Protocol):
    """What an ensemble computes its weights with; lists are per bank, in the plan's order."""

    def compose(self, stored: StoredBanks, dtype: torch.dtype | None = None) -> tuple[Tensor, ...]:
        """The plan's outputs, differentiable by templates and tables, rounded to `dtype` (None: the templates')."""
        ...

    def make(self, stored: StoredBanks, dtype: torch.dtype | None = None) -> tuple[Tensor, ...]:
        """As `compose`, but not differentiable, and in memory that the next call uses again."""
        ...

    def release(self) -> None:
        """Free the memory that `make` keeps; the next call allocates it again."""
        ...

    def pull(self, gradients: Sequence[Tensor | None], stored: StoredBanks) -> tuple[Tensor, ...]:
        """The gradients of the templates, then of the tables, from those of what `make` gave (None: zero).

        Gradients may stand where their outputs stood, if the plan calls them `replaceable`. The outputs are lost.
        """
        ...

    def slot_gradients(self, gradients: Sequence[Tensor], templates: Sequence[Tensor]) -> list[Tensor]:
        """Per bank dL/dalpha of each slot apart [S, K], in float64, from the gradients of the plan's outputs."""
        ...


class TorchKernels:
    """One matrix product per bank, then copies; see `weights.compose` and `weights.workspace`."""

    def __init__(self, plan: CompositionPlan) -> None:
        self.plan = plan
        self._workspace: Workspace | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the workspace, which a copy makes for itself."""
        return self.__dict__ | {"_workspace": None}

    def release(self) -> None:
        self._workspace = None

    def compose(self, stored: StoredBanks, dtype: torch.dtype | None = None) -> tuple[Tensor, ...]:
        tensors = (*stored.indices, *stored.templates, *stored.tables)
        made: tuple[Tensor, ...] = Compose.apply(self.plan, dtype, stored.gains, *tensors)
        return made

    def make(self, stored: StoredBanks, dtype: torch.dtype | None = None) -> tuple[Tensor, ...]:
        like = stored.templates[0].detach()
        dtype = dtype or like.dtype
        if self._workspace is None or not self._workspace.suits(like, dtype):
            self._workspace = None  # so that its memory is free before more is asked for
            with torch.inference_mode(False):  # training will use it too
                self._workspace = Workspace(self.plan, like, dtype)
        with torch.no_grad(), torch.autocast(device_type=like.device.type, enabled=False):
            self._workspace.make(stored)
        return self._workspace.outputs

    def pull(self, gradients: Sequence[Tensor | None], stored: StoredBanks) -> tuple[Tensor, ...]:
        if self._workspace is None:
            raise ValueError("pull was called without make")
        with torch.no_grad(), torch.autocast(device_type=stored.templates[0].device.type, enabled=False):
            return self._workspace.pull(gradients, stored)

    def slot_gradients(self, gradients: Sequence[Tensor], templates: Sequence[Tensor]) -> list[Tensor]:
        # Row s is g_s sum_k alpha_sk T_k, so dL/dalpha_sk = g_s <dL/drow_s, T_k>, whether or not the slot's vector is
        # tied.
        rows = gather_rows(self.plan, gradients, gradients[0])
        gains = [gains_of(bank, gradients[0].device) for bank in self.plan.banks]
        with torch.no_grad():
            return [amplified((r @ t.t()).double(), g) for r, t, g in zip(rows, templates, gains, strict=True)]
