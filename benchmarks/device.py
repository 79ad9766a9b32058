"""Where benchmarks compute: on CUDA where there is a device, else on the CPU."""

from __future__ import annotations

import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def settled() -> None:
    """Wait until the device has done what it was asked."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
