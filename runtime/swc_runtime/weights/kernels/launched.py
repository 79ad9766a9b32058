"""The kernels of `compose.cu` as torch functions, whoever launches them.

Takes a plan and a launcher; gives `LaunchedKernels`. Guarantees: what is composed and pulled back is that of
`reference`, to rounding; composed weights lie channels-last in one buffer; nothing waits for the device.

Tensor names: S slots of a bank, K its templates, N its coefficient vectors, T scalars of a template.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from swc.program.expressions import Shape
from torch import Tensor
from torch.autograd.function import once_differentiable

from swc_runtime.weights.compose import StoredBanks, block_view
from swc_runtime.weights.kernels.tables import Sums, launch_tables, unsuitable
from swc_runtime.weights.plan import CompositionPlan

SOURCE = Path(__file__).with_name("compose.cu")
KEPT = 32  # tables of addresses


class Launcher(Protocol):
    """Who runs the kernels: for one type of scalars and one device."""

    tile: int  # scalars that a thread block owns

    def launch(self, kernel: str, blocks: int, *arguments: Tensor) -> None:
        """Run a kernel of `compose.cu` over so many thread blocks, on torch's stream."""
        ...


class Addresses:
    """Tables of tensors' addresses on the device, kept by stream: steps mostly see the same addresses again."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._kept: dict[tuple[int, ...], Tensor] = {}

    def of(self, tensors: Sequence[Tensor | None]) -> Tensor:
        """One int64 to each tensor; 0 for None."""
        on_cuda = self._device.type == "cuda"
        stream = torch.cuda.current_stream(self._device).cuda_stream if on_cuda else 0
        addresses = tuple(0 if tensor is None else tensor.data_ptr() for tensor in tensors)
        if (found := self._kept.get((stream, *addresses))) is not None:
            return found
        if len(self._kept) >= KEPT:
            self._kept.clear()
        table = torch.tensor(addresses, dtype=torch.int64, pin_memory=on_cuda).to(self._device, non_blocking=True)
        self._kept[stream, *addresses] = table
        return table


class LaunchedKernels:
    """Composition and gradient statistics by one launch each (two where sums are taken in two stages).

    `dtype` is that of templates, coefficients and sums. Composed weights are `weights` (default `dtype`; bfloat16 may
    be asked for), and so are their gradients. ValueError where the kernels cannot do the plan; see `unsuitable`.
    """

    def __init__(
        self,
        plan: CompositionPlan,
        num_templates: Sequence[int],
        launcher: Launcher,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        weights: torch.dtype | None = None,
    ) -> None:
        if reason := unsuitable(num_templates):
            raise ValueError(reason)
        self.plan, self.device, self.dtype, self.weights = plan, device, dtype, weights or dtype
        self._launcher = launcher
        self._num_templates = tuple(num_templates)
        made = launch_tables(plan, num_templates, launcher.tile)
        self._starts, self._size, self._num_partials = made.starts, made.size, made.num_partials
        self._walk = tuple(self._table(table) for table in (made.tiles, made.banks, made.groups, made.copies))
        self._by_coefficient, self._by_slot = self._both(made.by_coefficient), self._both(made.by_slot)
        # the last argument of every kernel; where all gains are 1 the kernels are compiled without it
        self._gains = (torch.from_numpy(made.gains).to(device, dtype),) if plan.has_gains else ()
        self._addresses = Addresses(device)
        self._kept: Tensor | None = None

    def _table(self, table: NDArray[np.int32]) -> Tensor:
        return torch.from_numpy(table).to(self.device)

    def _both(self, sums: Sums) -> tuple[Tensor, Tensor]:
        return self._table(sums.rows), self._table(sums.parts)

    def compose(self, stored: StoredBanks, dtype: torch.dtype | None = None) -> tuple[Tensor, ...]:
        # stored.indices and gains are not needed: the kernels' tables hold the plan's own
        made: tuple[Tensor, ...] = ComposeByKernels.apply(self, *stored.templates, *stored.tables)
        return made if dtype in (None, self.weights) else tuple(weight.to(dtype) for weight in made)

    def slot_gradients(self, gradients: Sequence[Tensor], templates: Sequence[Tensor]) -> list[Tensor]:
        none = [None] * len(templates)
        sizes = zip(self.plan.banks, self._num_templates, strict=True)
        rows = [self._new((len(bank.slots), num)) for bank, num in sizes]
        self._pull(gradients, (templates, none), (none, rows), self._by_slot)
        return [row.double() for row in rows]

    def release(self) -> None:
        self._kept = None

    def make(self, stored: StoredBanks, dtype: torch.dtype | None = None) -> tuple[Tensor, ...]:
        if self._kept is None:
            with torch.inference_mode(False):  # training will use it too
                self._kept = self._buffer()
        made = self._place(self._kept, stored)
        return made if dtype in (None, self.weights) else tuple(weight.to(dtype) for weight in made)

    def pull(self, gradients: Sequence[Tensor | None], stored: StoredBanks) -> tuple[Tensor, ...]:
        given = stored.templates, stored.tables
        templates, tables = ([self._new(tensor.shape) for tensor in tensors] for tensors in given)
        self._pull(gradients, given, (templates, tables), self._by_coefficient)
        return (*templates, *tables)

    def place(self, stored: StoredBanks) -> tuple[Tensor, ...]:
        """The outputs in memory of their own."""
        return self._place(self._buffer(), stored)

    def _buffer(self) -> Tensor:
        return torch.empty(self._size, dtype=self.weights, device=self.device)

    def _place(self, buffer: Tensor, stored: StoredBanks) -> tuple[Tensor, ...]:
        """The outputs, each written once, where it stays."""
        self._check((*stored.templates, *stored.tables))
        placed = zip(self._starts, self.plan.outputs, strict=True)
        made = tuple(block_view(buffer, start, output.shape) for start, output in placed)
        addresses = (self._addresses.of(tensors) for tensors in (stored.templates, stored.tables, made))
        self._launch("compose", len(self._walk[0]), *self._walk, *addresses, *self._gains)
        return made

    def _pull(
        self,
        gradients: Sequence[Tensor | None],
        given: tuple[Sequence[Tensor], Sequence[Tensor | None]],
        made: tuple[Sequence[Tensor | None], Sequence[Tensor]],
        sums: tuple[Tensor, Tensor],
    ) -> None:
        flat = [None if gradient is None else _channels_last(gradient.to(self.weights)) for gradient in gradients]
        partials = self._new((self._num_partials,))
        addresses = [self._addresses.of(tensors) for tensors in (*given, flat, *made)]
        self._launch("pull", len(self._walk[0]), *self._walk, *addresses[:4], partials, *self._gains)
        self._launch("sum_parts", len(sums[0]), *sums, self._walk[1], partials, addresses[4], *self._gains)

    def _new(self, shape: Shape) -> Tensor:
        return torch.empty(shape, dtype=self.dtype, device=self.device)

    def _check(self, tensors: Sequence[Tensor]) -> None:
        """ValueError for tensors that the kernels would misread."""
        if any(tensor.dtype != self.dtype or tensor.device != self.device for tensor in tensors):
            raise ValueError(f"these kernels were made for {self.dtype} on {self.device}")

    def _launch(self, kernel: str, blocks: int, *arguments: Tensor) -> None:
        if blocks:
            self._launcher.launch(kernel, blocks, *arguments)


def _channels_last(gradient: Tensor) -> Tensor:
    """The same numbers with inputs innermost in memory, without a copy where they lie so."""
    return gradient.contiguous() if gradient.dim() == 1 else gradient.movedim(1, -1).contiguous()


class ComposeByKernels(torch.autograd.Function):
    """As `weights.compose.Compose`, by kernels: `apply(kernels, *templates, *tables)` gives the plan's outputs."""

    @staticmethod
    def forward(ctx: Any, kernels: LaunchedKernels, *tensors: Tensor) -> tuple[Tensor, ...]:
        """One launch."""
        ctx.kernels = kernels
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*tensors)
        return kernels.place(_stored(tensors))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """Two launches; gradients and templates are read once."""
        return (None, *ctx.kernels.pull(gradients, _stored(ctx.saved_tensors)))


def _stored(tensors: tuple[Tensor, ...]) -> StoredBanks:
    """Templates and tables; the kernels have the indices in tables of their own."""
    half = len(tensors) // 2
    return StoredBanks((), tensors[:half], tensors[half:])
