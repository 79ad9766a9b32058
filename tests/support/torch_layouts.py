"""Which convolutions this version of torch can train channels-last on this CPU: each tried in a process of its own.

    ONEDNN_MAX_CPU_ISA=AVX2 python tests/torch_layouts.py

prints a line for each layout, type, kernel and stride, with the numbers of input channels that failed: the process
died, hung, or gave another gradient than float64 does. Nothing of swc is used. What came out stands in
docs/explanation/cpu_layout.md; `IS_SAFE` in `swc_runtime.weights.layout` says what follows from it.
"""

from __future__ import annotations

import os
import signal
from itertools import product

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: processes are forked from one without threads

import torch
from torch import Tensor
from torch.nn import functional as F

CHANNELS, SIZES, OUTPUTS, TIMES = range(1, 17), (8, 12, 33), 16, 10
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}
TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
PATIENCE = 300  # seconds


def gradients(images: Tensor, weight: Tensor, stride: int, layout: torch.memory_format) -> list[Tensor]:
    images = images.contiguous(memory_format=layout).requires_grad_()
    weight = weight.contiguous(memory_format=layout).requires_grad_()
    F.conv2d(images, weight, stride=stride, padding=weight.shape[-1] // 2).square().mean().backward()
    return [images.grad, weight.grad]


def is_right(layout: torch.memory_format, dtype: torch.dtype, kernel: int, stride: int, channels: int) -> bool:
    for size in SIZES:
        images, weight = torch.randn(4, channels, size, size), torch.randn(OUTPUTS, channels, kernel, kernel)
        images, weight = images.to(dtype), weight.to(dtype)
        wanted = gradients(images.double(), weight.double(), stride, torch.contiguous_format)
        for _ in range(TIMES):
            found = gradients(images.clone(), weight.clone(), stride, layout)
            for mine, other in zip(found, wanted, strict=True):
                if not float((mine.double() - other).abs().max() / other.abs().max()) < TOLERANCES[dtype]:
                    return False
    return True


def fails(*case: object) -> bool:
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os._exit(0 if is_right(*case) else 1)  # type: ignore[arg-type]
    return os.waitpid(child, 0)[1] != 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    gradients(torch.randn(1, 1, 2, 2).double(), torch.randn(1, 1, 1, 1).double(), 1, torch.contiguous_format)
    print(f"torch {torch.__version__}, oneDNN with {os.environ.get('ONEDNN_MAX_CPU_ISA', 'all it finds')}")
    for (name, layout), dtype, kernel, stride in product(LAYOUTS.items(), TOLERANCES, (1, 3), (1, 2, 3)):
        failed = [channels for channels in CHANNELS if fails(layout, dtype, kernel, stride, channels)]
        print(f"{name:13} {str(dtype)[6:]:8} {kernel}x{kernel} stride {stride}: {failed or 'all right'}", flush=True)
