"""Convolutions that a CPU may not be given channels-last: trained in processes of their own, and what is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import nn

from swc_runtime.weights import layout

WORKER = Path(__file__).parents[1] / "support" / "layout_worker.py"
CASES = [("layer", *case) for case in product(range(1, 17), (1, 2, 3), (1, 3))]
WORST = [("layer", 2, 2, 1), ("layer", 4, 2, 1), ("layer", 5, 3, 1), ("layer", 7, 2, 1), ("layer", 4, 2, 3)]
SISTERS = [(kind, 4, stride, 1) for kind in ("called", "permuted", "transposed", "parametrised") for stride in (2, 3)]


def trained(cases: list[tuple[str, int, int, int]], instructions: str) -> dict[tuple[str, int, int, int], int]:
    """What became of the cases that did not go well, with no more instructions than these (empty: all there are)."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment |= {"ONEDNN_MAX_CPU_ISA": instructions} if instructions else {}
    command = [sys.executable, str(WORKER), json.dumps(cases)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert len(found) == len(cases)
    return {case: status for case, status in zip(cases, found, strict=True) if status}


def test_the_worst_convolutions_train_with_the_instructions_that_fail() -> None:
    assert trained([*WORST, *SISTERS], "AVX2") == {}


@pytest.mark.slow
@pytest.mark.parametrize("instructions", ["AVX2", ""])
def test_every_narrow_convolution_trains(instructions: str) -> None:
    assert trained([*CASES, *SISTERS], instructions) == {}


@pytest.mark.parametrize(
    ("layer", "is_unsafe"),
    [
        (nn.Conv2d(7, 16, 1, stride=2), True),
        (nn.Conv2d(8, 16, 1, stride=2), False),
        (nn.Conv2d(7, 16, 1), False),
        (nn.Conv2d(7, 16, 3, stride=2), False),
        (nn.Conv2d(6, 6, 1, stride=2, groups=3), False),
        (nn.Conv2d(7, 16, 1, stride=(1, 2)), True),
        (nn.Conv1d(7, 16, 1, stride=2), True),
        (nn.ConvTranspose2d(16, 7, 1, stride=2), True),
        (nn.ConvTranspose2d(7, 16, 1, stride=2), False),
        (nn.Linear(4, 4), False),
    ],
)
def test_what_is_unsafe_goes_by_the_shape(layer: nn.Module, is_unsafe: bool) -> None:
    assert layout.is_unsafe(layer) is is_unsafe


def test_a_version_that_was_not_tried_counts_as_unsafe() -> None:
    assert not layout.is_known_safe("2.14.1+cu130")
    assert not layout.is_known_safe("3.7.0")


def test_plain_strides_are_plain_where_an_axis_is_one_too() -> None:
    weight = torch.randn(32).view(8, 1, 1, 4).movedim(-1, 1)
    assert weight.is_contiguous()  # which says nothing about how torch reads its strides
    assert layout.plain(weight).stride() == (4, 1, 1, 1)
    assert torch.equal(layout.plain(weight), weight)


def test_layers_are_protected_once_and_named() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 1, stride=2), nn.Conv2d(8, 8, 1, stride=2))
    layout.protect(net)
    layout.protect(net)
    assert [len(layer._forward_pre_hooks) for layer in net] == [0, 1, 0]
    assert layout.layout_remark({"net": net}, "cpu") is not None
    assert "net.1" in layout.layout_remark({"net": net}, "cpu")
    assert layout.layout_remark({"net": net}, "cuda") is None
    net.to(memory_format=torch.channels_last)  # whoever does so
    assert net[1].weight.stride() == (4, 1, 4, 4)
    net(torch.randn(2, 1, 9, 9))
    assert net[1].weight.stride() == (4, 1, 1, 1)
    layout.unprotect(net)
    assert not net[1]._forward_pre_hooks
