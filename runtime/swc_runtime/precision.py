"""Which numbers the members compute in, memory layout of images, and determinism.

Takes a recipe's `precision` and a device; gives `Arithmetic`. Guarantees: the choice is a function of the device
alone and says why it was made; parameters and losses stay in their own type.
"""

from __future__ import annotations

import os

import torch
from attrs import frozen
from swc.program.training import Precision
from torch import Tensor

from swc_runtime.inputs import Inputs, mapped

IMAGE_AXES = 4  # [B, C, H, W]


@frozen
class Arithmetic:
    """What the members' forward passes run in: `dtype`, on `device`, and `why` in words."""

    device: str
    dtype: torch.dtype
    why: str

    @property
    def rounds_to(self) -> torch.dtype | None:
        """What autocast rounds weights to; None where it leaves them."""
        return self.dtype if self.dtype is torch.bfloat16 else None

    def autocast(self) -> torch.autocast:
        """The context for a forward pass; for float32 it does nothing."""
        return torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16)

    def __str__(self) -> str:
        return f"{str(self.dtype).removeprefix('torch.')} ({self.why})"


def choose_arithmetic(precision: Precision, device: torch.device | str = "cpu") -> Arithmetic:
    """Settle `auto`: bfloat16 on CUDA and on a CPU with bfloat16 instructions, float32 elsewhere."""
    kind = torch.device(device).type
    if precision == "float32":
        return Arithmetic(kind, torch.float32, "as the recipe says")
    if precision == "bfloat16":
        return Arithmetic(kind, torch.bfloat16, "as the recipe says")
    if kind == "cuda":
        return Arithmetic(kind, torch.bfloat16, "chosen for CUDA")
    if kind == "cpu" and cpu_has_bfloat16():
        return Arithmetic(kind, torch.bfloat16, "chosen for a CPU with bfloat16 instructions")
    return Arithmetic(kind, torch.float32, f"chosen for {kind} without bfloat16 instructions")


def cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 itself; emulated, it is slower than float32."""
    abilities = torch.cpu.get_capabilities()
    kernels = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return kernels and any(abilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def laid_out(inputs: Inputs) -> Inputs:
    """Inputs with images [B, C, H, W] channels-last in memory, which convolutions are quicker with; others plain."""
    return mapped(inputs, _laid_out)


def _laid_out(tensor: Tensor) -> Tensor:
    is_image = tensor.dim() == IMAGE_AXES
    return tensor.contiguous(memory_format=torch.channels_last if is_image else torch.contiguous_format)


def make_deterministic(seed: int) -> None:
    """Make torch give the same bits again (same machine, versions and threads), and seed it; before CUDA is used."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_deterministic_debug_mode("error")  # `use_deterministic_algorithms` without the compiler that it imports
    torch.backends.cudnn.benchmark = False
    torch.manual_seed(seed)
