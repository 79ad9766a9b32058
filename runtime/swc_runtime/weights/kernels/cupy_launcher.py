"""Launches the kernels through CuPy, on torch's stream and torch's memory.

Takes a CUDA device and the types of scalars; gives a `Launcher`. Guarantees: tensors are shared by DLPack, never
copied; a launch is ordered like one of torch's own on its current stream. ImportError without CuPy, RuntimeError where
it cannot compile or the device does not answer.
"""

from __future__ import annotations

import torch
from torch import Tensor

from swc_runtime.weights.kernels.launched import SOURCE

KERNELS = ("compose", "pull", "sum_parts")
THREADS, ITEMS = 256, 4  # as in compose.cu
REALS = {torch.float32: "float", torch.float64: "double"}


def options(dtype: torch.dtype, weights: torch.dtype | None = None, has_gains: bool = False) -> tuple[str, ...]:
    """Options for the CUDA compiler; ValueError for types that the kernels are not written for.

    `has_gains`: the kernels take one table more, the gains of the slots, as their last argument.
    """
    if dtype not in REALS or weights not in (None, dtype, torch.bfloat16):
        raise ValueError(f"there are no kernels for {dtype} templates and {weights or dtype} weights")
    narrow = ("-DBFLOAT16",) if weights is torch.bfloat16 else ()
    gains = ("-DGAINS",) if has_gains else ()
    return ("-std=c++17", f"-DREAL={REALS[dtype]}", *narrow, *gains)


class CupyLauncher:
    """Kernels compiled for one device, and for plans with gains or without."""

    tile = THREADS * ITEMS

    def __init__(
        self, device: torch.device, dtype: torch.dtype, weights: torch.dtype | None = None, has_gains: bool = False
    ) -> None:
        import cupy

        self._cupy, self._device = cupy, device
        module = cupy.RawModule(code=SOURCE.read_text("utf-8"), options=options(dtype, weights, has_gains))
        try:
            with cupy.cuda.Device(device.index):
                self._kernels = {name: module.get_function(name) for name in KERNELS}
        except cupy.cuda.compiler.CompileException as error:
            raise RuntimeError(str(error)) from error

    def launch(self, kernel: str, blocks: int, *arguments: Tensor) -> None:
        cupy = self._cupy
        stream = cupy.cuda.Stream.from_external(torch.cuda.current_stream(self._device))
        with torch.cuda.device(self._device), cupy.cuda.Device(self._device.index), stream:
            shared = tuple(cupy.from_dlpack(tensor.detach()) for tensor in arguments)
            self._kernels[kernel]((blocks,), (THREADS,), shared)
