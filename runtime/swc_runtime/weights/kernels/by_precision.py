"""Kernels for every precision of composed weights, under one name.

Takes what makes kernels for one precision; gives `KernelsByPrecision`. Guarantees: weights rounded to bfloat16 are
written as such by the kernels themselves, and their gradients read as they are; memory is kept for one precision at a
time; what is pulled back is what was made last.

"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from swc_runtime.weights.compose import StoredBanks
from swc_runtime.weights.kernels.reference import Kernels


class KernelsByPrecision:
    """The kernels of each type of weights; `make(weights)` builds those of one type (None: the templates' own).

    Those of the templates' own type are built at once, so that their errors come here; the others on first use.
    """

    def __init__(self, make: Callable[[torch.dtype | None], Kernels]) -> None:
        self._make = make
        self._made: dict[torch.dtype | None, Kernels] = {None: make(None)}
        self._last: Kernels = self._made[None]

    def _of(self, dtype: torch.dtype | None) -> Kernels:
        weights = torch.bfloat16 if dtype is torch.bfloat16 else None
        if weights not in self._made:
            self._made[weights] = self._make(weights)
        return self._made[weights]

    def compose(self, stored: StoredBanks, dtype: torch.dtype | None = None) -> tuple[Tensor, ...]:
        return self._of(dtype).compose(stored, dtype)

    def make(self, stored: StoredBanks, dtype: torch.dtype | None = None) -> tuple[Tensor, ...]:
        wanted = self._of(dtype)
        if wanted is not self._last:
            self._last.release()  # so that its memory is free before more is asked for
            self._last = wanted
        return wanted.make(stored, dtype)

    def pull(self, gradients: Sequence[Tensor | None], stored: StoredBanks) -> tuple[Tensor, ...]:
        return self._last.pull(gradients, stored)

    def release(self) -> None:
        self._last.release()

    def slot_gradients(self, gradients: Sequence[Tensor], templates: Sequence[Tensor]) -> list[Tensor]:
        # by the kernels of the gradients' own type, which read them without a copy
        return self._of(gradients[0].dtype if gradients else None).slot_gradients(gradients, templates)
