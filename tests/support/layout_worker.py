"""Trains small ensembles, each in a process of its own, as some die of what they are to show: `test_cpu_layout.py`.

`python layout_worker.py CASES` takes cases as JSON, [kind, input channels, stride, kernel] each, and prints what became
of each: 0 where gradients are those of float64, 1 where they are not, minus the signal that ended it otherwise.
The processes are forked from one in which torch is imported and has not computed in float32, on one thread.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from attrs import evolve
from swc.program.datasets import DATASETS
from swc.program.expressions import Combine
from swc.program.model_source import ModelSource
from swc.program.program import (
    SCHEMA,
    BankPlan,
    CoefficientPlan,
    MemberPlan,
    PrivatePlan,
    Program,
    SlotPlan,
    WeightPlan,
)
from swc.program.steps import StepPlan
from torch import Tensor, nn
from torch.nn import functional as F

from swc_runtime.ensemble import Ensemble, placed, state_parameters
from swc_runtime.precision import Arithmetic, laid_out
from swc_runtime.training.steps import STEPS, Batch, StepOptions
from swc_runtime.weights.bank import initial_parts

Case = tuple[str, int, int, int]
OUTPUTS, SIZE = 16, 12  # steps of 1, 2 and 3 divide the size
TOLERANCE = 1e-4
PATIENCE = 300  # seconds: what hangs is ended


class Net(nn.Module):
    """A convolution to `channels`, then the one that is looked at, then a classifier."""

    def __init__(self, kind: str, channels: int, stride: int, kernel: int) -> None:
        super().__init__()
        self.kind, self.stride, self.padding = kind, stride, kernel // 2
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        if kind == "transposed":  # what counts here is how many channels it gives
            self.inner = nn.Conv2d(channels, OUTPUTS, 3, padding=1)
            self.conv = nn.ConvTranspose2d(OUTPUTS, channels, kernel, stride, self.padding, stride - 1, bias=False)
        else:
            self.conv = nn.Conv2d(channels, OUTPUTS, kernel, stride, self.padding, bias=False)
        if kind == "parametrised":  # its weight is computed, and lies as what it is computed from
            nn.utils.parametrizations.weight_norm(self.conv)
        self.head = nn.Linear(channels if kind == "transposed" else OUTPUTS, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        if self.kind == "transposed":
            x = self.inner(x)
        if self.kind == "permuted":  # channels-last by itself
            x = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        called = self.kind == "called"
        x = F.conv2d(x, self.conv.weight, stride=self.stride, padding=self.padding) if called else self.conv(x)
        return self.head(x.square().mean((2, 3)))


def program_of(case: Case) -> Program:
    """A member whose convolution is composed, beside one whose is its own; some cannot be composed."""
    modules = {name: Net(*case) for name in ("composed", "own")}
    shape = tuple(modules["own"].conv.weight.shape)
    composed = case[0] not in ("transposed", "parametrised")
    weight = WeightPlan("composed", "conv.weight", shape, Combine("slot", 0, shape), "composed.conv")
    bank = BankPlan("c0.0", 2, shape[0] * shape[1] * shape[2] * shape[3], 9)
    private = tuple(
        PrivatePlan(name, path, tuple(p.shape))
        for name, module in modules.items()
        for path, p in module.named_parameters()
        if not (composed and (name, path) == ("composed", "conv.weight"))
    )
    plans = tuple(MemberPlan(name, ModelSource("python", "support.layout_worker:Net", ())) for name in modules)
    made = Program(
        SCHEMA, "tiny", 0, "", "", evolve(DATASETS["digits"], num_classes=3), plans,
        (bank,), (CoefficientPlan("slot", "c0.0"),), (SlotPlan("slot", "composed", "c0.0", "slot"),),
        (), (weight,) if composed else (), private, None,
    )  # fmt: skip
    return evolve(made, step=StepPlan("independent", (("average", False),)))


def gradients(case: Case, dtype: torch.dtype) -> list[Tensor]:
    """Those of all parameters after two steps on one batch."""
    torch.manual_seed(0)
    program = program_of(case)
    ensemble = placed(Ensemble(program, initial_parts(program, [Net(*case) for _ in range(2)])), "cpu", dtype)
    pictures = torch.randn(5, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)
    batch = Batch(laid_out(pictures), torch.arange(5) % 3)
    for _ in range(2):
        STEPS["independent"](ensemble, batch, StepOptions(Arithmetic("cpu", dtype, "tests")))
    return [parameter.grad for parameter in state_parameters(ensemble).values() if parameter.grad is not None]


def is_right(case: Case) -> bool:
    """Whether float32 gives the gradients of float64, which oneDNN has no part in."""
    pairs = zip(gradients(case, torch.float32), gradients(case, torch.float64), strict=True)
    return all(
        float((found.double() - wanted).abs().max()) <= TOLERANCE * float(wanted.abs().max().clamp(min=1e-3))
        for found, wanted in pairs
    )


def outcome(case: Case) -> int:
    """What becomes of a case in a process of its own."""
    child = os.fork()
    if child == 0:
        signal.alarm(PATIENCE)
        os._exit(0 if is_right(case) else 1)
    _, status = os.waitpid(child, 0)
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


if __name__ == "__main__":
    torch.set_num_threads(1)
    gradients(("layer", 8, 1, 3), torch.float64)  # loads what torch loads late
    print(json.dumps([outcome(tuple(case)) for case in json.loads(sys.argv[1])]))
